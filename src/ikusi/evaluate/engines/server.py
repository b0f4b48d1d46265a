"""A model behind any OpenAI-compatible server, closed ones included. It only generates.

What a server cannot answer for good is told in the reply; what it could not be asked stops the
evaluation, which goes on from its finished parts the next time.
"""

import asyncio
import base64
import io
import logging
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from ikusi import artifact
from ikusi.errors import InputError
from ikusi.evaluate.engine import Message, Query, Reply
from ikusi.translate.client import (
    Connection,
    NotACompletionError,
    RefusedError,
    UnreachedError,
    shown,
)

logger = logging.getLogger(__name__)

TRIES = 4  # of a query, each repeated by the SDK where it fails on the way
PATIENCE = 12  # queries refused before any is answered: then none will be
PROBE = 64
"""Tokens that the first request may take; models that think need some."""

OTHERWISE: Mapping[str, str | None] = {"max_tokens": "max_completion_tokens", "temperature": None}
"""Parameters that some models refuse -> what is sent instead."""
_REFUSED = re.compile(r"support|unrecogni[sz]ed|unknown|unexpected|permitted|deprecated", re.I)


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
        self._settings: dict[str, Any] = {"temperature": 0}
        self._limit = "max_tokens"
        self._refused = self._answered = 0
        self._server = Connection(url, model, deadline, batch_size)
        self._server.open()
        try:
            self._server.submit(self._probe()).result()
        except BaseException:
            self._server.close()
            raise

    def identity(self) -> Any:
        """Address, model and settings; never a key."""
        return ["server", shown(self._server.url), self.name, self._settings, self._limit]

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
                asked = [group.create_task(self._said(query, pictures)) for query in queries]
        except ExceptionGroup as several:
            raise several.exceptions[0] from None
        seconds = (time.perf_counter() - began) / max(1, len(queries))
        return [
            Reply(artifact.fingerprint(list(query.messages)), seconds=seconds, **task.result())
            for query, task in zip(queries, asked, strict=True)
        ]

    async def _said(self, query: Query, pictures: Mapping[str, Any]) -> dict[str, Any]:
        """What a reply holds: the answer to a query, or why there is none."""
        if query.options or query.completion:
            wanted = "log-probabilities" if query.options else "a completion of plain text"
            raise InputError(f"{query.where}: expected a chat to go on with, found {wanted} wanted")
        request = {
            "messages": [_message(message, pictures) for message in query.messages],
            self._limit: query.max_new_tokens,
            **self._settings,
        }
        try:
            answer = await self._asked(request)
        except RefusedError as error:
            return {"failure": self._note_refusal(error)}
        self._answered += 1
        return _read(answer.choices[0], query.max_new_tokens)

    async def _asked(self, request: Mapping[str, Any]) -> Any:
        """The server's answer, asked for again where none came or what came is none.

        Raises:
            InputError: none came, only what is no completion, such as a proxy's page.
        """
        for left in reversed(range(TRIES)):
            try:
                async with self._server.pace.slot():
                    answer = await self._server.ask(**request)
                if _is_whole(answer) or not left:
                    self._server.pace.well()
                    return answer
            except UnreachedError as error:
                self._server.pace.trouble()
                if not left:
                    raise self._server.gone(str(error)) from None
            except NotACompletionError as error:
                if not left:
                    raise self._server.gone(f"no completion: {error}") from None
        raise AssertionError("the last try returns or raises")

    async def _probe(self) -> None:
        """Learn which parameters the model takes, so that all queries are asked alike."""
        said = [{"role": "user", "content": "Say hello in one word."}]
        for _ in range(1 + len(OTHERWISE)):
            try:
                await self._asked({"messages": said, self._limit: PROBE, **self._settings})
            except RefusedError as error:
                if not self._without(error):
                    raise self._server.gone(error.told) from None
            else:
                return

    def _without(self, error: RefusedError) -> bool:
        """Leave out the parameter that a refusal names; whether it names one that was sent."""
        for name in {self._limit, *self._settings} & set(OTHERWISE):
            named = error.field == name or re.search(rf"\b{name}\b", error.told)
            if error.status in (400, 422) and named and _REFUSED.search(error.told):
                instead = OTHERWISE[name]
                if instead:
                    self._limit = instead
                else:
                    self._settings.pop(name)
                told = f"sent as {instead}" if instead else "left to the server"
                logger.warning("%s: refuses %s, which is now %s", self.name, name, told)
                return True
        return False

    def _note_refusal(self, error: RefusedError) -> str:
        """Why there is no answer.

        Raises:
            InputError: the model is not there, or nothing was ever taken.
        """
        self._refused += 1
        if error.status == 404 or (not self._answered and self._refused >= PATIENCE):
            raise self._server.gone(error.told)
        return f"server: {error.told}"

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


def _is_whole(answer: Any) -> bool:
    """Whether a model that ended its turn has said something, or why not.

    Raises:
        NotACompletionError: there is no turn at all.
    """
    choice = next(iter(getattr(answer, "choices", None) or ()), None)
    message = getattr(choice, "message", None)
    if choice is None or message is None:
        raise NotACompletionError("no choice")
    said = message.content is not None or getattr(message, "refusal", None)
    return bool(said or choice.finish_reason != "stop")


def _read(choice: Any, limit: int) -> dict[str, Any]:
    """What a reply holds of a choice; withheld, or cut before any text, it is a failure."""
    text, ended = choice.message.content, choice.finish_reason
    cut = ended == "length"
    if ended == "content_filter":
        return {"failure": "server: content filter"}
    if isinstance(text, str) and (text or not cut):
        return {"text": text.strip(), "hit_limit": cut}
    found = getattr(choice.message, "refusal", None) or f"none, ended by {ended}"
    return {"failure": f"answer: expected text in {limit} tokens, found {found}", "hit_limit": cut}
