"""Addresses of servers: mended where people write them otherwise, shown without what is secret."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from ikusi.errors import InputError

ENDPOINTS = ("/chat/completions", "/completions", "/responses", "/models", "/chat")
_VERSION = re.compile(r"/v\d\w*(?:/|$)")


@dataclass(frozen=True)
class Address:
    """The address of a server.

    Args:
        base: what `/chat/completions` is put behind.
        query: what every request carries in its address, such as Azure's `api-version`.
    """

    base: str
    query: dict[str, str]

    @property
    def is_loopback(self) -> bool:
        """Whether it is this very machine."""
        host = urlsplit(self.base).hostname or ""
        try:
            ip = ipaddress.ip_address(host)
        except ValueError:
            return host == "localhost" or host.endswith(".localhost")
        return ip.is_loopback or ip.is_unspecified

    def candidates(self) -> list[str]:
        """Bases to try: as it is, and below `/v1` where no version is named."""
        path = urlsplit(self.base).path
        return [self.base] if _VERSION.search(path) else [self.base, self.base + "/v1"]


def mend_address(url: str) -> Address:
    """Read an address as people copy it: with a slash at its end, or with the whole endpoint.

    >>> mend_address("http://localhost:8000/v1/chat/completions").base
    'http://localhost:8000/v1'

    Raises:
        InputError: it is no web address.
    """
    try:
        parts = urlsplit(url.strip())
        usable = parts.hostname and parts.scheme in ("http", "https") and parts.port != 0
    except ValueError:
        usable = None
    if not usable:
        raise InputError(
            f"{hide_secrets(url)}: expected an address such as http://localhost:8000/v1, "
            "found another"
        )
    path = parts.path.rstrip("/")
    for endpoint in ENDPOINTS:
        path = path.removesuffix(endpoint).rstrip("/")
    base = parts._replace(path=path, query="", fragment="").geturl()
    return Address(base, dict(parse_qsl(parts.query, keep_blank_values=True)))


def hide_secrets(url: str) -> str:
    """An address without what may be a key in it.

    >>> hide_secrets("https://me:secret@example.org:8000/v1?key=secret")
    'https://example.org:8000/v1'
    """
    bare = re.sub(r"[?#].*", "", url.strip(), flags=re.DOTALL)
    return re.sub(r"^((?:[a-zA-Z][\w+.-]*:)?//)?[^/]*@", lambda match: match[1] or "", bare)
