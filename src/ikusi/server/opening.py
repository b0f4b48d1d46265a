"""Before the first row: is there a server, at which address, and does it have the model?"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Mapping
from typing import Any, Protocol

from ikusi.errors import InputError
from ikusi.server import address
from ikusi.server.address import Address
from ikusi.server.answer import Answer, NotACompletionError
from ikusi.server.refusals import RefusedError, UnreachedError

logger = logging.getLogger(__name__)

HELLO = [{"role": "user", "content": "Say hello in one word."}]
PROBE = 64
"""Tokens that a first request may take; models that think need some."""

NO_SUCH_MODEL = "no-such-model-of-this-name"


class Server(Protocol):
    """The part of a connection that is needed before its first row (`client.Connection`)."""

    address: Address
    written: str
    model: str
    key: str
    tries: int

    @property
    def shown(self) -> str:
        """The address without what may be a key in it."""

    def use(self, base: str) -> None:
        """Ask below this address from now on."""

    def explain_gone(self, reason: str) -> InputError:
        """The error to raise where the server does not answer."""

    async def names(self, base: str) -> list[str] | None:
        """The models that the server lists below an address; None where it has no such list."""

    async def post(self, model: str, request: Mapping[str, Any]) -> Answer:
        """One request, answered once."""


async def check(server: Server) -> None:
    """Find the address at which a server answers, and see that it has the model.

    A list of models is believed where there is one; else a short question decides.

    Raises:
        InputError: there is no server, it refuses the key, or it does not have the model.
    """
    bases = server.address.candidates()
    for base in bases:
        names = await server.names(base)
        if names is not None:
            _use(server, base)
            if names:
                await _check_model(server, names)
            return
    await _check_by_asking(server, bases)


def _use(server: Server, base: str) -> None:
    server.use(base)
    if server.shown != address.hide_secrets(server.written):
        logger.warning("%s: is asked at %s", address.hide_secrets(server.written), server.shown)


async def _check_by_asking(server: Server, bases: list[str]) -> None:
    """Ask below each address until one answers."""
    reason = ""
    for base in bases:
        server.use(base)
        refusal = await _refusal(server, server.model)
        # A request that is refused for what it says has reached a server that has the model.
        if refusal is None or not (refusal.is_final or refusal.status < 400):
            return _use(server, base)
        reason = refusal.reason
        if refusal.status in (401, 402, 403):
            break
    server.use(bases[0])
    raise server.explain_gone(reason)


async def _check_model(server: Server, names: list[str]) -> None:
    """See that a server has a model which its list may call otherwise, or not name at all."""
    model = server.model
    if model in names or await _is_known(server, names):
        return
    near = difflib.get_close_matches(model, names, 5, 0.4)
    known = ", ".join([*near, *(name for name in names if name not in near)][:5])
    raise InputError(f"{server.shown}: {server.key}: expected one of {known}, found {model}")


async def _is_known(server: Server, names: list[str]) -> bool:
    """Whether a name that is not listed is one of the listed models, or one more that is served.

    Ollama lists `model:latest` for `model`; routers take `model:provider` for a listed `model`.
    Where a server has names of its own (Azure's deployments) it is asked, and first, whether it
    looks at names at all: some answer to any name with the one model they have.
    """
    model = server.model
    listed = next((n for n in names if n == f"{model}:latest" or model.startswith(f"{n}:")), None)
    if listed is not None:
        logger.warning("%s: %s is listed as %s", server.shown, model, listed)
        return True
    if await _refusal(server, NO_SUCH_MODEL) is None or await _refusal(server, model) is not None:
        return False
    logger.warning("%s: answers as %s, which it does not list", server.shown, model)
    return True


async def _refusal(server: Server, model: str) -> RefusedError | None:
    """Put a short question to a model; return the server's refusal, None where it answers.

    Raises:
        InputError: it says nothing at all, or refuses the key.
    """
    for left in reversed(range(server.tries)):
        try:
            await server.post(model, {"messages": HELLO, "max_tokens": PROBE})
        except UnreachedError as error:
            if not left:
                raise server.explain_gone(str(error)) from None
        except RefusedError as error:
            if error.status == 401:
                raise server.explain_gone(error.reason) from None
            return error
        except NotACompletionError as error:
            return RefusedError(f"no completion: {error}", 200)
        else:
            return None
    raise AssertionError("the last try returns or raises")
