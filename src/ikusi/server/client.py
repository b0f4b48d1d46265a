"""A connection to an OpenAI-compatible server: the one way in which this package asks one.

The `openai` SDK repeats what fails on the way (429, 5xx, dropped connections), and also what a
server wrongly sends as well done. What then still fails is of three kinds: no answer came, the
request is refused for good, or the answer is no completion. No text of a server gets past `_Client`
with a key in it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Coroutine, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from ikusi.errors import InputError
from ikusi.server import address, opening, pieces, refusals
from ikusi.server.answer import Answer, NotACompletionError, read
from ikusi.server.fields import Fields
from ikusi.server.keys import Secrets, find_in_address, find_in_proxies
from ikusi.server.pace import Pace
from ikusi.server.refusals import RefusedError, UnreachedError

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = [
    "Answer",
    "Connection",
    "GoneError",
    "NotACompletionError",
    "RefusedError",
    "UnreachedError",
]

TRANSPORT_RETRIES = 4
RETRIES_WHILE_READ = 1  # where somebody waits for the answer
TRIES = 4  # of a request that must be answered, each repeated by the SDK where it fails on the way
PATIENCE = 12  # requests in a row without any answer, or refused before any is answered
KEY = "none"  # for servers that want no key; the SDK reads a real one by itself

logger = logging.getLogger(__name__)
Result = TypeVar("Result")


class GoneError(InputError):
    """A server does not answer."""


class Connection:
    """A server, asked from an event loop in a thread of its own.

    Args:
        url: its base address, as people write it.
        model: the model's name there.
        deadline: seconds that a request may take, all repetitions included.
        concurrency: most requests at once; ``pace`` says how many the server takes now.
        key: what the model is called in errors.
        patience: requests in a row without any answer after which the server is taken as gone.

    Raises:
        InputError: the package that talks to servers is missing, or the address is none; on
            entering the context, the server is not there, does not have the model or refuses the
            key.
    """

    def __init__(
        self,
        url: str,
        model: str,
        deadline: float,
        concurrency: int,
        key: str = "model",
        patience: int = PATIENCE,
    ) -> None:
        try:
            import openai  # noqa: F401 - reported before anything else is done
        except ImportError:
            message = "openai: expected the package, found none: pip install 'ikusi[translate]'"
            raise InputError(message) from None
        self.address = address.mend_address(url)
        self.written, self.url, self.tries = url, self.address.base, TRIES
        self.model, self.deadline, self.key, self.patience = model, deadline, key, patience
        self.pace, self.fields = Pace(concurrency), Fields(model)
        self.secrets = Secrets([*find_in_address(url), *find_in_proxies()])
        self._silent = self._refused = self._answered = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._client: AsyncOpenAI | None = None

    def __enter__(self) -> Connection:
        self.open()
        return self

    def open(self) -> None:
        """Connect; what fails is closed."""
        self._thread.start()
        try:
            self.submit(self._open()).result()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(self, work: Coroutine[Any, Any, Result]) -> Future[Result]:
        """Start work in the connection's thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def record(self) -> dict[str, Any]:
        """Facts learnt of the server, for the record: its address, the fields it refuses."""
        return {"address": self.shown, "fields": dict(self.fields.changed)}

    async def ask(self, say: pieces.Say | None = None, **request: Any) -> Answer:
        """Return the server's answer to one request for a completion of a chat.

        As soon as the pace allows; fields that the server does not take are learnt on the way. With
        `say` the answer comes in pieces, and ends where that wants no more.

        Raises:
            UnreachedError: no answer came in time, or none at all.
            RefusedError: the server takes no such request.
            NotACompletionError: something else came.
            InputError: no other request would be answered either: the server refuses the key or
                the model, wants to be paid, has gone, or has refused all that it was asked.
        """
        try:
            async with self.pace.slot():
                answer = await self.post(self.model, request, say)
                self.pace.note_success()
        except UnreachedError as error:
            self.pace.note_trouble()
            self._silent += 1
            if self._silent >= self.patience:
                raise self.explain_gone(str(error)) from None
            raise
        except RefusedError as error:
            self._refused += 1
            if error.is_final or (not self._answered and self._refused >= PATIENCE):
                raise self.explain_gone(error.reason) from None
            raise
        self._silent = 0
        self._answered += request["messages"] != opening.HELLO  # which says nothing of rows
        return answer

    async def ask_until_answered(self, **request: Any) -> Answer:
        """The same, asked again where none came, or what came may come otherwise the next time.

        Raises:
            RefusedError: the server takes no such request.
            InputError: no answer came, or as for `ask`.
        """
        for left in reversed(range(self.tries)):
            try:
                answer = await self.ask(**request)
                if not answer.may_pass or not left:
                    return answer
            except UnreachedError as error:
                if not left:
                    raise self.explain_gone(str(error)) from None
            except NotACompletionError as error:
                if not left:
                    raise self.explain_gone(f"no completion: {error}") from None
        raise AssertionError("the last try returns or raises")

    async def post(
        self, model: str, request: Mapping[str, Any], say: pieces.Say | None = None
    ) -> Answer:
        """One request, sent again only without fields that the server does not take."""
        while True:
            sent = self.fields.fit(request)
            try:
                completion = await self._completion(model, sent, say)
            except RefusedError as error:
                if not self.fields.learn(sent, error):
                    raise
            else:
                return read(completion, _limit(sent), _own(sent))

    async def _completion(self, model: str, sent: Mapping[str, Any], say: pieces.Say | None) -> Any:
        """The SDK's answer, and its errors by kind."""
        import openai

        assert self._client is not None
        try:
            async with asyncio.timeout(self.deadline):
                if say is None:
                    return await self._client.chat.completions.create(model=model, **sent)
                client = self._client.with_options(max_retries=RETRIES_WHILE_READ)
                chunks = await client.chat.completions.create(model=model, stream=True, **sent)
                return await pieces.collect(chunks, say, self.secrets, _own(sent))
        except (TimeoutError, openai.APIConnectionError) as error:
            reason = self.line(str(error.__cause__ or error))
            raise UnreachedError(reason or f"none in {self.deadline:g} s") from None
        except openai.APIStatusError as error:
            refused = refusals.read_refusal(error.status_code, error.response.text)
            if error.status_code in refusals.BUSY or error.status_code >= 500:
                raise UnreachedError(refused.reason) from None
            raise refused from None
        except (ValueError, TypeError, openai.OpenAIError) as error:
            raise NotACompletionError(self.line(str(error))[:80]) from None

    async def names(self, base: str) -> list[str] | None:
        """The models that a server lists below an address; None where it has no such list.

        Raises:
            InputError: there is no server.
        """
        import openai

        assert self._client is not None
        client = self._client.with_options(max_retries=1, base_url=base)
        try:
            async with asyncio.timeout(self.deadline):
                return [str(model.id) async for model in client.models.list()]
        except (TimeoutError, openai.APIConnectionError) as error:
            raise self.explain_gone(str(error.__cause__ or error)) from None
        except (openai.OpenAIError, ValueError, TypeError, AttributeError):
            return None  # a server without this list, or with another form of it

    def use(self, base: str) -> None:
        """Ask below this address from now on."""
        assert self._client is not None
        self._client.base_url, self.url = base, base

    def explain_gone(self, reason: str) -> InputError:
        """The error to raise where a server does not answer; it shows no key."""
        return GoneError(
            f"{self.shown}: expected a server that answers, found: {self.line(reason)}"
        )

    @property
    def shown(self) -> str:
        """The address without what may be a key in it."""
        return address.hide_secrets(self.url)

    def line(self, text: str) -> str:
        """A text of any origin on one short line, without any key."""
        return refusals.shorten(self.secrets.blank(text))

    async def _open(self) -> None:
        """Make the client and see that its server answers and has the model."""
        import openai

        from ikusi.server.transport import make_client

        options: dict[str, Any] = {
            "base_url": self.address.base,
            "default_query": self.address.query,
            "max_retries": TRANSPORT_RETRIES,
            "timeout": self.deadline,
            "http_client": make_client(
                self.secrets, self.pace.note_trouble, use_proxies=not self.address.is_loopback
            ),
        }
        try:
            self._client = openai.AsyncOpenAI(**options)
        except openai.OpenAIError:
            self._client = openai.AsyncOpenAI(api_key=KEY, **options)
        self.secrets.add(str(self._client.api_key or ""))
        await opening.check(self)

    async def _stop(self) -> None:
        """End what is still under way and hang up."""
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if self._client is not None:
            await self._client.close()

    def close(self) -> None:
        """Hang up; what is still under way is ended. A second time does nothing."""
        if self._loop.is_closed():
            return
        self.submit(self._stop()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _limit(sent: Mapping[str, Any]) -> int | None:
    return sent.get("max_tokens", sent.get("max_completion_tokens"))


def _own(sent: Mapping[str, Any]) -> str:
    """The text of the last message: marks of thoughts in it are the question's own."""
    content = sent["messages"][-1]["content"]
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)
