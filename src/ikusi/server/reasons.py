"""Reasons why there is no answer, counted for people to read."""

from __future__ import annotations

import re
from collections import Counter

SHOWN = 3
MOST = 100
"""Different reasons that are counted apart; the others are counted together."""


def generalise(reason: str) -> str:
    """A reason without what differs from row to row, so that those of one kind are counted as one.

    A check's reason becomes the check's name; a server's or an answer's keeps its words.

    >>> generalise("server: 400: at most 4096 tokens, found 5120 tokens")
    'server: 400: at most N tokens, found N tokens'
    >>> generalise("language: expected eu, found en")
    'language'
    """
    kind = reason.partition(":")[0]
    if kind not in ("server", "answer"):
        return kind
    start = re.match(r"server: \d{3}", reason)
    begin = start.end() if start else 0
    return reason[:begin] + re.sub(r"\d+", "N", reason[begin:])


def count(reasons: Counter[str], reason: str) -> str:
    """Count a reason; returns what it was counted as."""
    name = generalise(reason)
    if name not in reasons and len(reasons) >= MOST:
        name = "other reasons"
    reasons[name] += 1
    return name


def format_reasons(reasons: Counter[str]) -> str:
    """The most frequent reasons, in one line.

    >>> format_reasons(Counter({"language": 3, "server: 400: too long": 1}))
    '3 x language, 1 x server: 400: too long'
    """
    shown = [f"{number:,} x {name}" for name, number in reasons.most_common(SHOWN)]
    left = len(reasons) - len(shown)
    return ", ".join(shown) + (f", and {left} other reasons" if left else "")
