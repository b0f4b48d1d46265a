"""A connection to an OpenAI-compatible server.

The `openai` SDK repeats what fails on the way (429, 5xx, dropped connections). What then still
fails is told apart: nothing came, the request is refused for good, or what came is no completion.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from ikusi.errors import InputError
from ikusi.translate.pace import Pace

if TYPE_CHECKING:
    from openai import AsyncOpenAI

TRANSPORT_RETRIES = 4
BUSY = (408, 409)  # besides those that the SDK has classes for
UNPAID = 402
KEY = "none"  # for servers that want no key; the SDK reads a real one by itself

Result = TypeVar("Result")


class UnreachedError(Exception):
    """No answer came at all."""


class RefusedError(Exception):
    """The server will never take this request; ``told``: its reason, ``field``: what it names."""

    def __init__(self, told: str, status: int, field: str | None = None) -> None:
        super().__init__(told)
        self.told, self.status, self.field = told, status, field


class NotACompletionError(Exception):
    """What came is no completion."""


class Connection:
    """A server, asked from an event loop in a thread of its own.

    Args:
        url: its base address.
        model: the model's name there.
        deadline: seconds that a request may take, all repetitions included.
        concurrency: most requests at once; ``pace`` says how many the server takes now.
        key: what the model is called in errors.

    Raises:
        InputError: the package that talks to servers is missing; on entering the context, the
            server is not there, does not have the model or refuses the key.
    """

    def __init__(
        self, url: str, model: str, deadline: float, concurrency: int, key: str = "model"
    ) -> None:
        try:
            import openai  # noqa: F401 - told before anything else is done
        except ImportError:
            told = "openai: expected the package, found none: pip install 'ikusi[translate]'"
            raise InputError(told) from None
        self.url, self.model, self.deadline, self._key = url, model, deadline, key
        self.pace = Pace(concurrency)
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

    async def ask(self, **request: Any) -> Any:
        """Return the server's answer to one request for a completion of a chat.

        Raises:
            UnreachedError: no answer came in time, or none at all.
            RefusedError: the server takes no such request.
            NotACompletionError: something else came.
            InputError: the server refuses the key, or wants to be paid.
        """
        import openai

        assert self._client is not None
        try:
            async with asyncio.timeout(self.deadline):
                return await self._client.chat.completions.create(model=self.model, **request)
        except (TimeoutError, openai.APIConnectionError) as error:
            told = str(error.__cause__ or error)
            raise UnreachedError(told or f"none in {self.deadline:g} s") from None
        except (openai.RateLimitError, openai.InternalServerError) as error:
            raise UnreachedError(error.message) from None
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            raise self.gone(error.message) from None
        except openai.APIStatusError as error:
            if error.status_code in BUSY:
                raise UnreachedError(error.message) from None
            if error.status_code == UNPAID:
                raise self.gone(error.message) from None
            raise RefusedError(_line(error.message), error.status_code, error.param) from None
        except (ValueError, TypeError, openai.OpenAIError) as error:
            raise NotACompletionError(_line(str(error))[:80]) from None

    def gone(self, told: str) -> InputError:
        """The error to raise where a server does not answer; it shows no key of the address."""
        return InputError(
            f"{shown(self.url)}: expected a server that answers, found: {_line(told)[:200]}"
        )

    async def _open(self) -> None:
        """Make the client and see that its server answers and has the model."""
        import openai

        async def heard(response: Any) -> None:
            if response.status_code == 429 or response.status_code >= 500:
                self.pace.trouble()

        options: dict[str, Any] = {
            "base_url": self.url,
            "max_retries": TRANSPORT_RETRIES,
            "timeout": self.deadline,
            "http_client": openai.DefaultAsyncHttpxClient(event_hooks={"response": [heard]}),
        }
        try:
            self._client = openai.AsyncOpenAI(**options)
        except openai.OpenAIError:
            self._client = openai.AsyncOpenAI(api_key=KEY, **options)
        await self._check_model(self._client)

    async def _check_model(self, client: AsyncOpenAI) -> None:
        """Compare the model with those the server lists, if it lists any."""
        import openai

        try:
            served = [model.id async for model in client.with_options(max_retries=1).models.list()]
        except openai.APIConnectionError as error:
            raise self.gone(str(error.__cause__ or error)) from None
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            raise self.gone(error.message) from None
        except (openai.OpenAIError, ValueError, TypeError, AttributeError):
            return  # a server without this list, or with another form of it
        if served and self.model not in served:
            raise InputError(
                f"{shown(self.url)}: {self._key}: expected one of {', '.join(served[:5])}, "
                f"found {self.model}"
            )

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


def shown(url: str) -> str:
    """An address without what may be a key in it.

    >>> shown("https://me:secret@example.org:8000/v1?key=secret")
    'https://example.org:8000/v1'
    """
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _line(text: str) -> str:
    return " ".join(text.split())
