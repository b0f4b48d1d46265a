"""One word for one thing: the glossary is kept by the pages, the code and what it prints."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GLOSSARY = ROOT / "docs" / "glossary.md"
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *(page for page in sorted((ROOT / "docs").rglob("*.md")) if page != GLOSSARY),
]
AVOIDED = "## Words that we avoid"
CLAUSES = ("What", "Which", "How", "Where", "Why", "Who")
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
CODE = [
    path
    for folder in ("src", "bench", "examples", "docs")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "shared" not in path.parts
]
TESTS = [ROOT / "conftest.py", *sorted((ROOT / "tests").rglob("*.py"))]

WORDS_OF_PAGES = {"languages", "prompts", "tasks", "texts"}  # in several languages, to people
OTHERS = [
    path
    for folder in ("src", "recipes")
    for ending in ("*.j2", "*.yaml")
    for path in sorted((ROOT / folder).rglob(ending))
    if WORDS_OF_PAGES.isdisjoint(path.parts)
]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def rows_of(text: str) -> list[tuple[str, str]]:
    """The cells of all two-column tables, without their heads."""
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", text, re.MULTILINE)
    return [row for row in rows if row not in (("term", "meaning"), ("not", "but"))]


def terms() -> list[str]:
    return [term for term, _ in rows_of(GLOSSARY.read_text(encoding="utf-8").split(AVOIDED)[0])]


def avoided() -> dict[str, re.Pattern[str]]:
    """The words that the glossary avoids, each as a pattern."""
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


def texts_of(source: str) -> Iterator[tuple[int, str]]:
    """Lines of a Python file that people read: docstrings, comments, texts of several words such as
    help, messages and log lines; `0` stands for what is filled in, names in backticks are left out.
    """
    inner = set[ast.AST]()
    for node in ast.walk(ast.parse(source)):
        parts = [node]
        if isinstance(node, ast.JoinedStr):
            parts = list(node.values)
            inner.update(parts)
        elif node in inner:
            continue
        text = "".join(str(part.value) if isinstance(part, ast.Constant) else "0" for part in parts)
        if isinstance(node, ast.JoinedStr | ast.Constant) and " " in text.strip():
            for number, line in enumerate(text.splitlines()):
                yield node.lineno + number, re.sub(r"`[^`\n]*`", "", line)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], re.sub(r"`[^`]*`", "", token.string)


def faults(lines: Iterator[tuple[int, str]]) -> list[tuple[int, str]]:
    patterns = avoided()
    return [
        (number, word)
        for number, line in lines
        for word, pattern in patterns.items()
        if pattern.search(line)
    ]


def clauses(source: str) -> list[tuple[int, str]]:
    """Line and beginning of each docstring that does not begin with the thing or the action."""
    return [
        (getattr(node, "lineno", 1), text.splitlines()[0])
        for node in ast.walk(ast.parse(source))
        if isinstance(node, DOCUMENTED)
        and (text := ast.get_docstring(node))
        and text.split()[0].strip(",:") in CLAUSES
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


def test_code_uses_no_word_that_the_glossary_avoids() -> None:
    """In docstrings, comments, help and messages; only files that hold such a word are parsed."""
    words = "|".join(re.escape(word.split(",")[0]) for word in avoided())
    mentions = re.compile(rf"\b(?:{words})\b", re.IGNORECASE)
    sources = {name(path): path.read_text(encoding="utf-8") for path in CODE}
    assert {
        place: fault
        for place, source in sources.items()
        if mentions.search(source) and (fault := faults(texts_of(source)))
    } == {}


def test_docstrings_begin_with_the_thing_or_the_action() -> None:
    """Only files with a text that begins otherwise are parsed."""
    begins = re.compile(rf'"""\s*(?:{"|".join(CLAUSES)})\b')
    sources = {name(path): path.read_text(encoding="utf-8") for path in [*CODE, *TESTS]}
    assert {
        place: found
        for place, source in sources.items()
        if begins.search(source) and (found := clauses(source))
    } == {}


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ('"""What a file holds."""', True),
        ('class Row:\n    """Which rows are read."""', True),
        ('class Row:\n    async def size(self):\n        """How large it is."""', True),
        ('def read():\n    """\n    Where it is."""', True),
        ('def read():\n    """Read what a file holds."""', False),
        ('def whole():\n    """Whether it is whole."""', False),
        ('RATE = 1\n"""What is earned an hour."""', False),  # of a constant, which is named above
    ],
)
def test_no_docstring_that_begins_otherwise_is_overlooked(source: str, fault: bool) -> None:
    assert bool(clauses(source)) == fault


def test_templates_and_settings_use_no_word_that_the_glossary_avoids() -> None:
    lines = {path: enumerate(path.read_text(encoding="utf-8").splitlines(), 1) for path in OTHERS}
    assert len(lines) > 50
    assert {name(path): found for path, own in lines.items() if (found := faults(iter(own)))} == {}


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ('"""It tells what it is."""', True),
        ('def read():\n    """Read.\n\n    What is told is read."""', True),
        ("x = 1  # as it was told", True),
        ('option(help="Only tell where it stands.")', True),
        ('raise InputError(f"{path}: nobody said {what}")', True),
        ('f"{low} % less {high} %"', True),
        ('row["told"]', False),
        ('"""The key `told` of a file."""', False),
        ("told = 1", False),
    ],
)
def test_no_such_word_in_code_is_overlooked(source: str, fault: bool) -> None:
    assert bool(faults(texts_of(source))) == fault


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
