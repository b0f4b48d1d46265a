"""A LLaVA or a bare LLM in vLLM, where that is installed (``pip install ikusi[vllm]``).

vLLM is given our tokens, with one image token for each picture, which it expands itself. It is held
against vLLM where that is (``tests/parity/test_vllm.py``: scores, answers, prompts), and everywhere
against a stand-in that does what its documentation says (``tests/answer/stand_in.py``).

vLLM reads prompts whose tokens' log-probabilities are wanted whole, without its cache of prefixes.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from PIL import Image
from transformers import AutoConfig, GenerationConfig, PreTrainedTokenizerBase

from ikusi import content, pretrained
from ikusi.answer.engine import Asked, Engine, Query, Reply, Way, explain_not_finite, fingerprint
from ikusi.answer.engines import completion
from ikusi.answer.engines.kinds import locate_checkpoint
from ikusi.answer.score import summarise
from ikusi.errors import InputError
from ikusi.model import chat
from ikusi.model.forms import Forms
from ikusi.model.parts import load_processor, open_tokenizer
from ikusi.model.pixels import check_sizes
from ikusi.model.steady import find_today

IDENTITY = "torch.nn.modules.linear.Identity"
"""vLLM's name of the activation that transformers calls linear."""


class VLLM:
    """Answers by a model that vLLM runs in this process.

    Args:
        llm: an open ``vllm.LLM``.
        tokenizer: the model's own.
        image_token: the id that stands for a picture; none for a bare LLM.
        stops: ids that end an answer.
        pictures: most of one prompt.
        image_processor: what vLLM will prepare them by; none for a bare LLM.
        name: for results.
        batch_size: pictures held at once; vLLM itself decides how many prompts it works on.
        identity: identifies the model's weights.
    """

    scores_options = True

    def __init__(
        self,
        llm: Any,
        tokenizer: PreTrainedTokenizerBase,
        image_token: int | None,
        stops: Sequence[int],
        *,
        pictures: int = 1,
        image_processor: Any = None,
        name: str = "",
        batch_size: int = 256,
        identity: Any = None,
    ) -> None:
        self.llm, self.tokenizer, self.pictures = llm, tokenizer, pictures
        self.name, self.batch_size, self._identity = name, batch_size, identity
        self._image_processor = image_processor
        self.sees = image_token is not None
        self._forms = Forms(tokenizer, 1 if self.sees else 0, image_token)
        self._stops = list(stops)

    def identity(self) -> Any:
        """Weights, precision, vLLM's version, and the date in prompts, where their template writes
        one."""
        return ["vllm", self._identity, *find_today(self.tokenizer.chat_template)]

    def prepare(self, pictures: Mapping[str, Image.Image]) -> Mapping[str, Image.Image]:
        """Pictures as they are: vLLM prepares them as the checkpoint says."""
        if self._image_processor is not None:
            check_sizes(self._image_processor, list(pictures.values()))
        return pictures

    def answer(self, queries: Sequence[Query], pictures: Mapping[str, Any]) -> list[Reply]:
        """Answer queries; all prompts go to vLLM together."""
        began = time.perf_counter()
        prompts, options = self._prompts(queries), self._options(queries)
        asked = [self._pack_pictures(query, pictures) for query in queries]
        requests, sampling = [], []
        for query, ids, images, texts in zip(queries, prompts, asked, options, strict=True):
            for more in texts or [[]]:
                requests.append({"prompt_token_ids": [*ids, *more], **images})
                sampling.append(self._sampling(query))
        outputs = iter(self.llm.generate(requests, sampling, use_tqdm=False))
        results = [
            self._read_scores(query, texts, outputs) if texts else self._read_answer(next(outputs))
            for query, texts in zip(queries, options, strict=True)
        ]
        seconds = (time.perf_counter() - began) / max(1, len(queries))
        return [Reply(seconds=seconds, **values) for values in results]

    def _prompts(self, queries: Sequence[Query]) -> list[tuple[int, ...]]:
        """Tokens of each prompt, a picture as one."""
        chats = [query for query in queries if not query.completion]
        encoded = self._forms.prompts([q.messages for q in chats], [q.where for q in chats])
        others = [query for query in queries if query.completion]
        asked, continued = iter(encoded), iter(completion.encode_prompts(self.tokenizer, others))
        return [next(continued if query.completion else asked)[0] for query in queries]

    def _options(self, queries: Sequence[Query]) -> list[list[list[int]]]:
        """Tokens of each query's options."""
        chats = [query for query in queries if not query.completion]
        encoded = self._forms.continuations(
            [query.messages for query in chats],
            [query.options for query in chats],
            [query.where for query in chats],
        )
        others = [query for query in queries if query.completion]
        asked, continued = (
            iter(encoded),
            iter(completion.encode_continuations(self.tokenizer, others)),
        )
        return [next(continued if query.completion else asked) for query in queries]

    def _pack_pictures(self, query: Query, pictures: Mapping[str, Any]) -> dict[str, Any]:
        """The pictures of a query as vLLM takes them."""
        images = [pictures[key] for key in query.pictures]
        if len(images) > self.pictures:
            raise InputError(
                f"{query.where}: expected at most {self.pictures} pictures, for which vLLM was "
                f"opened, found {len(images)}"
            )
        return {"multi_modal_data": {"image": images}} if images else {}

    def _sampling(self, query: Query) -> Any:
        from vllm import SamplingParams

        if query.options:
            return SamplingParams(temperature=0, max_tokens=1, prompt_logprobs=0)
        return SamplingParams(
            temperature=0,
            max_tokens=query.max_new_tokens,
            stop_token_ids=self._stops,
            logprobs=0,  # of what was said: not finite where the model is broken
        )

    def _read_answer(self, output: Any) -> dict[str, Any]:
        answer = output.outputs[0]
        ids = list(answer.token_ids)
        pairs = zip(answer.logprobs, ids, strict=True)
        logs = [float(place[token].logprob) for place, token in pairs]
        if bad := [log for log in logs if not isfinite(log)]:
            return {
                "prompt": fingerprint(output.prompt_token_ids),
                "failure": explain_not_finite(bad[0]),
            }
        if ids and ids[-1] in self._stops:
            ids.pop()
        return {
            "prompt": fingerprint(output.prompt_token_ids),
            "text": str(self.tokenizer.decode(ids, skip_special_tokens=True)).strip(),
            "hit_limit": answer.finish_reason == "length",
        }

    def _read_scores(
        self, query: Query, options: Sequence[Sequence[int]], outputs: Iterator[Any]
    ) -> dict[str, Any]:
        """Scores of a query's options: vLLM's log-probabilities of the last tokens of each
        prompt."""
        scores, prompt = [], ""
        for text, ids in zip(query.options, options, strict=True):
            output = next(outputs)
            whole, logs = list(output.prompt_token_ids), output.prompt_logprobs
            if whole[-len(ids) :] != list(ids) or len(logs) != len(whole):
                raise InputError(
                    f"{self.name}: {query.where}: expected vLLM to score all {len(whole)} tokens "
                    f"of the prompt, the option's {len(ids)} last, found {len(logs)}"
                )
            values = [
                float(place[token].logprob)
                for place, token in zip(logs[-len(ids) :], ids, strict=True)
            ]
            scores.append(summarise(values, text, ends=not query.completion))
            prompt = fingerprint(whole[: -len(ids)])
        return {"prompt": prompt, "scores": tuple(scores)}

    def close(self) -> None:
        """Let go of vLLM."""
        del self.llm


def open_vllm(
    checkpoint: str | Path, *, dtype: str | None = None, batch_size: int = 256, pictures: int = 1
) -> "VLLM":
    """Open a LLaVA or a bare LLM in vLLM.

    Args:
        checkpoint: a folder, or a hub id that is in the cache.
        dtype: None is bf16.
        batch_size: pictures held at once.
        pictures: most of one prompt, few-shots' included.

    Raises:
        InputError: there is no such model, or no vLLM.
    """
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    place, kind = locate_checkpoint(checkpoint)
    if kind != "llava" and kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise InputError(
            f"{checkpoint}: expected a LLaVA or a bare LLM, found {kind}: its prompts are not "
            "known here; let vLLM serve it and ask that server, or run it without vLLM"
        )
    return _open_engine(place, kind, dtype or "bfloat16", batch_size, pictures)


def _open_engine(place: Path, kind: str, dtype: str, batch_size: int, pictures: int) -> VLLM:
    try:
        import vllm
    except ImportError:
        message = "vllm: expected the package, found none: pip install 'ikusi[vllm]' (needs a GPU)"
        raise InputError(message) from None
    tokenizer: Any
    image_token = image_processor = None
    if kind == "llava":
        processor: Any = load_processor(place)
        tokenizer, image_processor = processor.tokenizer, processor.image_processor
        image_token = int(tokenizer.convert_tokens_to_ids(processor.image_token))
    else:
        tokenizer = open_tokenizer(place)
    settings = _settings(place, max(1, pictures)) if kind == "llava" else {}
    settings |= {"dtype": dtype, "enable_prefix_caching": True, "trust_remote_code": False}
    llm = vllm.LLM(model=str(place), seed=0, **settings)
    return VLLM(
        llm,
        tokenizer,
        image_token,
        _stops(place, tokenizer),
        pictures=max(1, pictures),
        image_processor=image_processor,
        name=str(place),
        batch_size=batch_size,
        identity=[content.hash_folder(place), dtype, vllm.__version__],
    )


def _settings(place: Path, pictures: int) -> dict[str, Any]:
    """Settings of vLLM for a LLaVA: how many pictures come, and what its connector is."""
    settings: dict[str, Any] = {"limit_mm_per_prompt": {"image": pictures}}
    if pretrained.load(AutoConfig, place).projector_hidden_act == "linear":
        settings["hf_overrides"] = {"projector_hidden_act": IDENTITY}
    return settings


def _stops(place: Path, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    try:
        settings = pretrained.load(GenerationConfig, place)
    except OSError:  # a model without such a file
        settings = GenerationConfig(eos_token_id=tokenizer.eos_token_id)
    return chat.list_stops(tokenizer, settings)


def _open(asked: Asked) -> Engine:
    size = asked.batch_size or 256
    return open_vllm(asked.checkpoint, dtype=asked.dtype, batch_size=size, pictures=asked.pictures)


ENGINES = [Way("vllm", "in vLLM", _open)]
