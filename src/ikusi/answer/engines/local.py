"""A model in this process: a LLaVA checkpoint, or a bare LLM that only takes text.

Each picture is encoded once, what prompts have in common is read once, and all options of a
question are read together.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ikusi import content
from ikusi.answer.engine import OptionScore, Query, Reply, fingerprint
from ikusi.answer.engines import completion
from ikusi.answer.generate import Answer, generate_answers
from ikusi.answer.prefix import Prompt, SharedPrefix, group_prompts
from ikusi.answer.score import Tokens, score_options, summarise
from ikusi.answer.streaming import UNFINISHED, Say
from ikusi.model import chat, fusion
from ikusi.model.forms import Forms
from ikusi.model.pixels import prepare
from ikusi.model.steady import find_today
from ikusi.model.vision import leave_out_unread


class Local:
    """Answers by a model that is open here.

    Args:
        model: a LLaVA, or a causal LLM.
        tokenizer: its own.
        processor: of a LLaVA; None for an LLM.
        name: for results.
        batch_size: pictures, and sequences, worked on at once; in fp32 it changes no score.
        identity: computes what identifies the model's weights.
    """

    scores_options = True

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        processor: Any = None,
        *,
        name: str = "",
        batch_size: int = 64,
        identity: Callable[[], Any] = lambda: None,
    ) -> None:
        self.model, self.tokenizer, self.processor = model.eval(), tokenizer, processor
        self.name, self.batch_size, self._identity = name, batch_size, identity
        self.sees = processor is not None
        read: Any = model
        images = fusion.count_image_tokens(read, processor) if self.sees else 0
        self._image_token: int | None = read.config.image_token_id if self.sees else None
        self._forms = Forms(tokenizer, images, self._image_token)
        self._stops = frozenset(chat.list_stops(tokenizer, model.generation_config))

    def identity(self) -> Any:
        """Weights and precision, and the date in prompts, where their template writes one."""
        own = ["local", self._identity(), str(self.model.dtype)]
        return [*own, *find_today(self.tokenizer.chat_template)]

    def prepare(self, pictures: Mapping[str, Image.Image]) -> Mapping[str, Tensor]:
        """Pictures as the encoder takes them, [3, H, W] each."""
        if not pictures:
            return {}
        images = list(pictures.values())
        pixels = prepare(self.processor.image_processor, images)
        return dict(zip(pictures, pixels, strict=True))

    @torch.inference_mode()
    def answer(self, queries: Sequence[Query], pictures: Mapping[str, Any]) -> list[Reply]:
        """Answer queries, those of one beginning together."""
        return self._answer(queries, pictures, None)

    @torch.inference_mode()
    def stream(self, query: Query, pictures: Mapping[str, Any], say: Say) -> Reply:
        """Answer a query, whose words go to ``say`` as they come."""
        (reply,) = self._answer(
            [query], pictures, lambda answer: say(self._decode(answer).removesuffix(UNFINISHED))
        )
        return reply

    def _answer(
        self,
        queries: Sequence[Query],
        pictures: Mapping[str, Any],
        watch: Callable[[Answer], bool] | None,
    ) -> list[Reply]:
        prompts = self.prompts(queries)
        features = self._features(pictures)
        replies: list[Reply | None] = [None] * len(queries)
        for rows in group_prompts(prompts, self.batch_size):
            part, asked = [prompts[row] for row in rows], [queries[row] for row in rows]
            began = time.perf_counter()
            shared = SharedPrefix(self.model, part, features, self._image_token, self.batch_size)
            results = self._score_options(shared, asked)
            results |= self._generate_answers(shared, asked, watch)
            seconds = (time.perf_counter() - began) / len(rows)
            for place, row in enumerate(rows):
                prompt = fingerprint(part[place].ids)
                replies[row] = Reply(prompt, seconds=seconds, **results[place])
        return [reply for reply in replies if reply is not None]

    def prompts(self, queries: Sequence[Query]) -> list[Prompt]:
        """Return the tokens put to the model for each query."""
        chats = [query for query in queries if not query.completion]
        others = [query for query in queries if query.completion]
        conversations = [query.messages for query in chats]
        asked = iter(self._forms.prompts(conversations, [query.where for query in chats]))
        continued = iter(completion.encode_prompts(self.tokenizer, others))
        prompts = []
        for query in queries:
            ids, shared = next(continued if query.completion else asked)
            prompts.append(Prompt(ids, query.pictures, shared))
        return prompts

    def _score_options(
        self, shared: SharedPrefix, asked: Sequence[Query]
    ) -> dict[int, dict[str, Any]]:
        """Scores of the options of those queries that have some, by their place."""
        rows = [place for place, query in enumerate(asked) if query.options]
        queries = [asked[row] for row in rows]
        options = self._continuations(queries)
        scores = score_options(shared, rows, options)
        return {
            row: {"scores": _sum_scores(query, tokens)}
            for row, query, tokens in zip(rows, queries, scores, strict=True)
        }

    def _continuations(self, queries: Sequence[Query]) -> list[list[list[int]]]:
        chats = [query for query in queries if not query.completion]
        encoded = self._forms.continuations(
            [query.messages for query in chats],
            [query.options for query in chats],
            [query.where for query in chats],
        )
        others = [query for query in queries if query.completion]
        continued = iter(completion.encode_continuations(self.tokenizer, others))
        answers = iter(encoded)
        return [next(continued if query.completion else answers) for query in queries]

    def _generate_answers(
        self,
        shared: SharedPrefix,
        asked: Sequence[Query],
        watch: Callable[[Answer], bool] | None,
    ) -> dict[int, dict[str, Any]]:
        """Answers to the other queries, those of one length limit together, by their place."""
        limits: dict[int, list[int]] = {}
        for place, query in enumerate(asked):
            if not query.options:
                limits.setdefault(query.max_new_tokens, []).append(place)
        results = {}
        for limit, rows in limits.items():
            answers = generate_answers(shared, rows, self._stops, limit, watch)
            for row, answer in zip(rows, answers, strict=True):
                ended = {"hit_limit": answer.hit_limit, "failure": answer.failure}
                results[row] = {"text": self._decode(answer), **ended}
        return results

    def _decode(self, answer: Answer) -> str:
        return str(self.tokenizer.decode(answer.ids, skip_special_tokens=True)).strip()

    def _features(self, pixels: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Projected features of each picture, as the LLM reads them: [P, hidden]."""
        names = list(pixels)
        read: Any = self.model
        features: dict[str, Tensor] = {}
        for start in range(0, len(names), self.batch_size):
            batch = names[start : start + self.batch_size]
            stacked = torch.stack([pixels[name] for name in batch])
            stacked = stacked.to(self.model.device, self.model.dtype)
            seen = fusion.project(read, fusion.compute_image_features(read, stacked))
            features.update(zip(batch, seen, strict=True))
        return features

    def close(self) -> None:
        """Nothing is held but the model."""


def open_local(
    checkpoint: Path, kind: str, dtype: torch.dtype, device: str | torch.device, batch_size: int
) -> Local:
    """Open a LLaVA checkpoint (``kind`` llava), or a bare causal LLM of any other kind.

    Raises:
        InputError: the folder holds neither.
    """
    model: Any
    processor: Any = None
    if kind == "llava":
        model, processor = fusion.load(checkpoint, dtype=dtype)
        leave_out_unread(model.to(device))
        tokenizer = processor.tokenizer
    else:
        model, tokenizer = fusion.load_language_model(checkpoint, dtype=dtype)
    return Local(
        model.to(device),
        tokenizer,
        processor,
        name=str(checkpoint),
        batch_size=batch_size,
        identity=partial(content.hash_folder, checkpoint),
    )


def _sum_scores(query: Query, scored: Sequence[Tokens]) -> tuple[OptionScore, ...]:
    return tuple(
        summarise(tokens.values, text, not query.completion, tokens.greedy)
        for tokens, text in zip(scored, query.options, strict=True)
    )
