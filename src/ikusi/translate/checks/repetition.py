"""Whether words are said over and over."""

import re
from collections.abc import Sequence

from pydantic import Field

from ikusi.translate.checks.base import Action, Check, Given, Look, shorten
from ikusi.translate.contract import Row
from ikusi.yamlfile import Section

LOOP_WORDS, LOOP_TIMES, LOOP_PERIOD = 6, 3, 8
GLUED = re.compile(r"(\S{1,8}?)\1{11,}")
GLUED_LETTERS = 12  # of a word that the expression above can match


class Keys(Section):
    """Its settings."""

    repetition: Action = Field(default="refuse", description="Words said over and over.")


def look(given: Given) -> Look:
    """Look for a run of words that comes again at once, where the source has none."""

    def check(row: Row, texts: Sequence[str]) -> str | None:
        for source, text in zip(row.texts, texts, strict=True):
            if len(text) > 24 and (loop := _loop(text)) and not _loop(source):
                return f"expected words once, found over and over: {shorten(loop)}"
        return None

    return check


def _loop(text: str) -> str | None:
    """A run of words that comes again and again at once, if the text has one."""
    words = text.split()
    if len(words) < LOOP_WORDS or len(set(words)) > 0.8 * len(words):
        return _glued_loop(words)
    for period in range(1, LOOP_PERIOD + 1):
        run = 0
        for place in range(period, len(words)):
            run = run + 1 if words[place] == words[place - period] else 0
            if run >= max(LOOP_WORDS, LOOP_TIMES * period) - period:
                return " ".join(words[place - period + 1 : place + 1])
    return None


def _glued_loop(words: Sequence[str]) -> str | None:
    """The same for letters without spaces: `hahahahaha...`."""
    if max(map(len, words), default=0) < GLUED_LETTERS:
        return None
    loops = (GLUED.search(word) for word in words if len(word) >= GLUED_LETTERS)
    return next((loop[1] for loop in loops if loop), None)


CHECKS = [Check("repetition", 50, Keys, look)]
