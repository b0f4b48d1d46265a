"""Which language a text is in, told among a few."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from typing import Any

logger = logging.getLogger(__name__)


class Identifier:
    """Tells the target language from the source and from what a model may slip into.

    py3langid knows 140 languages; restricted to the few that may be there, it is right on 99 % of
    sentences where it is at 94 to 98 % over all.

    Args:
        expected: code of the target language. Where the library does not know it, every text
            passes, and a line in the log says so.
        codes: all languages that are told apart; those the library does not know are left out.
    """

    def __init__(self, expected: str, codes: Sequence[str]) -> None:
        self.expected = expected.partition("-")[0]
        wanted = {code.partition("-")[0] for code in (expected, *codes)}
        known = sorted(wanted & set(_labels()))
        self._identifier = None
        if self.expected in known and len(known) > 1:
            self._identifier = _restricted(tuple(known))
        else:
            logger.warning("%s: no language identification, so that check is off", expected)

    def __call__(self, text: str) -> tuple[str, float]:
        """The most likely language, and its probability among those told apart."""
        if self._identifier is None:
            return self.expected, 1.0
        found: tuple[str, float] = self._identifier.classify(text)
        return found


@cache
def _labels() -> tuple[str, ...]:
    return tuple(_opened().labels)


@cache
def _restricted(codes: tuple[str, ...]) -> Any:
    identifier = _opened()
    identifier.set_languages(list(codes))
    return identifier


def _opened() -> Any:
    from py3langid import langid

    return langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
