"""A game put to a server until its answer holds a verdict, is declined, or the tries run out."""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from ikusi.data import images
from ikusi.judge.games import Game
from ikusi.judge.prompt import Parsed, Writer
from ikusi.judge.record import Played
from ikusi.judgements.judgement import format_time
from ikusi.judgements.pairs import Picture
from ikusi.server import schemas
from ikusi.server.client import (
    Answer,
    Connection,
    NotACompletionError,
    RefusedError,
    UnreachedError,
)
from ikusi.server.objects import UnreadableError

WARMER = 0.3  # temperature of further tries where the first has none
INVALID, REFUSED = "invalid", "refused"
FILTER = "content filter: "


@dataclass(frozen=True)
class Sampling:
    """Settings of every request, as far as the server takes them.

    ``tries``: answers asked for before a game is invalid, and times that the server is given to
    answer at all.
    """

    temperature: float | None = 0.0
    max_tokens: int = 4096
    seed: int = 0
    tries: int = 3


class Question(NamedTuple):
    """A game with the messages that it is asked by; ``picture``: SHA-256 and bytes as sent."""

    game: Game
    messages: list[dict[str, Any]]
    picture: tuple[str, int]


class Unanswered(NamedTuple):
    """A game that no answer came to, and why: it is not kept, and asked the next time."""

    game: Game
    why: str


def make_question(game: Game, writer: Writer) -> Question:
    """The messages for a game, with its picture."""
    url = None if game.picture is None else _encode(game.picture)
    size = ("", 0) if url is None else (hashlib.sha256(url.encode()).hexdigest(), len(url))
    messages = writer.write_messages(game.pair.question, *game.answers, url)
    return Question(game, messages, size)


@lru_cache(maxsize=8)  # a pair's games come one after the other
def _encode(picture: Picture) -> str:
    return images.encode_as_sent(picture.read(), f"{picture.corpus.folder}: image {picture.id}")


@dataclass
class _Tries:
    """The tries of a game so far: why they failed, tokens read and written, and the last answer."""

    reasons: list[str] = field(default_factory=list)
    useless: int = 0
    unreached: int = 0
    read: int = 0
    written: int = 0
    last: Answer = field(default_factory=lambda: Answer("", ""))

    def count(self, answer: Answer) -> None:
        self.read, self.written = self.read + answer.read, self.written + answer.written
        self.last = answer

    def note(self, why: str) -> None:
        self.useless += 1
        self.reasons.append(why)


@dataclass(frozen=True)
class Judge:
    """A model of a server, with the prompt and the sampling it is asked by.

    ``family``: that of the judge; ``families``: of the models it compares, by name.
    """

    server: Connection
    model: str
    writer: Writer
    sampling: Sampling
    benchmark: str
    language: str
    family: str
    families: dict[str, str]
    keeps_schemas: bool

    @property
    def rater(self) -> str:
        """The judge's name in the table."""
        return name_rater(self.model, self.writer)

    async def play(self, asked: Question) -> Played | Unanswered:
        """Ask for a game.

        Raises:
            InputError: no other game would be answered either.
        """
        began, tries = time.perf_counter(), _Tries()
        while max(tries.useless, tries.unreached) < self.sampling.tries:
            try:
                answer = await self.server.ask(messages=asked.messages, **self._options(tries))
            except UnreachedError as error:
                tries.unreached += 1
                tries.reasons.append(f"server: {error}")
                continue
            except NotACompletionError as error:
                tries.note(f"answer: expected a completion, found {error}")
                continue
            except RefusedError as error:
                why = f"{FILTER if error.is_filter else ''}server: {error.reason}"
                return self._record(asked, REFUSED, {}, why, tries, began)
            tries.count(answer)
            if answer.is_declined:
                why = f"{FILTER}{answer.torn or answer.ended}"
                return self._record(asked, REFUSED, {}, why, tries, began)
            try:
                parsed = self._read(answer)
            except UnreadableError as error:
                tries.note(str(error))
                continue
            return self._record(asked, parsed.verdict, parsed.criteria, "", tries, began)
        if tries.useless < self.sampling.tries:
            return Unanswered(asked.game, tries.reasons[-1])
        return self._record(asked, INVALID, {}, tries.reasons.pop(), tries, began)

    def _read(self, answer: Answer) -> Parsed:
        if answer.torn is not None:
            raise UnreadableError(answer.torn)
        return self.writer.read(answer.text)

    def _options(self, tries: _Tries) -> dict[str, Any]:
        """The fields of a request besides its messages; each try has a seed of its own."""
        sampling, number = self.sampling, tries.useless
        options: dict[str, Any] = {"max_tokens": sampling.max_tokens}
        options["seed"] = sampling.seed + number
        if sampling.temperature is not None:
            cold = sampling.temperature == 0 and number > 0
            options["temperature"] = WARMER if cold else sampling.temperature
        if self.keeps_schemas:
            options["response_format"] = schemas.make_format("verdict", self.writer.make_schema())
        return options

    def describe(self) -> dict[str, Any]:
        """The settings that all games of this judge share, for the record."""
        return describe_asking(self.writer, self.sampling)

    def _record(
        self,
        asked: Question,
        verdict: str,
        criteria: dict[str, str],
        note: str,
        tries: _Tries,
        began: float,
    ) -> Played:
        game, answer = asked.game, tries.last
        return Played(
            benchmark=self.benchmark,
            language=self.language,
            id=game.pair.id,
            control=game.control,
            rater=self.rater,
            judge=self.model,
            family=self.family,
            left=game.left,
            right=game.right,
            families=[self.families[name] for name in (game.left, game.right)],
            lengths=[len(text) for text in game.answers],
            masks=game.masks,
            content=game.fingerprint(),
            picture=asked.picture[0],
            picture_bytes=asked.picture[1],
            asked=self.describe(),
            server=self.server.shown,
            fields=dict(self.server.fields.changed),
            schema_kept=self.keeps_schemas and self.server.fields.takes_schemas,
            verdict=verdict,
            criteria=criteria,
            note=note,
            raw=answer.raw,
            thought=answer.thought,
            ended=answer.ended,
            answered_as=answer.model,
            system=answer.system,
            tokens_read=tries.read,
            tokens_written=tries.written,
            tries=tries.reasons,
            seconds=round(time.perf_counter() - began, 3),
            made=format_time(datetime.now(UTC)),
        )


def name_rater(model: str, writer: Writer) -> str:
    """The name of a judge as a rater: with another prompt it is another rater."""
    return f"{model} ({writer.name}, {writer.rubric})"


def describe_asking(writer: Writer, sampling: Sampling) -> dict[str, Any]:
    """The settings that all games of a judge share, for the record."""
    return {
        "prompt": writer.name,
        "rubric": writer.rubric,
        "prompt_hash": writer.fingerprint(),
        "temperature": sampling.temperature,
        "max_tokens": sampling.max_tokens,
        "seed": sampling.seed,
    }


def find_family(model: str) -> str:
    """A model's family by its name: the first word of its last part.

    >>> find_family("openai/gpt-5-mini"), find_family("Llama-3.1-8B"), find_family("latxa-eu080")
    ('gpt', 'llama', 'latxa')
    """
    match = re.search(r"[^\W\d_]+", model.rpartition("/")[2])
    return match[0].lower() if match else model
