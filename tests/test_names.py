"""Functions are named by verbs: what a name does is read off its first word."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]

VERBS = """
accepts add adopt align answer append apply ask assemble attend begin bind bound bring build cache
calibrate call chat check choose claim clean close collate collect compare compile complete compose
compute contains convert copy count create cross deal decide decode describe detokenise die display
divide draft draw drop embed encode end enter estimate evaluate examine exceeds exchange expect
explain export fetch fill find fingerprint fits flatten flush follow forget format forward gather
generalise generate group grow guard has hash heed hide hold holds import inspect instruct is join
judge keep label lay lead leave list listen load locate look main make mark measure meet mend merge
mix move name occurs open order outdate overlay pack pad pair parse pick pin place plan pool prefer
prepare print probe project publish push quote rank read recompute record refuse rehearse remove
render repeat replace report resample resize restore run sample save say schedule score select send
serve set settle share shorten show shut simulate speak spell split spool stack standardise start
step stop store strip suggest sum summarise tabulate take talk tidy to trace train translate try use
validate vary visit warn with withdraw without write
"""
"""With `main`, `to` for a conversion, and `with` and `without` for a copy that differs in this."""

NOUNS = {
    "statistics": {
        "bootstrap_interval", "bradley_terry", "equivalence", "holm", "mcnemar",
        "paired_difference", "sign_test", "standard_error", "wilson_interval",
    },
    "evaluate": {"coverage", "inclusion", "vqa_accuracy", "vqa_accuracy_normalised"},
    "compare": {
        "backbones", "forgetting", "judges", "low_share", "merging", "text_helps_sight",
        "text_loss",
    },
    "study": {"data", "features"},
    "cli": {"study", "tasks"},
}  # fmt: skip
"""Tests and figures of statistics, metrics, the paper's findings, steps of a study, commands."""


def listed(after: str) -> frozenset[str]:
    """The words that the glossary lists in the sentence that ends so."""
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    return frozenset(re.findall(r"`(\w+)`", text.partition(after)[2].partition(".")[0]))


NO_NAMES = listed("begins with one of these words:")
NO_WORDS = listed("has one of these words in its name:")
KEYS = {
    ("annotate/task.py", "said"),
    ("data/judged.py", "said"),
    ("evaluate/results.py", "language_told"),
}
"""Names that stand in files that users have: they stay."""
PLAIN = frozenset({"embed", "feed", "heed", "seed", "speed"})


parse = cache(ast.parse)


class Named(NamedTuple):
    place: str
    room: str
    name: str
    is_public_function: bool
    is_property: bool


def functions(source: str, place: str, room: str) -> Iterator[Named]:
    """Every function of a file, those in classes and in functions included."""

    def walk(node: ast.AST, at_top: bool) -> Iterator[Named]:
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from walk(child, at_top and isinstance(child, ast.If | ast.Try))
                continue
            decorators = [ast.unparse(each) for each in child.decorator_list]
            yield Named(
                f"{place}:{child.lineno}",
                room,
                child.name,
                at_top
                and not child.name.startswith("_")
                and not any(".command" in each for each in decorators),
                any("property" in each for each in decorators),
            )
            yield from walk(child, False)

    yield from walk(parse(source), True)


@cache
def of_the_package() -> list[Named]:
    top = ROOT / "src" / "ikusi"
    named: list[Named] = []
    for path in sorted(top.rglob("*.py")):
        place = path.relative_to(top)
        room = place.parts[0] if len(place.parts) > 1 else place.stem
        named += functions(path.read_text(encoding="utf-8"), str(place), room)
    return named


def words(name: str) -> list[str]:
    return name.strip("_").split("_")


def is_participle(name: str) -> bool:
    """Whether a name is one word that says what was done, as `opened`, or begins with one that is
    known to."""
    first = words(name)[0]
    alone = len(words(name)) == 1 and first.endswith("ed") and first not in PLAIN
    return alone or first in NO_NAMES


def without_verb(named: list[Named]) -> list[str]:
    return [
        f"{each.place} {each.name}"
        for each in named
        if each.is_public_function
        and words(each.name)[0] not in VERBS.split()
        and each.name not in NOUNS.get(each.room, ())
    ]


def participles(named: list[Named]) -> list[str]:
    return [
        f"{each.place} {each.name}"
        for each in named
        if is_participle(each.name) and not each.is_property
    ]


def bound_names(source: str) -> Iterator[tuple[int, str]]:
    """Every name that a file gives to something, with its line; functions are seen to above."""
    for node in ast.walk(parse(source)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(
            node, ast.alias | ast.ClassDef | ast.ExceptHandler | ast.MatchAs | ast.MatchStar
        ):
            name = node.asname if isinstance(node, ast.alias) else node.name
            if name:
                yield node.lineno, name


def split_name(name: str) -> list[str]:
    """The words of a name of any kind, in small letters.

    >>> split_name("MOST_TOLD"), split_name("_ToldRow"), split_name("language_told")
    (['most', 'told'], ['told', 'row'], ['language', 'told'])
    """
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def riddles(source: str) -> list[tuple[int, str]]:
    """Names of a file that do not say what they are, with their lines."""
    return [
        (line, name)
        for line, name in bound_names(source)
        if NO_WORDS.intersection(split_name(name))
    ]


@cache
def riddles_by_place() -> dict[str, list[tuple[int, str]]]:
    """Those of each Python file but the tests; places of the package begin in it."""
    top = ROOT / "src" / "ikusi"
    files = {path.relative_to(top).as_posix(): path for path in sorted(top.rglob("*.py"))}
    for folder in ("bench", "docs", "examples"):
        files |= {path.relative_to(ROOT).as_posix(): path for path in (ROOT / folder).glob("*.py")}
    return {place: riddles(path.read_text(encoding="utf-8")) for place, path in files.items()}


@pytest.mark.slow
def test_every_public_function_begins_with_a_verb() -> None:
    """Or is what the field calls it; methods may be nouns: what an object has."""
    assert without_verb(of_the_package()) == []


@pytest.mark.slow
def test_no_function_or_method_is_named_by_a_participle() -> None:
    assert participles(of_the_package()) == []


def test_the_glossary_has_the_words_that_begin_no_name() -> None:
    assert {"found", "lent", "reckoned", "said", "told"} <= NO_NAMES & NO_WORDS


@pytest.mark.slow
def test_every_name_says_what_it_is() -> None:
    """A message, a reason, rows, a match: `told` and `found` say none of that."""
    faults = [
        f"{place}:{line}: {name}"
        for place, names in riddles_by_place().items()
        for line, name in names
        if (place, name) not in KEYS
    ]
    assert not faults, f"names with a word of docs/glossary.md that says nothing: {faults}"


@pytest.mark.slow
def test_every_key_that_keeps_its_name_is_there() -> None:
    assert {(p, name) for p, names in riddles_by_place().items() for _, name in names} >= KEYS


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("told = []", True),
        ("for found in rows: ...", True),
        ("def read(said): ...", True),
        ("lambda *, tell: tell", True),
        ("class Told: ...", True),
        ("class Row:\n    said: str", True),
        ("self.told, other = 1, 2", True),
        ("with a as found_rows: ...", True),
        ("try: ...\nexcept E as told: ...", True),
        ("match a:\n    case [*_, b] as found: ...", True),
        ("from a import b as told", True),
        ("MOST_TOLD = 5", True),
        ("founder = untold = 1", False),
        ("error(found=value)", False),  # the house's word for what is not as expected
        ("row['said']", False),
    ],
)
def test_a_name_that_says_nothing_is_not_overlooked(source: str, fault: bool) -> None:
    assert bool(riddles(source)) == fault


@pytest.mark.slow
def test_every_verb_and_noun_of_the_lists_is_used() -> None:
    public = [each for each in of_the_package() if each.is_public_function]
    assert {words(each.name)[0] for each in public} >= set(VERBS.split())
    assert {each.name for each in public} >= set().union(*NOUNS.values())


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("def rows(): ...", True),
        ("def _rows(): ...", False),
        ("class Table:\n    def rows(self): ...", False),
        ("def read_rows(): ...", False),
        ("if True:\n    def rows(): ...", True),
        ("@app.command('list')\ndef rows(): ...", False),
    ],
)
def test_a_noun_is_no_name_of_a_public_function(source: str, fault: bool) -> None:
    assert bool(without_verb([*functions(source, "file.py", "data")])) == fault


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("def opened(): ...", True),
        ("def _told(): ...", True),
        ("class Table:\n    def kept_rows(self): ...", True),
        ("def read():\n    def fetched(): ...", True),
        ("class Table:\n    @property\n    def wanted(self): ...", False),
        ("def seed(): ...", False),
        ("def paired_difference(): ...", False),
    ],
)
def test_what_was_done_is_no_name_of_a_function(source: str, fault: bool) -> None:
    assert bool(participles([*functions(source, "file.py", "data")])) == fault
