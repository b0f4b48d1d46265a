"""Keys and passwords, blanked wherever a server repeats them."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit
from urllib.request import getproxies

MARK = "[key removed]"
SHORTEST = 4
"""Characters of a secret that is blanked in errors; `none` and the like are no secrets."""

SURE = 8
"""Characters of a secret that is blanked in answers, too: a shorter one may be a common word."""

_SECRET = re.compile(r"key|token|secret|sig|pass|auth|code", re.IGNORECASE)
PLACEHOLDERS = {"none", "empty", "dummy", "not-needed", "no-key"}  # for servers that want no key
_REST = r"[^\s\"'<>,;)|]"
_STARS = r"(?:[*•…]|\.{3})[*•….]{0,200}"


class Secrets:
    """Secrets never to be shown: keys, passwords, in every form in which a server may repeat them.

    >>> Secrets(["sesame-opens"]).blank("wrong key: sesame-opens; sent as sesa****pens")
    'wrong key: [key removed]; sent as [key removed]'
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: set[str] = set()
        self._any = self._whole = re.compile(r"(?!)")
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        """Blank these too from now on."""
        new = {text for text in secrets if len(text) >= SHORTEST} - self._secrets
        new = {text for text in new if text.lower() not in PLACEHOLDERS}
        if new:
            self._secrets |= new
            self._any = _pattern([*_all_forms(self._secrets), *_partial(self._secrets)])
            self._whole = _pattern(_all_forms(text for text in self._secrets if len(text) >= SURE))

    def blank(self, text: str) -> str:
        """An error, an address, a header without any of them, also where they are cut or starred.

        A URL's user part goes, too, whoever's it is.
        """
        return self._any.sub(MARK, re.sub(r"(?<=://)[^\s/@]+@", "", text))

    def blank_all(self, value: Any, is_answer: bool) -> Any:
        """JSON with every text in it blanked; in an answer only what is surely no common word."""
        if isinstance(value, str):
            return self.blank(value) if not is_answer or self._whole.search(value) else value
        if isinstance(value, list):
            return [self.blank_all(part, is_answer) for part in value]
        if isinstance(value, dict):
            return {
                self.blank_all(name, is_answer): self.blank_all(part, is_answer)
                for name, part in value.items()
            }
        return value

    def leave_out_begun(self, text: str) -> str:
        """An answer so far without what may be the beginning of a secret at its end.

        >>> Secrets(["sesame-opens"]).leave_out_begun("The key is sesame-")
        'The key is '
        """
        sizes = [
            size
            for secret in self._secrets
            if len(secret) >= SURE
            for size in range(1, len(secret))
            if text.endswith(secret[:size])
        ]
        return text[: len(text) - max(sizes, default=0)]


def find_in_address(url: str) -> Iterator[str]:
    """Find what may be secret in an address: user, password, keys in its query."""
    parts = urlsplit(url)
    yield from (unquote(text) for text in (parts.username, parts.password) if text)
    yield from (value for name, value in parse_qsl(parts.query) if _SECRET.search(name))


def find_in_proxies() -> Iterator[str]:
    """Passwords of the proxies that the environment names."""
    for url in getproxies().values():
        if "://" in url and (password := urlsplit(url).password):
            yield unquote(password)


def _pattern(parts: Iterable[str]) -> re.Pattern[str]:
    """Any of some patterns, the longest first."""
    return re.compile("|".join(sorted(set(parts), key=len, reverse=True)) or r"(?!)")


def _all_forms(secrets: Iterable[str]) -> Iterator[str]:
    """Patterns of whole secrets: plain, in URLs, JSON, HTML, hexadecimal and base64."""
    for text in secrets:
        forms = {text, quote(text), quote(text, safe=""), quote_plus(text), html.escape(text)}
        forms |= {json.dumps(text)[1:-1], text.encode().hex(), *_in_base64(text)}
        yield from map(re.escape, forms)


def _in_base64(text: str) -> Iterator[str]:
    """The characters that stand for a text in base64, wherever in a group of three it begins."""
    data = text.encode()
    for offset, spoiled in enumerate((0, 2, 3)):
        full = 8 * (offset + len(data)) // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(bytes(offset) + data).decode()[spoiled:full]


def _partial(secrets: Iterable[str]) -> Iterator[str]:
    """Patterns of secrets that are cut, or whose middle is starred."""
    for text in secrets:
        if len(text) > SURE:
            yield re.escape(text[:SURE]) + _REST + "*"
            starts = "|".join(re.escape(text[:size]) for size in range(SURE, 2, -1))
            ends = "|".join(re.escape(text[-size:]) for size in range(SURE, 2, -1))
            yield rf"(?:{starts}){_STARS}{_REST}{{0,40}}"
            yield rf"{_REST}{{0,40}}{_STARS}(?:{ends})"
