"""Identification of a text's language: by its script, then by all languages that are known."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from ikusi import writing
from ikusi.language import automaton
from ikusi.language.automaton import Automaton
from ikusi.language.own import FastText, LabelModel, WordList, is_model

UNKNOWN = "und"  # as BCP 47 has it
OWN_SCRIPT = 0.25  # share of letters: with less, a text is in another script; names may be more
BEYOND_LATIN = re.compile("[\u0250-\U0010ffff]")  # all else is Latin, or no letter; saves counting
UNSURE = 0.5  # probability below which a language is not named
logger = logging.getLogger(__name__)


class Guess(NamedTuple):
    """The likeliest language of a text.

    ``sure`` is the probability of ``code``, ``other`` that of any language but the expected;
    ``known``: False where ``code`` is the expected language only because it cannot be distinguished
    from others, or where there is no letter.
    """

    code: str
    sure: float
    other: float
    known: bool = True


class Identifier:
    """Identifies whether texts are in the expected language, and in which one if not.

    Scripts come first: a text with hardly a letter of its own script is in another language.
    The languages that share the script are distinguished by py3langid, all of them, where those
    that are likely are favoured: `RARE` is the prior of the others. Where no language reaches
    `UNSURE`, and where there are no letters, a text is in an `UNKNOWN` one.

    Args:
        expected: code of the target language. Where the library does not know it, only another
            script is noticed, and a line in the log says so.
        likely: codes of languages that may be there instead: the source, those a model slips into.
        given: a list of words or a fastText model, used in place of py3langid among languages that
            share the script.

    Raises:
        InputError: what is given cannot be read, or does not know the language.
    """

    def __init__(self, expected: str, likely: Sequence[str], given: str | None = None) -> None:
        self.expected = expected.partition("-")[0]
        self.scripts = list_scripts(expected)
        self._names = {find_label(code): code.partition("-")[0] for code in (*likely, expected)}
        own = find_label(expected)
        known = automaton.list_labels()
        near = [label for label in known if _shares(label, self.scripts)]
        far = [label for label in known if not set(list_scripts(label)) <= set(self.scripts)]
        self._near_labels = near if own in near else []
        self._far_labels = far if self.scripts else []
        self._given = self._open_own_model(Path(given), [*likely, expected]) if given else None
        if not self._near_labels and not self._given:
            consequence = "only other scripts are noticed" if self.scripts else "that check is off"
            logger.warning(
                "%s: no language identification knows it, so %s; its pack may name a list of words "
                "or a fastText model (identifier)",
                expected,
                consequence,
            )

    @property
    def able(self) -> bool:
        """Whether any other language can be distinguished from the expected one; if not, every text
        passes."""
        return bool(self._given or self._near_labels or self._far_labels)

    def _open_own_model(self, path: Path, likely: Sequence[str]) -> LabelModel:
        expected = to_canonical(self.expected)
        self._names = {to_canonical(code): code.partition("-")[0] for code in likely} | self._names
        if is_model(path):
            return FastText(path, {to_canonical(code) for code in likely}, expected, to_canonical)
        return WordList(path, expected, UNKNOWN)

    @cached_property
    def _near(self) -> LabelModel:
        return self._given or self._apart(self._near_labels)

    @cached_property
    def _far(self) -> Automaton:
        return self._apart(self._far_labels)

    def __call__(self, text: str) -> Guess:
        """The language of one text."""
        (guess,) = self.many([text])
        return guess

    def many(self, texts: Sequence[str]) -> list[Guess]:
        """The language of each text; many together take a fraction of the time."""
        guesses = [Guess(self.expected, 1.0, 0.0, known=False)] * len(texts)
        near: list[int] = []
        far: list[int] = []
        for place, text in enumerate(texts):
            if not any(map(str.isalpha, text)):
                guesses[place] = Guess(UNKNOWN, 0.0, 0.0, known=False)
            elif self._is_far(text):
                far.append(place)
            elif self._given or self._near_labels:
                near.append(place)
        for place, guess in self._identify(self._near, texts, near) if near else ():
            guesses[place] = guess
        for place, guess in self._identify(self._far, texts, far) if far else ():
            guesses[place] = guess._replace(other=1.0)
        return guesses

    def _is_far(self, text: str) -> bool:
        """Whether hardly a letter is of a script that the expected language is written in."""
        if not self.scripts or ("Latn" in self.scripts and not BEYOND_LATIN.search(text)):
            return False
        own, all_ = writing.count_letters_in(text, self.scripts)
        return own < OWN_SCRIPT * all_

    def _identify(
        self, model: LabelModel, texts: Sequence[str], places: Sequence[int]
    ) -> Iterator[tuple[int, Guess]]:
        guesses = model.many([texts[place] for place in places])
        for place, (label, sure, other) in zip(places, guesses, strict=True):
            code = self._names.get(label, label) if sure >= UNSURE else UNKNOWN
            yield place, Guess(code, sure, other)

    def _apart(self, labels: Sequence[str]) -> Automaton:
        return Automaton(labels, self._names, find_label(self.expected))


def list_scripts(code: str) -> tuple[str, ...]:
    """The scripts that write a language, by ISO 15924; none where that is not known.

    >>> list_scripts("eu"), list_scripts("ja"), list_scripts("az-Cyrl")
    (('Latn',), ('Hani', 'Hira', 'Kana'), ('Cyrl',))
    """
    base, *subtags = code.split("-")
    written = [subtag for subtag in subtags if len(subtag) == 4]
    if written:
        return _ALIKE.get(written[0], (written[0],))
    return _scripts().get(base, ())


_ALIKE = {
    "Hans": ("Hani",),
    "Hant": ("Hani",),
    "Jpan": ("Hani", "Hira", "Kana"),
    "Kore": ("Hang", "Hani"),
}


def find_label(code: str) -> str:
    """The code under which py3langid knows a language, if it does (`no` for `nb`)."""
    base = code.partition("-")[0]
    return base if base in automaton.list_labels() else _tables()["aliases"].get(base, base)


def to_canonical(code: str) -> str:
    """One code for a language that has several, of those that models are labelled with.

    >>> [to_canonical(code) for code in ("eus_Latn", "eu", "nob_Latn", "ekk-Latn")]
    ['eu', 'eu', 'no', 'et']
    """
    base = code.replace("_", "-").partition("-")[0]
    two = _two_letters().get(base, base)
    return str(_tables()["aliases"].get(two, two))


@cache
def _two_letters() -> dict[str, str]:
    return dict(pair.split(":") for pair in _tables()["two_letters"].split())


def _shares(label: str, scripts: Sequence[str]) -> bool:
    own = list_scripts(label)
    return not own or not scripts or not set(own).isdisjoint(scripts)


@cache
def _scripts() -> dict[str, tuple[str, ...]]:
    scripts: dict[str, tuple[str, ...]] = {}
    for script, codes in _tables()["scripts"].items():
        for code in codes.split():
            scripts[code] = (*scripts.get(code, ()), script)
    for code, label in _tables()["aliases"].items():
        scripts[label] = tuple(dict.fromkeys((*scripts.get(label, ()), *scripts.get(code, ()))))
    return scripts


@cache
def _tables() -> dict[str, Any]:
    path = resources.files(__package__).joinpath("scripts.yaml")
    return dict(yaml.safe_load(path.read_text("utf-8")))
