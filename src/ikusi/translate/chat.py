"""Translation by a large language model behind any OpenAI-compatible server.

What fails on the way is repeated by the connection. What arrives and cannot be used (cut,
unreadable, refused by the checks) is asked for again here, with another seed.
"""

from __future__ import annotations

import queue
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from ikusi.language import LanguagePack
from ikusi.translate import prompt
from ikusi.translate.client import Connection, NotACompletionError, RefusedError, UnreachedError
from ikusi.translate.contract import Attempt, Check, Outcome, Row
from ikusi.translate.parse import UnreadableError, parse
from ikusi.translate.settings import Chat

PATIENCE = 12  # requests in a row without any answer: then the server is taken as gone
WARMER = 0.3  # temperature of further tries where the first has none
CHARACTERS_PER_TOKEN = 4.0  # until the server has told better


@dataclass
class _Tries:
    """What a row has cost so far."""

    attempts: list[Attempt] = field(default_factory=list)
    read: int = 0
    written: int = 0


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
        self._writer = prompt.writer(settings, source, target)
        self.name = settings.model
        self._schema = False  # whether the server keeps to JSON schemas
        self._silent = self._refused = self._answered = 0
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
        told = {name: getattr(self._settings, name) for name in names}
        named = {"prompt": self._settings.prompt, "prompt_hash": self._writer.fingerprint()}
        return {"kind": "chat", **told, **named}

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
        ) as server:
            if settings.format == "json":
                self._schema = server.submit(self._keeps_to_schemas(server)).result()
            yield from self._stream(rows, check, server)

    def _stream(self, rows: Iterable[Row], check: Check, server: Connection) -> Iterator[Outcome]:
        """Keep the server busy: twice as many rows as requests are under way."""
        done: queue.SimpleQueue[Future[Outcome]] = queue.SimpleQueue()
        waiting, source, more = 0, iter(rows), True
        while True:
            while more and waiting < 2 * int(server.pace.limit) + 2:
                row = next(source, None)
                if row is None:
                    more = False
                    break
                server.submit(self._row(row, check, server)).add_done_callback(done.put)
                waiting += 1
            if not waiting:
                return
            outcome = done.get().result()
            waiting -= 1
            yield outcome

    async def _keeps_to_schemas(self, server: Connection) -> bool:
        """Ask for what nobody says by chance; some servers take a schema and do not keep to it."""
        asked: Any = {"role": "user", "content": "Say hello in one word."}
        schema: Any = _schema(prompt.probe_schema())
        try:
            answer = await server.ask(messages=[asked], max_tokens=20, response_format=schema)
            return "".join((answer.choices[0].message.content or "").split()) == '{"n":7}'
        except (UnreachedError, RefusedError, NotACompletionError):
            return False
        except (LookupError, TypeError, AttributeError):
            return False

    async def _row(self, row: Row, check: Check, server: Connection) -> Outcome:
        """Ask for a row until an answer is good or the tries are used up."""
        tries, unreached = _Tries(), 0
        while len(tries.attempts) + unreached < self._settings.tries:
            try:
                async with server.pace.slot():
                    raw, fault = await self._answer(row, len(tries.attempts), tries, server)
                    server.pace.well()
            except UnreachedError as error:
                server.pace.trouble()
                unreached += 1
                self._note_silence(str(error), server)
                continue
            texts, flags, reason = self._read(raw, fault, row, check)
            if reason is None:
                return self._outcome(row, texts, flags, tries)
            tries.attempts.append(Attempt(raw, reason))
        return self._outcome(row, None, (), tries, unreached > 0)

    def _outcome(
        self,
        row: Row,
        texts: list[str] | None,
        flags: tuple[str, ...],
        tries: _Tries,
        unreached: bool = False,
    ) -> Outcome:
        return Outcome(
            row.place,
            texts,
            flags=flags,
            attempts=tuple(tries.attempts),
            tokens_read=tries.read,
            tokens_written=tries.written,
            unreached=unreached,
        )

    def _read(
        self, raw: str, fault: str | None, row: Row, check: Check
    ) -> tuple[list[str], tuple[str, ...], str | None]:
        """The texts of an answer and their flags, or why it is refused."""
        if fault is not None:
            return [], (), fault
        try:
            texts = parse(raw, row, self._writer.labels, self._settings.format)
        except UnreadableError as error:
            return [], (), str(error)
        verdict = check(row, texts)
        return texts, verdict.flags, verdict.refused

    async def _answer(
        self, row: Row, number: int, tries: _Tries, server: Connection
    ) -> tuple[str, str | None]:
        """One request: the answer's text, and why it is none, if so.

        Raises:
            UnreachedError: no answer came in time, or none at all.
            InputError: the server refuses the key, the model or every request.
        """
        messages: Any = self._writer.messages(row)
        try:
            answer = await server.ask(messages=messages, **self._options(row, number))
        except RefusedError as error:
            return "", self._note_refusal(error.told, server)
        except NotACompletionError as error:
            return "", f"answer: expected a completion, found {error}"
        self._silent, self._answered = 0, self._answered + 1
        return self._said(answer, tries, messages)

    def _said(
        self, answer: Any, tries: _Tries, messages: list[prompt.Message]
    ) -> tuple[str, str | None]:
        """Text and end of an answer, whatever form it came in; counts its tokens."""
        usage = getattr(answer, "usage", None)
        read, written = (
            int(getattr(usage, name, 0) or 0) for name in ("prompt_tokens", "completion_tokens")
        )
        for counts in (tries, self._seen):
            counts.read, counts.written = counts.read + read, counts.written + written
        if read:
            self._characters += sum(len(message["content"]) for message in messages)
        choices = getattr(answer, "choices", None)
        if not choices:
            return "", "answer: expected a choice, found none"
        text = getattr(getattr(choices[0], "message", None), "content", None)
        if not isinstance(text, str):
            return "", "answer: expected text, found none"
        if choices[0].finish_reason == "length":
            limit = self._settings.max_tokens
            return text, f"answer: expected it to end within {limit} tokens, found it cut"
        return text, None

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
            options["response_format"] = _schema(prompt.json_schema(row))
        if settings.extra:
            options["extra_body"] = settings.extra
        return options

    def _note_silence(self, told: str, server: Connection) -> None:
        """Give up on a server that has not answered for long.

        Raises:
            InputError: so it is.
        """
        self._silent += 1
        if self._silent >= max(PATIENCE, 2 * self._settings.tries):
            raise server.gone(told)

    def _note_refusal(self, told: str, server: Connection) -> str:
        """A request that the server will never take: the row's fault, or the recipe's.

        Raises:
            InputError: none was ever taken, so it is the recipe's.
        """
        self._refused += 1
        if not self._answered and self._refused >= PATIENCE:
            raise server.gone(told)
        return f"server: {told}"

    def close(self) -> None:
        """Nothing is held between calls."""


def _schema(schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON Schema, as servers are given it."""
    return {
        "type": "json_schema",
        "json_schema": {"name": "translation", "strict": True, "schema": schema},
    }
