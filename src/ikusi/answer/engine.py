"""Queries, replies and engines: the types through which a model is asked.

A row becomes a ``Query``; an engine turns queries into replies, in order. Engines differ in where
the model runs: here, in vLLM, or behind a server. Nothing else of an evaluation knows.
"""

import hashlib
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Protocol

from PIL import Image

Message = Mapping[str, Any]
"""``{"role", "content"}``; content is a list of ``{"type": "text", "text"}`` and
``{"type": "image", "key"}``, whose key names a picture."""


@dataclass(frozen=True)
class Query:
    """One question put to a model.

    ``messages``: the conversation up to the answer. ``options``: texts whose log-probability as
    the answer is wanted; none where an answer is to be generated, of at most ``max_new_tokens``.
    ``shared``: how many messages, from the first, other queries begin with too (few-shots).
    ``completion``: the answer continues plain text instead of a chat, as bare LLMs are asked.
    ``where`` names the row in errors.
    """

    where: str
    messages: tuple[Message, ...]
    options: tuple[str, ...] = ()
    max_new_tokens: int = 0
    shared: int = 0
    completion: bool = False

    @property
    def pictures(self) -> tuple[str, ...]:
        """Keys of its pictures, in order."""
        return tuple(
            part["key"]
            for message in self.messages
            for part in message["content"]
            if part["type"] == "image"
        )

    @property
    def question(self) -> str:
        """The text of the last message."""
        return "".join(
            part["text"] for part in self.messages[-1]["content"] if part["type"] == "text"
        )


@dataclass(frozen=True)
class OptionScore:
    """Log-probability of one option, in nats.

    ``total`` sums over the option's tokens and the token that ends the turn, so that an option
    which is the beginning of another has to stop to win; ``without_end`` leaves that token out.
    ``per_token`` is ``total`` over all those tokens, ``per_byte`` over the option's UTF-8 bytes.
    In a completion, where no turn ends, ``total`` is ``without_end``. ``greedy``: each of its
    tokens is the most probable one, where the engine reports it.
    """

    total: float
    without_end: float
    per_token: float
    per_byte: float
    greedy: bool | None = None


@dataclass(frozen=True)
class Reply:
    """An engine's answer to a query.

    ``scores``: one for each option. ``text``: a generated answer without control tokens and outer
    spaces; ``hit_limit``: the length limit cut it. ``prompt``: fingerprint of what was put to the
    model. ``seconds``: its share of the time its batch took. ``failure``: why there is no answer.
    """

    prompt: str
    scores: tuple[OptionScore, ...] = ()
    text: str = ""
    hit_limit: bool = False
    seconds: float = 0.0
    failure: str | None = None


def explain_not_finite(value: float) -> str:
    """The reason for no answer where a model's number is not finite (a NaN in its weights)."""
    return f"model: expected finite numbers, found {value}"


def pick(scores: Sequence[float]) -> tuple[int, bool]:
    """Return the number of the highest score, the first among equals, and whether it was tied.

    A score that is not finite raises ``ValueError``: nothing is higher or lower than NaN.
    """
    if not all(map(isfinite, scores)):
        raise ValueError(f"expected finite scores, found {list(scores)}")
    best = max(scores)
    return scores.index(best), scores.count(best) > 1


def fingerprint(ids: Sequence[int]) -> str:
    """Name a prompt by its tokens."""
    return hashlib.sha256(struct.pack(f"<{len(ids)}I", *ids)).hexdigest()[:16]


class Engine(Protocol):
    """Whatever answers queries.

    ``name`` stands in results; ``sees``: whether it takes pictures; ``scores_options``: whether
    it gives log-probabilities; ``batch_size``: pictures, or sequences, it works on at once.
    """

    name: str
    sees: bool
    scores_options: bool
    batch_size: int

    def identity(self) -> Any:
        """All that its replies depend on, as JSON."""

    def prepare(self, pictures: Mapping[str, Image.Image]) -> Mapping[str, Any]:
        """Do what can be done to pictures ahead, in another thread, while queries are answered."""

    def answer(self, queries: Sequence[Query], pictures: Mapping[str, Any]) -> list[Reply]:
        """Answer queries in order; ``pictures`` is what ``prepare`` made of theirs."""

    def close(self) -> None:
        """Let go of what is held."""


@dataclass(frozen=True)
class Asked:
    """The model that somebody asks for, and how it is to run.

    ``model``: as it was named; ``checkpoint``: its folder, or its name on the hub. ``url``: of a
    server. ``batch_size``, ``dtype``: None is the engine's own choice. ``pictures``: most of one
    prompt, few-shots' included.
    """

    model: str
    checkpoint: str
    url: str | None = None
    batch_size: int | None = None
    dtype: str | None = None
    pictures: int = 1


@dataclass(frozen=True)
class Way:
    """An engine by its name: where it runs models, and the function that opens one in it.

    ``remote``: it needs an address, and others take none.
    """

    name: str
    where: str
    open: Callable[[Asked], Engine]
    remote: bool = False
