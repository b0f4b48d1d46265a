"""Source texts that were left as they were: some are faults, some are right.

Names, plates, code, titles and words read off a sign are the same in every language. So a row is
untranslated if all its prose is the source's; a row with a copy beside translated prose is worth a
look, no more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import Enum

from ikusi.data.alike import is_prose

FEW = 2  # words: a text as short may well be a name, and stays what it is
NEARLY, ENOUGH = 0.9, 6  # share of words that are the same, in texts of so many


class Copied(Enum):
    """The part of a row that is its source: none, some or all."""

    NONE, SOME, ALL = range(3)


def find_copied(before: Sequence[str], after: Sequence[str]) -> tuple[Copied, str]:
    """Find how much of a row was left as it was, and a text of it that was.

    >>> find_copied(["What does the sign say?", "no parking on sundays"],
    ...        ["Zer dio seinaleak?", "no parking on sundays"])
    (<Copied.SOME: 1>, 'no parking on sundays')
    """
    copies = [is_copy(source, text) for source, text in zip(before, after, strict=True)]
    if not any(copies):
        return Copied.NONE, ""
    left = [place for place, source in enumerate(before) if not is_prose(source) or copies[place]]
    whole = len(left) == len(before) and any(map(is_prose, before))
    return Copied.ALL if whole else Copied.SOME, after[copies.index(True)]


def is_copy(source: str, target: str) -> bool:
    """Whether nearly all words of a translation are the source's; names may well stay."""
    if source[:8] != target[:8] and source[-8:] != target[-8:]:  # saves looking
        return False
    words, others = source.lower().split(), target.lower().split()
    if len(words) <= FEW:
        return False
    if words == others:
        return any(word.isalpha() for word in words)
    most = NEARLY * max(len(words), len(others))
    if len(words) < ENOUGH or len(set(words) & set(others)) < 0.5 * most:
        return False
    return sum((Counter(words) & Counter(others)).values()) >= most
