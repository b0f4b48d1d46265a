"""One word for one thing: the glossary is kept by the pages."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GLOSSARY = ROOT / "docs" / "glossary.md"
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *(page for page in sorted((ROOT / "docs").rglob("*.md")) if page != GLOSSARY),
]
AVOIDED = "## Words that we avoid"


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def rows_of(text: str) -> list[tuple[str, str]]:
    """The cells of all two-column tables, without their heads."""
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", text, re.MULTILINE)
    return [row for row in rows if row not in (("term", "meaning"), ("not", "but"))]


def terms() -> list[str]:
    return [term for term, _ in rows_of(GLOSSARY.read_text(encoding="utf-8").split(AVOIDED)[0])]


def avoided() -> dict[str, re.Pattern[str]]:
    """What the glossary avoids, each as a pattern."""
    cells = [first for first, _ in rows_of(GLOSSARY.read_text(encoding="utf-8").split(AVOIDED)[1])]
    patterns = {}
    for word in (word for cell in cells for word in re.split(r", (?!between)", cell)):
        plain = word.removesuffix(", between two numbers")
        pattern = rf"\b{plain}\b" if plain == word else rf"\d ?%? {plain} (?:\d|guessing)"
        patterns[word] = re.compile(pattern, re.IGNORECASE)
    return patterns


def prose(page: Path) -> Iterator[tuple[int, str]]:
    """Lines of a page that people wrote, without code and what is made from elsewhere."""
    text = page.read_text(encoding="utf-8")

    def blank(match: re.Match[str]) -> str:
        return "\n" * match[0].count("\n")

    text = re.sub(r"<!-- generated: .*?<!-- end -->", blank, text, flags=re.DOTALL)
    text = re.sub(r"```.*?```", blank, text, flags=re.DOTALL)
    yield from enumerate(re.sub(r"`[^`\n]*`", "", text).splitlines(), start=1)


def faults(lines: Iterator[tuple[int, str]]) -> list[tuple[int, str]]:
    patterns = avoided()
    return [
        (number, word)
        for number, line in lines
        for word, pattern in patterns.items()
        if pattern.search(line)
    ]


def test_terms_are_in_no_table_twice() -> None:
    assert len(terms()) == len(set(terms())) > 40


def test_every_term_is_used_in_a_page() -> None:
    """In this form or as a plural."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    used = [term for term in terms() if re.search(rf"\b{term}(?:e?s)?\b", text, re.IGNORECASE)]
    assert used == terms()


def test_pages_use_no_word_that_the_glossary_avoids() -> None:
    assert {name(page): found for page in PAGES if (found := faults(prose(page)))} == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("20 % less 100 %, english", "less, between two numbers"),
        ("80 % less guessing", "less, between two numbers"),
        ("memory is reckoned first", "reckoned"),
        ("answers next to nothing", "next to nothing"),
        ("Models are Told so.", "told"),
    ],
)
def test_no_such_word_is_overlooked(line: str, word: str) -> None:
    assert faults(iter([(1, line)])) == [(1, word)]


def test_a_word_that_holds_another_is_no_fault() -> None:
    assert faults(iter([(1, "silent, untold; with less than 20 rows, 3 less")])) == []
