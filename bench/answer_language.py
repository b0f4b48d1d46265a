"""Print, as Markdown, how surely the language of short answers is told.

`python bench/answer_language.py` reads the messages of this machine's programs, in English and as
people translated them (gettext catalogues in /usr/share/locale), and asks which language each is
in, among the languages that a model asked in the first of them is likely to answer in.
"""

import gettext
import importlib.metadata
import itertools
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from ikusi import language
from ikusi.evaluate import said
from ikusi.translate.identify import Identifier

LOCALES = Path("/usr/share/locale")
LENGTHS = (1, 10, 15, 20, 30, 1000)
WORDS = re.compile(r"[^\W\d_]+(?:[ ,'’-]+[^\W\d_]+)*[.?!]?")
ASKED = [("eu", "en"), ("gl", "en")]


def messages(code: str) -> Iterator[tuple[str, str]]:
    """Messages made of words only, English and translated; lists of names are left out."""
    for path in sorted((LOCALES / code / "LC_MESSAGES").glob("*.mo")):
        if path.name.startswith("iso_"):
            continue
        try:
            with path.open("rb") as file:
                catalogue = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
        except UnicodeDecodeError:  # some catalogues are not in the encoding they state
            continue
        for key, value in catalogue.items():
            if isinstance(key, str) and isinstance(value, str) and key != value:
                english, translated = (text.replace("_", "").strip() for text in (key, value))
                if WORDS.fullmatch(english) and WORDS.fullmatch(translated):
                    yield english, translated


def texts(code: str) -> list[str]:
    """Distinct messages in a language; the English ones are those that Basque has."""
    if code == "en":
        return sorted({english for english, _ in messages("eu")})
    return sorted({translated for _, translated in messages(code)})


def rows(asked: str, others: Sequence[str], code: str) -> Iterator[str]:
    """One line per length: texts of language ``code``, questions in ``asked``."""
    found = texts(code)
    lengths = [said.letters(text) for text in found]
    guessed = [guess for guess, _ in Identifier(asked, others).many(found)]
    told = said.AnswerLanguage(asked, others).many(found)
    for low, high in itertools.pairwise(LENGTHS):
        places = [place for place, length in enumerate(lengths) if low <= length < high]
        sure = [told[place] for place in places if told[place]]
        wrong = sum(guess != code for guess in sure)
        missed = sum(guessed[place] != code for place in places)
        length = f"{low} to {high - 1}" if high < LENGTHS[-1] else f"{low} and more"
        cells = [asked, code, length, f"{len(places):,}", f"{missed / len(places):.1%}"]
        cells += [f"{len(sure) / len(places):.0%}", f"{wrong} of {len(sure):,}"]
        yield f"| {' | '.join(cells)} |"


def main() -> int:
    """Print the table, the time and the versions."""
    if not texts("eu") or not texts("gl"):
        print("expected catalogues in Basque and Galician in /usr/share/locale", file=sys.stderr)
        return 1
    print("| asked in | text in | letters | texts | wrong if all were told | told | wrong |")
    print("|---|---|---|--:|--:|--:|--:|")
    for asked, other in ASKED:
        others = [other, *language.load(asked).distractors]
        for code in (asked, other):
            print(*rows(asked, others, code), sep="\n")
    teller = said.AnswerLanguage("eu", ["en", "es", "fr"])
    many = [f"{text} {place}" for place, text in enumerate((texts("eu") * 4)[:15000])]
    start = time.perf_counter()
    teller.many(many)
    seconds = time.perf_counter() - start
    print(f"\n{len(many):,} answers in {seconds:.2f} s; ", end="")
    print(f"py3langid {importlib.metadata.version('py3langid')}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
