"""Print, as Markdown, what a drafted language pack lacks, language by language.

`python bench/pack_survey.py` drafts a pack for each language whose emoji CLDR names and counts what
is a sign because CLDR has no word for it. The first time, reading all of them takes minutes.
"""

import sys

from ikusi import language
from ikusi.errors import InputError
from ikusi.miniature.packages import read_members
from ikusi.miniature.words.cldr import load_locale
from ikusi.miniature.words.concepts import load_concepts, select_named
from ikusi.miniature.words.knowledge import load_countries, select_speakable
from ikusi.miniature.words.pack import SIGN, draft


def codes() -> list[str]:
    """The languages whose emoji are named; those of one country or script alone are left out."""
    paths = [
        path
        for path, _ in read_members(
            "cldr-annotations-full", lambda path: path.endswith("tions.json")
        )
    ]
    return sorted(code for path in paths if (code := path.split("/")[1]).isalpha())


def line(code: str) -> str:
    """One language: what its draft has words for, and what it has signs for."""
    pack = draft(code)
    sources = pack["sources"]
    signs = {key for key, source in sources.items() if source.startswith(SIGN)}
    words = [f"{len(select_named(load_concepts(), code))} of {len(load_concepts())}"]
    words += ["-" if key in signs else "yes" for key in ("yes", "and_word", "numbers")]
    coloured = sum(f"colours.{name}" not in signs for name in language.COLOURS)
    words += [f"{coloured} of {len(language.COLOURS)}", "-" if "categories" in signs else "yes"]
    words += [f"{len(select_speakable(code))} of {len(load_countries())}"]
    return f"| `{code}` | {pack['name']} | {' | '.join(words)} |"


def main() -> int:
    """Print the table."""
    print("| code | language | things | yes, no | and | numbers | colours | categories | facts |")
    print("|---|---|--:|---|---|---|--:|---|--:|")
    for code in codes():
        try:
            load_locale(code)
        except InputError:
            continue
        print(line(code), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
