"""Any model of transformers that takes images and text, in this process.

Nothing is known of such a model but what its processor and its forward pass do. Options are scored
by reading what prompts have in common once (``answer.continued``), where that gives what reading
each whole prompt gives; answers are generated prompt by prompt.
"""

import inspect
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain, groupby
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from jinja2.exceptions import TemplateError
from PIL import Image
from torch import Tensor
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
)

from ikusi import content, pretrained
from ikusi.answer.continued import Asked, score_continued
from ikusi.answer.engine import Message, Query, Reply, explain_not_finite, fingerprint
from ikusi.answer.engines import completion
from ikusi.answer.remembering import Remembering
from ikusi.answer.score import summarise
from ikusi.answer.streaming import UNFINISHED, Say
from ikusi.answer.whole import score_whole
from ikusi.errors import InputError
from ikusi.model import families, hub
from ikusi.model.parts import check_finite
from ikusi.model.pieces import encode_piece
from ikusi.model.pixels import check_sizes
from ikusi.model.resizing import resize_across_first
from ikusi.model.steady import find_today, pin_date
from ikusi.model.tokens import compile_control, find_control_tokens

EXACT, NEAR = 1e-3, 0.5
"""By how much log-probabilities of a token, read in two ways that are the same but for the order of
additions, differ at most: in fp32, and in 16 bits."""

logger = logging.getLogger(__name__)


class General:
    """Answers by a model and a processor that are open here.

    Args:
        model: as ``AutoModelForImageTextToText`` opens it.
        processor: its own, with a chat template.
        name: for results.
        batch_size: sequences worked on at once; in fp32 it changes no score.
        identity: computes what identifies the model's weights.
    """

    sees = True
    scores_options = True

    def __init__(
        self,
        model: Any,
        processor: Any,
        *,
        name: str,
        batch_size: int = 8,
        identity: Callable[[], Any] = lambda: None,
    ) -> None:
        if not getattr(processor, "chat_template", None):
            raise InputError(f"{name}: expected a processor with a chat template, found none")
        self.model, self.processor, self.tokenizer = model.eval(), processor, processor.tokenizer
        self.name, self.batch_size, self._identity = name, batch_size, identity
        processor.image_processor = Remembering(processor.image_processor)
        self.tokenizer.padding_side = "left"
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self._stops = self._ends()
        # What a checkpoint says of sampling and of repetitions is no part of a greedy answer.
        model.generation_config = GenerationConfig(
            eos_token_id=self._stops, pad_token_id=self.tokenizer.pad_token_id, do_sample=False
        )
        token = getattr(model.config, "image_token_id", None)
        self._image_token: int | None = token
        family = families.find(model.config.model_type)
        self._answering = family.answering if family else {}
        # Not known before the first question, unless a prompt's tokens see those after them.
        self._continues: bool | None = False if self._answering else None
        self._keeps = "logits_to_keep" in inspect.signature(model.forward).parameters

    def identity(self) -> Any:
        """Weights and precision, and the date in prompts, where their template writes one."""
        own = ["general", self._identity(), str(self.model.dtype)]
        return [*own, *find_today(self.processor.chat_template)]

    def prepare(self, pictures: Mapping[str, Image.Image]) -> Mapping[str, Image.Image]:
        """Pictures as they are: only the processor knows what becomes of them."""
        return pictures

    @torch.inference_mode()
    def answer(self, queries: Sequence[Query], pictures: Mapping[str, Any]) -> list[Reply]:
        """Answer queries, those of one kind and like length together."""
        order = sorted(range(len(queries)), key=lambda n: (_kind(queries[n]), _size(queries[n])))
        replies: dict[int, Reply] = {}
        for kind, same in groupby(order, key=lambda n: _kind(queries[n])):
            rows = list(same)
            size = len(rows) if kind[0] else self.batch_size
            for start in range(0, len(rows), size):
                batch = rows[start : start + size]
                asked = [queries[row] for row in batch]
                began = time.perf_counter()
                results = (
                    self._score_options(asked, pictures)
                    if kind[0]
                    else self._generate_answers(asked, pictures)
                )
                seconds = (time.perf_counter() - began) / len(batch)
                for row, values in zip(batch, results, strict=True):
                    replies[row] = Reply(seconds=seconds, **values)
        return [replies[row] for row in range(len(queries))]

    @torch.inference_mode()
    def stream(self, query: Query, pictures: Mapping[str, Any], say: Say) -> Reply:
        """Answer a query, whose words go to ``say`` as they come."""
        began = time.perf_counter()
        (result,) = self._generate_answers([query], pictures, say)
        return Reply(seconds=time.perf_counter() - began, **result)

    def _generate_answers(
        self, queries: Sequence[Query], pictures: Mapping[str, Any], say: Say | None = None
    ) -> list[dict[str, Any]]:
        """Greedy answers, up to the token that ends each, or where `say` ends the only one."""
        limit = max(query.max_new_tokens for query in queries)
        inputs = self._inputs([self._prompt(query) for query in queries], queries, pictures)
        width, watch = inputs["input_ids"].shape[1], _Watch()
        ways: dict[str, Any] = {"max_new_tokens": limit}
        ways["logits_processor"] = LogitsProcessorList([watch])
        heed = None if say is None else _Heed(self._decode, width, say)
        if heed is not None:
            ways["stopping_criteria"] = StoppingCriteriaList([heed])
        generated = self.model.generate(**inputs, **ways)[:, width:].tolist()
        results: list[dict[str, Any]] = []
        highest = torch.stack(watch.highest, dim=1).tolist()
        for own, most, ids, query in zip(generated, highest, _rows(inputs), queries, strict=True):
            own = own[: query.max_new_tokens]
            ends = [place for place, token in enumerate(own) if token in self._stops]
            kept = own[: ends[0]] if ends else own
            if bad := [logit for logit in most[: len(kept) + 1] if not isfinite(logit)]:
                results.append({"prompt": fingerprint(ids), "failure": explain_not_finite(bad[0])})
                continue
            cut = not ends and not (heed is not None and heed.ended)
            text = self._decode(kept)
            results.append({"prompt": fingerprint(ids), "text": text, "hit_limit": cut})
        return results

    def _decode(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=True)).strip()

    def _score_options(
        self, queries: Sequence[Query], pictures: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """Log-probabilities of each query's options; those about the same pictures together."""
        alike: dict[tuple[str, ...], list[int]] = {}
        for place, query in enumerate(queries):
            alike.setdefault(query.pictures, []).append(place)
        results: dict[int, dict[str, Any]] = {}
        answering = self._answering
        for places in alike.values():
            group = [queries[place] for place in places]
            asked = [
                Asked(self._inputs([self._prompt(query)], [query], pictures), tokens, answering)
                for query, tokens in zip(group, map(self._continuations, group), strict=True)
            ]
            scored = zip(places, group, asked, self._score_group(asked), strict=True)
            for place, query, one, values in scored:
                pairs = zip(values, query.options, strict=True)
                scores = [summarise(own, text, not query.completion) for own, text in pairs]
                results[place] = {"prompt": fingerprint(one.ids), "scores": tuple(scores)}
        return [results[place] for place in range(len(queries))]

    def _score_group(self, asked: Sequence[Asked]) -> list[list[list[float]]]:
        """Log-probabilities of the tokens of the options of prompts with the same pictures."""
        if self._continues is None:
            self._continues = self._can_continue(asked[0])
        if self._continues:
            return self._go_on(asked)
        return [score_whole(self.model, one, self.batch_size, self._keeps) for one in asked]

    def _go_on(self, asked: Sequence[Asked]) -> list[list[list[float]]]:
        return score_continued(self.model, asked, self._image_token, self.batch_size, self._keeps)

    def _can_continue(self, asked: Asked) -> bool:
        """Whether going on from the beginning of a prompt gives what reading it whole gives."""
        whole = score_whole(self.model, asked, self.batch_size, self._keeps)
        flat = (chain.from_iterable(scores) for scores in (self._go_on([asked])[0], whole))
        apart = max(abs(one - other) for one, other in zip(*flat, strict=True))
        exact = not apart > (EXACT if self.model.dtype == torch.float32 else NEAR)
        if not exact:
            logger.info(
                "%s: prompts are read whole, for each option: going on from their beginning would "
                "change a log-probability by %.2g", self.name, apart,
            )  # fmt: skip
        return exact

    def _continuations(self, query: Query) -> list[list[int]]:
        """Tokens of each option as the answer, those that end the turn included.

        Where the prompt's last characters and the answer's first would share a token, the answer is
        tokenised apart, as ``model.chat`` does.
        """
        if query.completion:
            return completion.encode_continuations(self.tokenizer, [query])[0]
        prompt = self._prompt(query)
        opening = self._ids(prompt)
        tokens = []
        for option in query.options:
            rest = self._answer(query.messages, option, query.where)
            ids = self._ids(prompt + rest)
            if ids[: len(opening)] == opening:
                tokens.append(ids[len(opening) :])
            else:
                tokens.append(encode_piece(self.tokenizer, rest, continued=True))
        return tokens

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False).input_ids
        return ids

    def _answer(self, messages: Sequence[Message], text: str, where: str) -> str:
        """The template's text after the prompt: an answer and the token that ends the turn."""
        answer = {"role": "assistant", "content": [{"type": "text", "text": text}]}
        prompt = self._render(messages, where, True)
        whole = self._render([*messages, answer], where, False)
        place = whole.find(text.strip(), len(prompt))
        end = compile_control(self.tokenizer).pattern.search(whole, place + len(text.strip()))
        if not whole.startswith(prompt) or place < 0 or end is None:
            raise InputError(
                f"{self.name}: {where}: expected a chat template that leaves the prompt as it is "
                "when an answer follows, and ends the answer with a control token, found another"
            )
        return whole[len(prompt) : end.end()]

    def _ends(self) -> list[int]:
        """Token ids that end an answer: the model's own and the one the chat template writes."""
        known = self.model.generation_config.eos_token_id
        listed = known if isinstance(known, list) else [known]
        ids = {*listed, self.tokenizer.eos_token_id} - {None}
        asked = [{"role": "user", "content": [{"type": "text", "text": "a"}]}]
        with suppress(
            InputError
        ):  # a template that ends no turn: reported where options are scored
            ids.add(self._ids(self._answer(asked, "b", ""))[-1])
        return sorted(ids)

    def _prompt(self, query: Query) -> str:
        if query.completion:
            return completion.write_context(query.messages, query.where)
        return self._render(query.messages, query.where, True)

    def _render(self, messages: Sequence[Message], where: str, asks: bool) -> str:
        turns = [
            {"role": turn["role"], "content": [_part(part) for part in turn["content"]]}
            for turn in messages
        ]
        for part in (part for turn in turns for part in turn["content"]):
            spelled = find_control_tokens(self.tokenizer, part.get("text", ""))
            if spelled:
                raise InputError(f"{where}: expected text, found the control token {spelled[0]!r}")
        try:
            text: str = self.processor.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=asks
            )
        except TemplateError as error:
            raise InputError(
                f"{where or self.name}: the chat template refuses it: {error}"
            ) from error
        return text

    def _inputs(
        self, texts: Sequence[str], queries: Sequence[Query], pictures: Mapping[str, Any]
    ) -> dict[str, Tensor]:
        """Tokens and pixels as the processor makes them; one BOS where the template writes one."""
        images = [[pictures[key] for key in query.pictures] for query in queries]
        check_sizes(self.processor.image_processor, [image for own in images for image in own])
        bos = self.tokenizer.bos_token
        written = bos is not None and texts[0].startswith(bos)
        inputs = self.processor(
            text=list(texts),
            images=images if any(images) else None,
            return_tensors="pt",
            padding=True,
            add_special_tokens=not written,
        )
        return {
            name: value.to(self.model.device, self.model.dtype)
            if value.is_floating_point()
            else value.to(self.model.device)
            for name, value in inputs.items()
        }

    def close(self) -> None:
        """Nothing is held but the model."""


class _Watch(LogitsProcessor):
    """Notes the highest logit of each row at each step, which is NaN where any is."""

    def __init__(self) -> None:
        self.highest: list[Tensor] = []

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """The logits as they are."""
        self.highest.append(scores.amax(dim=-1))
        return scores


class _Heed(StoppingCriteria):
    """Shows what was said in the only row after each token, and ends it where that returns False.

    ``width``: how many tokens stand before it.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], width: int, say: Say) -> None:
        self.decode, self.width, self.say = decode, width, say
        self.ended = False

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
        """Whether the row is at its end."""
        text = self.decode(input_ids[0, self.width :].tolist())
        self.ended = not self.say(text.removesuffix(UNFINISHED))
        return torch.full((len(input_ids),), self.ended, device=input_ids.device)


def open_general(place: Path, dtype: torch.dtype, device: str, batch_size: int) -> General:
    """Open a folder with a model and a processor.

    Raises:
        InputError: it holds none.
    """
    with hub.guard_opening(place, "a model and its processor"):
        model = pretrained.load(AutoModelForImageTextToText, place, dtype=dtype)
        family = families.find(model.config.model_type)
        if family:
            processor = family.open_processor(place)
        else:
            processor = pretrained.load(AutoProcessor, place, backend="pil")
            resize_across_first(getattr(processor, "image_processor", None))
    check_finite(place, model)
    if isinstance(processor.chat_template, str):
        processor.chat_template = pin_date(processor.chat_template)
    return General(
        model.to(device),
        processor,
        name=str(place),
        batch_size=batch_size,
        identity=partial(content.hash_folder, place),
    )


def _kind(query: Query) -> tuple[bool, bool, int]:
    """Properties that queries of one batch share: processors want as many pictures in each text."""
    return bool(query.options), query.completion, len(query.pictures)


def _size(query: Query) -> int:
    return sum(len(part.get("text", "")) for turn in query.messages for part in turn["content"])


def _part(part: Mapping[str, str]) -> dict[str, str]:
    """A part of a message as chat templates take it."""
    return {"type": "image"} if part["type"] == "image" else {"type": "text", "text": part["text"]}


def _rows(inputs: Mapping[str, Tensor]) -> list[list[int]]:
    """The tokens of each row without padding."""
    rows = zip(inputs["input_ids"], inputs["attention_mask"].bool(), strict=True)
    return [ids[mask].tolist() for ids, mask in rows]
