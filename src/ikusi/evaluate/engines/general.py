"""Any model of transformers that takes images and text, in this process.

Nothing is known of such a model but what its processor and its forward pass do, so prompts are read
whole, one for each option. It is several times slower than the way for LLaVA (``engines.local``).
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import AutoModelForImageTextToText, AutoProcessor

from ikusi import artifact
from ikusi.errors import InputError
from ikusi.evaluate.engine import Message, OptionScore, Query, Reply, fingerprint
from ikusi.evaluate.engines import completion
from ikusi.evaluate.score import summarise


class General:
    """Answers by a model and a processor that are open here.

    Args:
        model: as ``AutoModelForImageTextToText`` opens it.
        processor: its own, with a chat template.
        name: told in results.
        batch_size: sequences worked on at once.
        identity: what tells this model's weights from others.
    """

    sees = True
    scores_options = True

    def __init__(
        self, model: Any, processor: Any, *, name: str, batch_size: int = 8, identity: Any = None
    ) -> None:
        if not getattr(processor, "chat_template", None):
            raise InputError(f"{name}: expected a processor with a chat template, found none")
        self.model, self.processor = model.eval(), processor
        self.name, self.batch_size, self._identity = name, batch_size, identity
        self.processor.tokenizer.padding_side = "left"
        if self.processor.tokenizer.pad_token is None:
            self.processor.tokenizer.pad_token = self.processor.tokenizer.eos_token

    def identity(self) -> Any:
        """Weights and precision."""
        return ["general", self._identity, str(self.model.dtype)]

    def prepare(self, pictures: Mapping[str, Image.Image]) -> Mapping[str, Image.Image]:
        """Pictures as they are: only the processor knows what becomes of them."""
        return pictures

    @torch.inference_mode()
    def answer(self, queries: Sequence[Query], pictures: Mapping[str, Any]) -> list[Reply]:
        """Answer queries, those of like length together."""
        order = sorted(range(len(queries)), key=lambda row: _size(queries[row]))
        replies: dict[int, Reply] = {}
        for kind in (True, False):
            rows = [row for row in order if bool(queries[row].options) == kind]
            for start in range(0, len(rows), self.batch_size):
                batch = rows[start : start + self.batch_size]
                asked = [queries[row] for row in batch]
                began = time.perf_counter()
                found = self._scored(asked, pictures) if kind else self._said(asked, pictures)
                seconds = (time.perf_counter() - began) / len(batch)
                for row, values in zip(batch, found, strict=True):
                    replies[row] = Reply(seconds=seconds, **values)
        return [replies[row] for row in range(len(queries))]

    def _said(self, queries: Sequence[Query], pictures: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Greedy answers."""
        limit = max(query.max_new_tokens for query in queries)
        inputs = self._inputs([self._text(query) for query in queries], queries, pictures)
        width = inputs["input_ids"].shape[1]
        said = self.model.generate(**inputs, max_new_tokens=limit, do_sample=False)[:, width:]
        found = []
        for row, query in enumerate(queries):
            own = said[row, : query.max_new_tokens]
            ended = self._ends(said[row].tolist(), query.max_new_tokens)
            text = self.processor.tokenizer.decode(own, skip_special_tokens=True).strip()
            prompt = self._prompt(inputs, row)
            found.append({"prompt": prompt, "text": text, "hit_limit": not ended})
        return found

    def _ends(self, said: Sequence[int], limit: int) -> bool:
        known = self.model.generation_config.eos_token_id
        stops = set(known) if isinstance(known, list) else {known}
        return bool(stops & set(said[:limit]))

    def _scored(
        self, queries: Sequence[Query], pictures: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """Log-probabilities of each query's options, each read with the whole prompt."""
        flat = [(query, option) for query in queries for option in query.options]
        scores: list[OptionScore] = []
        for start in range(0, len(flat), self.batch_size):
            scores += self._options(flat[start : start + self.batch_size], pictures)
        places = iter(scores)
        found = []
        for query in queries:
            ids = self._inputs([self._text(query)], [query], pictures)
            own = tuple(next(places) for _ in query.options)
            found.append({"prompt": self._prompt(ids, 0), "scores": own})
        return found

    def _options(
        self, part: Sequence[tuple[Query, str]], pictures: Mapping[str, Any]
    ) -> list[OptionScore]:
        queries = [query for query, _ in part]
        texts = [self._text(query, option) for query, option in part]
        prompts = self._inputs([self._text(query) for query in queries], queries, pictures)
        inputs = self._inputs(texts, queries, pictures)
        logits = self.model(**inputs).logits.float()
        found = []
        for row, (query, option) in enumerate(part):
            ids = inputs["input_ids"][row][inputs["attention_mask"][row].bool()]
            size = int(prompts["attention_mask"][row].sum())
            self._check_opening(ids, prompts, row, query)
            logs = logits[row, -len(ids) :][size - 1 : -1].log_softmax(dim=-1)
            values = logs.gather(1, ids[size:, None])[:, 0].tolist()
            found.append(self._sum(values, ids[size:].tolist(), option, query))
        return found

    def _sum(self, values: list[float], ids: list[int], option: str, query: Query) -> OptionScore:
        """Sum up to the first token that ends the turn, that one included."""
        if query.completion:
            return summarise(values, option, ends=False)
        special = set(self.processor.tokenizer.all_special_ids)
        ends = [place for place, token in enumerate(ids) if token in special]
        if not ends:
            raise InputError(f"{self.name}: expected the answer to end with a control token")
        return summarise(values[: ends[0] + 1], option)

    def _check_opening(
        self, ids: Tensor, prompts: Mapping[str, Tensor], row: int, query: Query
    ) -> None:
        """Hold the tokens of prompt and answer to begin with those of the prompt."""
        opening = prompts["input_ids"][row][prompts["attention_mask"][row].bool()]
        if not torch.equal(ids[: len(opening)], opening):
            raise InputError(
                f"{query.where}: expected the prompt's tokens to stay as they are when an answer "
                "follows, found that the chat template or tokenizer changes them"
            )

    def _text(self, query: Query, answer: str | None = None) -> str:
        if query.completion:
            begun = completion.context(query.messages, query.where)
            return begun if answer is None else begun + completion.BEFORE_ANSWER + answer
        messages: list[Message] = list(query.messages)
        if answer is not None:
            said = {"role": "assistant", "content": [{"type": "text", "text": answer}]}
            messages.append(said)
        text: str = self.processor.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=answer is None
        )
        return text

    def _inputs(
        self, texts: Sequence[str], queries: Sequence[Query], pictures: Mapping[str, Any]
    ) -> dict[str, Tensor]:
        """Tokens and pixels as the processor makes them; one BOS where the template writes one."""
        images = [[pictures[key] for key in query.pictures] for query in queries]
        bos = self.processor.tokenizer.bos_token
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

    def _prompt(self, inputs: Mapping[str, Tensor], row: int) -> str:
        ids = inputs["input_ids"][row][inputs["attention_mask"][row].bool()]
        return fingerprint(ids.tolist())

    def close(self) -> None:
        """Nothing is held but the model."""


def open_general(place: Path, dtype: torch.dtype, device: str, batch_size: int) -> General:
    """Open a folder with a model and a processor.

    Raises:
        InputError: it holds none.
    """
    try:
        model = AutoModelForImageTextToText.from_pretrained(place, dtype=dtype)
        processor = AutoProcessor.from_pretrained(place)
    except (OSError, ValueError) as error:
        told = " ".join(str(error).split())
        raise InputError(f"{place}: expected a model and its processor, found: {told}") from error
    return General(
        model.to(device),
        processor,
        name=str(place),
        batch_size=batch_size,
        identity=artifact.fingerprint(
            [(f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in sorted(place.iterdir())]
        ),
    )


def _size(query: Query) -> int:
    return sum(len(part.get("text", "")) for turn in query.messages for part in turn["content"])
