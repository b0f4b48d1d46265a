"""Effect of the check for untranslated rows on people's own translations.

    .venv/bin/python bench/translate_copies.py eu gl de ru

Reads the message catalogues of the programs installed here (/usr/share/locale). A row is a
message, as a caption, or a translated message and another one, as a question and its answer.
Printed are, for each language, how many rows are refused, flagged, and kept without a word: of
right rows, whose texts are the translators' own, all of them and those in which a text of three
words or more is rightly the same; and of rows that were left as they were, whole or in the answer
alone. `before` is the rule that refuses a row with any such text.
"""

from __future__ import annotations

import gettext
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from ikusi import language
from ikusi.data import rows as row_types
from ikusi.translate.checks import Checker
from ikusi.translate.contract import Row
from ikusi.translate.copies import FEW, is_copy
from ikusi.translate.settings import Checks

OTHERS = (
    *("language", "length_ratio", "repetition", "preserved", "options", "yes_no"),
    *("broken", "odd"),
)
Pair = tuple[list[str], list[str]]  # the texts of a row, and of its translation


def messages(code: str) -> list[tuple[str, str]]:
    """English messages and their translations, by the English."""
    translations: dict[str, str] = {}
    for path in sorted(Path("/usr/share/locale", code, "LC_MESSAGES").glob("*.mo")):
        try:
            with path.open("rb") as file:
                catalogue = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
        except (OSError, UnicodeDecodeError):  # some are not in the encoding that they state
            continue
        pairs = ((one, other) for one, other in catalogue.items() if one and other)
        translations |= {
            one: other for one, other in pairs if isinstance(one, str) and other.strip()
        }
    return sorted(translations.items())


def count(checker: Checker, rows: Iterable[Pair]) -> str:
    """Rows by what becomes of them, now and before."""
    counts: Counter[str] = Counter()
    for before, after in rows:
        counts["rows"] += 1
        verdict = checker(Row(0, "row", row_types.load("vqa"), before), after)
        kind = "refused" if verdict.refused else "flagged" if verdict.flags else "kept"
        counts[kind] += 1
        counts["before"] += any(map(is_copy, before, after))
    kinds = ", ".join(f"{counts[kind]:,} {kind}" for kind in ("refused", "flagged", "kept"))
    return f"{counts['rows']:7,} rows: {kinds} (before: {counts['before']:,} refused)"


def main(codes: Sequence[str]) -> None:
    """Print the figures of some languages."""
    packs = language.load("en"), language.load("eu")  # this check asks nothing of them
    checker = Checker(
        Checks.model_validate(dict.fromkeys(OTHERS, "off")), row_types.load("vqa"), *packs
    )
    for code in codes:
        pairs = messages(code)
        other = [pair for pair in pairs if pair[0].lower().split() != pair[1].lower().split()]
        long = [pair for pair in other if len(pair[0].split()) > FEW]
        same = [pair for pair in pairs if is_copy(*pair)]
        asked = [long[number % len(long)] for number in range(len(pairs))]  # the questions
        shapes: dict[str, list[Pair]] = {
            "right captions": [([one], [translated]) for one, translated in pairs],
            "right captions that are the same": [([one], [translated]) for one, translated in same],
            "right questions and answers": [
                ([q, one], [ask, translated])
                for (q, ask), (one, translated) in zip(asked, pairs, strict=True)
            ],
            "right answers that are the same": [
                ([q, one], [ask, translated])
                for (q, ask), (one, translated) in zip(asked, same, strict=False)
            ],
            "captions left": [([one], [one]) for one, _ in long],
            "questions and answers left": [
                ([q, one], [q, one]) for (q, _), (one, _) in zip(asked[1:], long, strict=False)
            ],
            "answers left": [
                ([q, one], [ask, one]) for (q, ask), (one, _) in zip(asked[1:], long, strict=False)
            ],
        }  # fmt: skip
        for shape, rows in shapes.items():
            print(f"{code} {shape:34} {count(checker, rows)}")


if __name__ == "__main__":
    main(sys.argv[1:] or ["eu"])
