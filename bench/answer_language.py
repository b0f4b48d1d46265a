"""Print, as Markdown, how surely the language of short answers and of whole rows is identified.

`python bench/answer_language.py` reads the messages of this machine's programs, in English and as
people translated them (gettext catalogues in /usr/share/locale), and asks which language each is
in, among the languages that a model asked in the first of them is likely to answer in.
"""

import gettext
import importlib.metadata
import itertools
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import regex

from ikusi import language
from ikusi.language import answers
from ikusi.language.identify import Identifier, list_scripts
from ikusi.translate.checks.language import describe_foreign, join_prose
from ikusi.translate.settings import Checks

LOCALES = Path("/usr/share/locale")
LENGTHS = (1, 10, 15, 20, 30, 1000)
WORDS = regex.compile(r"[\p{L}\p{M}]+(?:[ ,'’،、-]+[\p{L}\p{M}]+)*[.?!。؟।]?")
ASKED = [("eu", "en"), ("gl", "en")]
SCRIPTS = ["de", "fi", "tr", "vi", "ru", "uk", "el", "ar", "fa", "he", "hi", "zh_CN", "ja", "ko"]
LISTED = ["eu", "gl", "en", "es", "pt", "fr", "de", "fi", "tr"]
EXPECTED, LIKELY = "eu", ["en", "es", "fr"]  # a translation into Basque, as set up by default


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
    listed = texts(code)
    lengths = [answers.count_letters(text) for text in listed]
    guessed = [guess.code for guess in Identifier(asked, others).many(listed)]
    identified = answers.AnswerLanguage(asked, others).many(listed)
    for low, high in itertools.pairwise(LENGTHS):
        places = [place for place, length in enumerate(lengths) if low <= length < high]
        sure = [identified[place] for place in places if identified[place]]
        wrong = sum(guess != code for guess in sure)
        missed = sum(guessed[place] != code for place in places)
        length = f"{low} to {high - 1}" if high < LENGTHS[-1] else f"{low} and more"
        cells = [asked, code, length, f"{len(places):,}", f"{missed / len(places):.1%}"]
        cells += [f"{len(sure) / len(places):.0%}", f"{wrong} of {len(sure):,}"]
        yield f"| {' | '.join(cells)} |"


def noticed(code: str) -> str:
    """One line: how many texts of a language are taken for another, and how many for Basque."""
    own = code.partition("_")[0]
    listed = [text for text in texts(code) if join_prose([text], Checks().language_words)]
    itself = [
        describe_foreign(own, guess, Checks()) for guess in Identifier(own, ["en"]).many(listed)
    ]
    basque = Identifier(EXPECTED, LIKELY).many(listed)
    caught = [describe_foreign(EXPECTED, guess, Checks()) for guess in basque]
    lost = sum(reason is not None for reason in itself) / len(listed)
    passed = sum(reason is None for reason in caught)
    return f"| {own} | {' '.join(list_scripts(own))} | {len(listed):,} | {lost:.1%} | {passed} |"


def by_list(code: str, folder: Path) -> Iterator[str]:
    """Lines for a list of the words in half of a language's texts: what it makes of the others."""
    own, path = texts(code), folder / f"{code}.txt"
    random.Random(0).shuffle(own)
    half = len(own) // 2
    path.write_text("\n".join(own[:half]), "utf-8")
    identifier = Identifier("zzz", [], str(path))
    for other in (code, *(one for one in LISTED if one != code)):
        listed = own[half:] if other == code else texts(other)
        rows = [text for text in listed if join_prose([text], Checks().language_words)]
        passed = sum(
            describe_foreign("zzz", guess, Checks()) is None for guess in identifier.many(rows)
        )
        yield f"| {code} | {other} | {len(rows):,} | {passed / len(rows):.1%} |"


def main() -> int:
    """Print the tables, the time and the versions."""
    if not texts("eu") or not texts("gl"):
        print("expected catalogues in Basque and Galician in /usr/share/locale", file=sys.stderr)
        return 1
    print(
        "| asked in | text in | letters | texts | wrong if all were identified "
        "| identified | wrong |"
    )
    print("|---|---|---|--:|--:|--:|--:|")
    for asked, other in ASKED:
        others = [other, *language.load(asked).distractors]
        for code in (asked, other):
            print(*rows(asked, others, code), sep="\n")
    print("\n| text in | script | texts | refused where it is expected | passed for Basque |")
    print("|---|---|--:|--:|--:|")
    print(*map(noticed, [EXPECTED, *SCRIPTS]), sep="\n")
    print("\n| list of words | text in | texts | passed |\n|---|---|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        for code, _ in ASKED:
            print(*by_list(code, Path(folder)), sep="\n")
    identifier = answers.AnswerLanguage("eu", ["en", "es", "fr"])
    many = [f"{text} {place}" for place, text in enumerate((texts("eu") * 4)[:15000])]
    start = time.perf_counter()
    identifier.many(many)
    seconds = time.perf_counter() - start
    print(f"\n{len(many):,} answers in {seconds:.2f} s; ", end="")
    print(f"py3langid {importlib.metadata.version('py3langid')}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
