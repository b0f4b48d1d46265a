"""What every translated row is checked for: cheap, exact, and told in one line."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ikusi import writing
from ikusi.language import LanguagePack
from ikusi.language.identify import Guess, Identifier
from ikusi.translate import marks
from ikusi.translate.contract import Row, Verdict
from ikusi.translate.copies import Copied, copied
from ikusi.translate.settings import Checks

TOKENS = re.compile(
    r"```.*?```|`[^`\n]+`|<image>|https?://\S+|www\.\S+|[\w.+-]+@[\w-]+\.\w+|\{\w*\}|%[sd]\b",
    re.DOTALL,
)
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
SIGNS = re.compile(r"[`<@{%]|://|www\.")  # without one of these there is none of those
WORD = re.compile(r"[^\W\d_]{3,}")
NAME = re.compile(r"(?<=[\w,;] )[A-Z][^\W\d_A-Z]{2,}")  # a capital within a sentence
LOOP_WORDS, LOOP_TIMES, LOOP_PERIOD = 6, 3, 8
SLACK = 10  # characters: short texts vary in length more

Look = Callable[[Row, Sequence[str]], "str | None"]


class Mild(str):
    """What is worth a look but no reason to refuse a row, whatever the settings say."""

    __slots__ = ()


class Checker:
    """Judges translated rows; see `settings.Checks` for what each check does.

    Args:
        settings: which checks there are, and their thresholds.
        row_type: type of the rows.
        source: the pack of the language they are translated from.
        target: the pack of the language they are translated into.
    """

    def __init__(
        self, settings: Checks, row_type: str, source: LanguagePack, target: LanguagePack
    ) -> None:
        self.settings, self.row_type = settings, row_type
        self.closed = _closed_words(source, target)
        looks: dict[str, Look] = {
            "broken": self._broken,
            "options": self._options,
            "yes_no": self._yes_no,
            "copied": self._copied,
            "repetition": self._repetition,
            "language": self._language,
            "length_ratio": self._length_ratio,
            "preserved": self._preserved,
            "odd": self._odd,
            "names": self._names,
        }
        self._looks = [
            (name, action == "refuse", look)
            for name, look in looks.items()
            if (action := getattr(settings, name)) != "off"
        ]
        wanted = settings.language != "off"
        self._identifier = identifier(settings, source, target) if wanted else None

    def __call__(self, row: Row, texts: Sequence[str]) -> Verdict:
        """Judge the translated texts of a row."""
        if len(texts) != len(row.texts):
            return Verdict(f"texts: expected {len(row.texts)}, found {len(texts)}")
        if not all(text and not text.isspace() for text in texts):
            return Verdict("texts: expected words in all, found an empty one")
        flags: list[str] = []
        for name, refuses, look in self._looks:
            problem = look(row, texts)
            if problem is None:
                continue
            if refuses and not isinstance(problem, Mild):
                return Verdict(f"{name}: {problem}", tuple(flags))
            flags.append(name)
        return Verdict(None, tuple(flags))

    def _options(self, row: Row, texts: Sequence[str]) -> str | None:
        """Two options translated alike make a question unanswerable."""
        if self.row_type != "choice" or len(texts) < 3:
            return None
        before, after = (len({_plain(text) for text in some[1:]}) for some in (row.texts, texts))
        return f"expected {before} different options, found {after}" if after < before else None

    def _yes_no(self, row: Row, texts: Sequence[str]) -> str | None:
        for said, text in zip(row.texts, texts, strict=True):
            expected = self.closed.get(_plain(said)) if len(said) < 6 else None
            if expected and _plain(text) != _plain(expected):
                return f"expected {expected}, found {_short(text)}"
        return None

    def _copied(self, row: Row, texts: Sequence[str]) -> str | None:
        much, text = copied(row.texts, texts)
        if much is Copied.NONE:
            return None
        problem = f"expected a translation, found the source: {_short(text)}"
        return problem if much is Copied.ALL else Mild(problem)

    def _broken(self, row: Row, texts: Sequence[str]) -> str | None:
        return _unexpected(marks.broken(row.texts, texts))

    def _odd(self, row: Row, texts: Sequence[str]) -> str | None:
        return _unexpected(marks.odd(row.texts, texts))

    def _repetition(self, row: Row, texts: Sequence[str]) -> str | None:
        for said, text in zip(row.texts, texts, strict=True):
            if len(text) > 24 and (loop := _loop(text)) and not _loop(said):
                return f"expected words once, found over and over: {_short(loop)}"
        return None

    def _language(self, row: Row, texts: Sequence[str]) -> str | None:
        text = spoken(texts, self.settings.language_words)
        if text is None or self._identifier is None:
            return None
        return foreign(self._identifier.expected, self._identifier(text), self.settings)

    def _length_ratio(self, row: Row, texts: Sequence[str]) -> str | None:
        before, after = (sum(map(len, some)) + SLACK for some in (row.texts, texts))
        least, most = self.settings.length_bounds
        if least <= after / before <= most:
            return None
        return f"expected {least:g} to {most:g} times the length, found {after / before:.2f}"

    def _preserved(self, row: Row, texts: Sequence[str]) -> str | None:
        before, after = (writing.our_digits("\n".join(some)) for some in (row.texts, texts))
        signs = SIGNS.search(before) or SIGNS.search(after)
        if not signs and NUMBER.findall(before) == NUMBER.findall(after):
            return None
        kept, found = _kept(before), _kept(after)
        if kept == found:
            return None
        return f"expected {_listed(kept - found)}, found {_listed(found - kept)}"

    def _names(self, row: Row, texts: Sequence[str]) -> str | None:
        found = {_root(word) for text in texts for word in WORD.findall(text)}
        lost = [
            name for text in row.texts for name in NAME.findall(text) if _root(name) not in found
        ]
        return f"expected {', '.join(map(_short, lost[:5]))}, found no trace" if lost else None


def identifier(settings: Checks, source: LanguagePack, target: LanguagePack) -> Identifier:
    """What tells the target language from those that a translation may be in instead."""
    likely = [source.code, *target.distractors, *settings.distractors]
    return Identifier(target.code, likely, target.identifier)


def spoken(texts: Sequence[str], least: int) -> str | None:
    """What a row says, to tell its language by; None if that is less than so many words."""
    text = " ".join(texts)
    if SIGNS.search(text):
        text = TOKENS.sub(" ", text)
    return text if writing.length(text) >= least else None


def foreign(expected: str, found: Guess, settings: Checks) -> str | None:
    """What is wrong with a row that is likely in another language than the one expected."""
    if found.code == expected or found.other < settings.language_probability:
        return None
    return f"expected {expected}, found {found.code} ({found.other:.2f})"


def closed(
    row_type: str, columns: Mapping[str, Any], source: LanguagePack, target: LanguagePack
) -> list[str] | None:
    """Translations of a row's answers or choices where they all are yes or no; else None.

    Their letter case follows the source's.
    """
    answers = columns.get("answers") or columns.get("choices")
    if not answers or len(answers[0]) > 5:  # saves looking: no such word is longer
        return None
    words = _closed_words(source, target)
    found = [words.get(answer.lower()) for answer in answers]
    if None in found:
        return None
    pairs = zip(answers, found, strict=True)
    return [word.lower() if answer.islower() else word for answer, word in pairs if word]


def _closed_words(source: LanguagePack, target: LanguagePack) -> dict[str, str]:
    return {source.yes.lower(): target.yes, source.no.lower(): target.no}


def _unexpected(signs: Sequence[str]) -> str | None:
    told = ", ".join(map(marks.spelt, signs[:5]))
    return f"expected the source's signs alone, found {told}" if signs else None


def _plain(text: str) -> str:
    return text.strip(" .!?;,:\n\t").casefold()


def _short(text: str) -> str:
    return " ".join(text.split())[:60]


def _root(word: str) -> str:
    """The first three letters, without case and accents: names take endings."""
    plain = unicodedata.normalize("NFKD", word.casefold())
    return "".join(letter for letter in plain if not unicodedata.combining(letter))[:3]


def _listed(found: Counter[str]) -> str:
    return ", ".join(_short(item) for item in list(found.elements())[:5]) or "nothing more"


def _loop(text: str) -> str | None:
    """A run of words that comes again and again at once, if the text has one."""
    words = text.split()
    if len(words) < LOOP_WORDS or len(set(words)) > 0.8 * len(words):
        return _glued_loop(text)
    for period in range(1, LOOP_PERIOD + 1):
        run = 0
        for place in range(period, len(words)):
            run = run + 1 if words[place] == words[place - period] else 0
            if run >= max(LOOP_WORDS, LOOP_TIMES * period) - period:
                return " ".join(words[place - period + 1 : place + 1])
    return None


def _glued_loop(text: str) -> str | None:
    """The same for letters without spaces: `hahahahaha...`."""
    found = GLUED.search(text) if len(text) > 24 else None
    return found[1] if found else None


GLUED = re.compile(r"(\S{1,8}?)\1{11,}")


def _kept(text: str) -> Counter[str]:
    """What must come through a translation: numbers, code, addresses, placeholders."""
    tokens = Counter(TOKENS.findall(text))
    digits = (re.sub(r"\D", "", number) for number in NUMBER.findall(TOKENS.sub(" ", text)))
    return tokens + Counter(digits)
