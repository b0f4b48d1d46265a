"""Checks that every request passes, and headers that every answer carries, whoever asks."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Collection, Mapping

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 2**18
"""Of a form: some long texts."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # a link holds a secret
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Robots-Tag": "noindex, nofollow",
    "Cache-Control": "no-store",
}
"""Of every answer that does not say otherwise."""

_SENT = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]


class Guards:
    """Refuses foreign hosts and bodies that are too large; adds the headers of every answer.

    Files of ``uploads`` bytes at most may be sent to paths that end with ``uploads_end``, whose
    page says what is too large.

    A page of somebody else's may give its own name the address of this machine, so names are
    known ones; an address by itself cannot be such a name.
    """

    def __init__(
        self,
        app: ASGIApp,
        hosts: Collection[str],
        most: int,
        uploads: int,
        uploads_end: str,
    ) -> None:
        self.app = app
        self.most, self.uploads, self.uploads_end = most, uploads, uploads_end
        self.hosts = {host.lower() for host in hosts} | {"localhost"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it through."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                more = (header for header in _SENT if header[0] not in given)
                message["headers"] = [*message["headers"], *more]
            await send(message)

        if not self._knows(headers.get("host", "")):
            answer = PlainTextResponse("This name is not one of this server's.\n", 400)
            await answer(scope, receive, send_guarded)
            return
        upload = self.uploads and scope["path"].endswith(self.uploads_end)
        bounded = Bounded(receive, self.uploads if upload else self.most)
        if not upload and bounded.refuses(headers.get("content-length", "0")):
            await PlainTextResponse("This is too much.\n", 413)(scope, receive, send_guarded)
            return
        await self.app(scope, bounded, send_guarded)

    def _knows(self, host: str) -> bool:
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        name = name.removeprefix("[").removesuffix("]").lower().removesuffix(".")
        if name in self.hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


class Bounded:
    """The body of a request, of which no more than so many bytes are taken in."""

    def __init__(self, receive: Receive, most: int) -> None:
        self.receive = receive
        self.left = most

    def refuses(self, length: str) -> bool:
        """Whether a body says of itself that it is too large, or says nothing sensible."""
        return not length.isdecimal() or int(length[:12]) > self.left

    async def __call__(self) -> Message:
        """The next part of the body.

        Raises:
            TooLargeError: it has more than it may, whatever it said.
        """
        message = await self.receive()
        self.left -= len(message.get("body", b""))
        if self.left < 0:
            raise TooLargeError
        return message


class TooLargeError(Exception):
    """A body has more bytes than it may."""


class Links:
    """Whom each secret word lets in; looking one up takes as long whichever it is."""

    def __init__(self, tokens: Mapping[str, str]) -> None:
        self._known = [(_digest(word), code) for word, code in tokens.items()]

    def find(self, word: str) -> str | None:
        """The seat that a word leads to."""
        asked, seat = _digest(word), None
        for digest, code in self._known:
            if hmac.compare_digest(digest, asked):
                seat = code
        return seat


def _digest(word: str) -> bytes:
    return hashlib.sha256(word.encode("utf-8", "surrogatepass")).digest()
