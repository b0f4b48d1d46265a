"""Translation by a large language model behind any OpenAI-compatible server.

What fails on the way is repeated by the connection. What arrives and cannot be used (cut,
unreadable, refused by the checks) is asked for again here, with another seed. What the server
refuses for good is asked for once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ikusi.language import LanguagePack
from ikusi.server import schemas
from ikusi.server.client import (
    PATIENCE,
    Answer,
    Connection,
    NotACompletionError,
    RefusedError,
    UnreachedError,
)
from ikusi.server.objects import UnreadableError
from ikusi.server.stream import ask_all
from ikusi.translate import prompt
from ikusi.translate.contract import Attempt, Check, Outcome, Row
from ikusi.translate.engines.chat import Chat
from ikusi.translate.parse import parse

WARMER = 0.3  # temperature of further tries where the first has none
CHARACTERS_PER_TOKEN = 4.0  # until the server has shown better


@dataclass
class _Tries:
    """The cost of a row so far: refused attempts, and tokens read and written."""

    attempts: list[Attempt] = field(default_factory=list)
    read: int = 0
    written: int = 0

    def count(self, answer: Answer) -> None:
        """Add the tokens of an answer."""
        self.read, self.written = self.read + answer.read, self.written + answer.written


class ChatTranslator:
    """Translates rows by asking a server.

    Args:
        settings: server, model, prompt, sampling.
        source: pack of the rows' language.
        target: pack of the language to translate into.

    Raises:
        InputError: there is no such prompt.
    """

    costly = True

    def __init__(self, settings: Chat, source: LanguagePack, target: LanguagePack) -> None:
        self._settings = settings
        self._writer = prompt.open_writer(settings, source, target)
        self.name = settings.model
        self._schema = False  # whether the server keeps to JSON schemas
        self._learnt: dict[str, Any] = {}
        self._seen = _Tries()
        self._characters = 0

    def settings(self) -> dict[str, Any]:
        """All that its translations depend on, as JSON."""
        names = (
            "model",
            "revision",
            "format",
            "temperature",
            "top_p",
            "max_tokens",
            "seed",
            "extra",
        )
        values = {name: getattr(self._settings, name) for name in names}
        named = {"prompt": self._settings.prompt, "prompt_hash": self._writer.fingerprint()}
        return {"kind": "chat", **values, **named}

    def list_learnt(self) -> dict[str, Any]:
        """Facts learnt of the server: its address, the fields it refuses, its schemas."""
        return self._learnt

    def tokens(self, row: Row) -> tuple[int, int]:
        """Estimated tokens read and written for a row, prompt included."""
        read = sum(len(message["content"]) for message in self._writer.messages(row))
        per_token = CHARACTERS_PER_TOKEN
        if self._seen.read:
            per_token = self._characters / self._seen.read
        written = sum(map(len, row.texts)) / CHARACTERS_PER_TOKEN * 1.5  # foreign words split more
        return round(read / per_token), round(written)

    def translate(self, rows: Iterable[Row], check: Check) -> Iterator[Outcome]:
        """Translate a stream of rows, many at once, in the order in which they are done.

        Raises:
            InputError: the server is not there, does not have the model, refuses the key or every
                request, or has gone.
        """
        settings = self._settings
        with Connection(
            settings.url,
            settings.model,
            settings.deadline,
            settings.concurrency,
            key="engine.model",
            patience=max(PATIENCE, 2 * settings.tries),
        ) as server:
            if settings.format == "json":
                self._schema = server.submit(schemas.probe(server)).result()
            try:
                yield from ask_all(server, rows, lambda row: self._row(row, check, server))
            finally:
                keeps = {"keeps_to_schemas": self._schema and server.fields.takes_schemas}
                self._learnt = server.record() | keeps

    async def _row(self, row: Row, check: Check, server: Connection) -> Outcome:
        """Ask for a row until an answer is good, the tries are used up or it is refused for good.

        Raises:
            InputError: no other row would be answered either.
        """
        tries, unreached = _Tries(), 0
        while len(tries.attempts) + unreached < self._settings.tries:
            try:
                answer = await self._answer(row, len(tries.attempts), tries, server)
            except UnreachedError:
                unreached += 1
                continue
            except NotACompletionError as error:
                tries.attempts.append(Attempt("", f"answer: expected a completion, found {error}"))
                continue
            except RefusedError as error:
                tries.attempts.append(Attempt("", f"server: {error.reason}"))
                return self._outcome(row, None, (), tries)
            texts, flags, reason = self._read(answer, row, check)
            if reason is None:
                return self._outcome(row, texts, flags, tries, thought=answer.thought)
            tries.attempts.append(Attempt(answer.raw, reason))
        return self._outcome(row, None, (), tries, unreached > 0)

    def _outcome(
        self,
        row: Row,
        texts: list[str] | None,
        flags: tuple[str, ...],
        tries: _Tries,
        unreached: bool = False,
        thought: str = "",
    ) -> Outcome:
        return Outcome(
            row.place,
            texts,
            flags=flags,
            attempts=tuple(tries.attempts),
            tokens_read=tries.read,
            tokens_written=tries.written,
            unreached=unreached,
            thought=thought,
        )

    def _read(
        self, answer: Answer, row: Row, check: Check
    ) -> tuple[list[str], tuple[str, ...], str | None]:
        """The texts of an answer and their flags, or why it is refused."""
        if answer.torn is not None:
            return [], (), answer.torn
        try:
            texts = parse(answer.text, row, self._writer.labels, self._settings.format)
        except UnreadableError as error:
            return [], (), str(error)
        verdict = check(row, texts)
        return texts, verdict.flags, verdict.refused

    async def _answer(self, row: Row, number: int, tries: _Tries, server: Connection) -> Answer:
        """One request; counts its tokens. Raises what `Connection.ask` does."""
        messages: Any = self._writer.messages(row)
        answer = await server.ask(messages=messages, **self._options(row, number))
        tries.count(answer)
        self._seen.count(answer)
        if answer.read:
            self._characters += sum(len(message["content"]) for message in messages)
        return answer

    def _options(self, row: Row, number: int) -> dict[str, Any]:
        """The fields of a request besides its messages; each try has a seed of its own."""
        settings = self._settings
        options: dict[str, Any] = {"seed": settings.seed + number}
        options["max_tokens"] = settings.max_tokens
        if settings.temperature is not None:
            cold = settings.temperature == 0 and number > 0
            options["temperature"] = WARMER if cold else settings.temperature
        if settings.top_p is not None:
            options["top_p"] = settings.top_p
        if self._schema:
            options["response_format"] = schemas.make_format(
                "translation", prompt.make_json_schema(row)
            )
        if settings.extra:
            options["extra_body"] = settings.extra
        return options

    def close(self) -> None:
        """Nothing is held between calls."""
