"""A model behind any OpenAI-compatible server, closed ones included. It only generates.

A query that the server refuses for good gets a reply with the reason. If the server cannot be
reached, the evaluation stops; the next call goes on from its finished parts.
"""

import asyncio
import base64
import io
import time
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from ikusi import artifact
from ikusi.answer.engine import Asked, Engine, Message, Query, Reply, Way
from ikusi.answer.streaming import Say
from ikusi.errors import InputError
from ikusi.server.client import (
    Answer,
    Connection,
    NotACompletionError,
    RefusedError,
    UnreachedError,
)
from ikusi.server.opening import HELLO, PROBE

SETTINGS = {"temperature": 0}
"""Sent with every query, where the server takes it."""


class Server:
    """Answers by a model that a server serves.

    Args:
        url: base address of the server, such as http://localhost:8000/v1.
        model: its name there.
        batch_size: most requests at once, and pictures held.
        deadline: seconds that a request may take.

    Raises:
        InputError: the server is not there, does not have the model, or refuses the key.
    """

    sees = True
    scores_options = False

    def __init__(self, url: str, model: str, batch_size: int = 32, deadline: float = 300.0) -> None:
        self.name, self.batch_size = model, batch_size
        self._server = Connection(url, model, deadline, batch_size)
        self._server.open()
        try:
            self._server.submit(self._probe()).result()
        except BaseException:
            self._server.close()
            raise

    def identity(self) -> Any:
        """Address, model and settings; never a key."""
        sent = self._server.fields.fit({"max_tokens": 0, **SETTINGS})
        limit = next(name for name in sent if name not in SETTINGS)
        settings = {name: sent[name] for name in SETTINGS if name in sent}
        return ["server", self._server.shown, self.name, settings, limit]

    def prepare(self, pictures: Mapping[str, Image.Image]) -> Mapping[str, str]:
        """Pictures as PNG in data URLs: nothing of them is lost."""
        return {key: _data_url(image) for key, image in pictures.items()}

    def answer(self, queries: Sequence[Query], pictures: Mapping[str, Any]) -> list[Reply]:
        """Answer queries, as many at once as the server takes.

        Raises:
            InputError: a query could not be asked at all, or none is ever taken.
        """
        return self._server.submit(self._all(queries, pictures)).result()

    async def _all(self, queries: Sequence[Query], pictures: Mapping[str, Any]) -> list[Reply]:
        began = time.perf_counter()
        try:
            async with asyncio.TaskGroup() as group:
                asked = [group.create_task(self._ask_one(query, pictures)) for query in queries]
        except ExceptionGroup as several:
            raise several.exceptions[0] from None
        seconds = (time.perf_counter() - began) / max(1, len(queries))
        return [
            Reply(artifact.fingerprint(list(query.messages)), seconds=seconds, **task.result())
            for query, task in zip(queries, asked, strict=True)
        ]

    def stream(self, query: Query, pictures: Mapping[str, Any], say: Say) -> Reply:
        """Answer a query, whose words go to ``say`` as they come; see ``Streaming``."""
        return self._server.submit(self._stream(query, pictures, say)).result()

    async def _stream(self, query: Query, pictures: Mapping[str, Any], say: Say) -> Reply:
        began, prompt = time.perf_counter(), artifact.fingerprint(list(query.messages))
        messages = [_message(message, pictures) for message in query.messages]
        asked = {"messages": messages, "max_tokens": query.max_new_tokens, **SETTINGS}
        try:
            answer = await self._server.ask(say, **asked)
        except RefusedError as error:
            return Reply(prompt, failure=f"server: {error.reason}")
        except (UnreachedError, NotACompletionError) as error:
            raise self._server.explain_gone(str(error)) from None
        return Reply(prompt, seconds=time.perf_counter() - began, **_read(answer))

    async def _ask_one(self, query: Query, pictures: Mapping[str, Any]) -> dict[str, Any]:
        """Ask a query; return the fields of its reply: the answer, or why there is none."""
        if query.options or query.completion:
            wanted = "log-probabilities" if query.options else "a completion of plain text"
            raise InputError(f"{query.where}: expected a chat to go on with, found {wanted} wanted")
        messages = [_message(message, pictures) for message in query.messages]
        try:
            answer = await self._server.ask_until_answered(
                messages=messages, max_tokens=query.max_new_tokens, **SETTINGS
            )
        except RefusedError as error:
            return {"failure": f"server: {error.reason}"}
        return _read(answer)

    async def _probe(self) -> None:
        """Learn which fields the model takes, so that all queries are asked alike."""
        try:
            await self._server.ask_until_answered(messages=HELLO, max_tokens=PROBE, **SETTINGS)
        except RefusedError as error:
            raise self._server.explain_gone(error.reason) from None

    def close(self) -> None:
        """Hang up."""
        self._server.close()


def _data_url(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _message(message: Message, pictures: Mapping[str, str]) -> dict[str, Any]:
    """A message as servers take it: text alone as a string, which all of them do."""
    parts: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": pictures[part["key"]]}}
        if part["type"] == "image"
        else {"type": "text", "text": part["text"]}
        for part in message["content"]
    ]
    if all(part["type"] == "text" for part in parts):
        return {"role": message["role"], "content": "".join(part["text"] for part in parts)}
    return {"role": message["role"], "content": parts}


def _read(answer: Answer) -> dict[str, Any]:
    """The fields of a reply, from an answer; one that is torn is a failure, never scored.

    The limit is the benchmark's own, as for models that run here: what it cut is read as far as it
    goes. Where thoughts took part of it, or the server cut before it, the answer is torn.
    """
    text, cut = answer.text.strip(), answer.is_limited
    if answer.torn is None or (cut and text and not answer.thought and answer.has_used_limit):
        return {"text": text, "hit_limit": cut}
    return {"failure": answer.torn, "hit_limit": cut}


def open_server(url: str, model: str, *, batch_size: int = 32) -> Engine:
    """Open a model behind an OpenAI-compatible server.

    Args:
        url: base address, such as http://localhost:8000/v1.
        model: its name there.
        batch_size: most requests at once.

    Raises:
        InputError: the server is not there, does not have the model, or refuses the key.
    """
    return Server(url, model, batch_size)


def _open(asked: Asked) -> Engine:
    if asked.dtype is not None:
        raise InputError(
            f"--dtype: expected none for a server, which has its own, found {asked.dtype}"
        )
    assert asked.url is not None  # as it is remote
    return open_server(asked.url, asked.model, batch_size=asked.batch_size or 32)


ENGINES = [Way("server", "behind an OpenAI-compatible server", _open, remote=True)]
