"""A project of annotation on disk: what each person is asked, frozen once it is made.

A folder that needs nothing beside it: `project.json` says what it is about, `items.jsonl` has an
item a line, `turns.jsonl` who is asked about which of them, in order, `pictures/` the pictures as
they were, and `links.json` a secret word for each seat, which only its owner may read. The answers
are kept beside these, in a file of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, ValidationError

from ikusi import jsonfile
from ikusi.content import expect_plain
from ikusi.errors import InputError
from ikusi.judgements.judgement import Word, explain
from ikusi.recipe.values import NAME, is_name, make_error
from ikusi.yamlfile import Section

KIND = "annotation"
ABOUT, ITEMS, TURNS, LINKS, PICTURES = (
    *("project.json", "items.jsonl", "turns.jsonl", "links.json"),
    "pictures",
)
SMALL = "small"  # the folder of pictures as pages show them
OWN = "own"
"""The task whose items people give themselves."""
ADMIN = "admin"
"""Whose link leads to the page for who runs the project."""

Line = TypeVar("Line", bound=Section)


def _file_name(value: str) -> str:
    if value and not is_name(value):
        raise make_error(NAME)
    return value


class Item(Section):
    """An item that people are asked about: a row of a corpus or benchmark.

    ``picture`` is the name of its file in `pictures/`, empty without one. ``texts`` are in the
    language that is judged, ``source`` in that they were translated from, by the same names where
    there are as many; ``right`` names the right ones of them. ``answers`` has what models said.
    ``weight`` is one over the probability with which it was drawn, scaled to a mean of 1.
    """

    id: Word
    picture: Annotated[str, AfterValidator(_file_name)] = ""
    texts: dict[str, str]
    source: dict[str, str] = Field(default_factory=dict)
    right: tuple[str, ...] = ()
    answers: dict[str, str] = Field(default_factory=dict)
    flags: tuple[str, ...] = ()
    stratum: str = ""
    weight: Annotated[float, Field(gt=0)] = 1.0


class Turn(Section):
    """An item in front of one person; in comparisons with the model whose answer stands first."""

    item: str
    left: str = ""
    right: str = ""
    shared: bool = False


class Asked(Turn):
    """A line of `turns.jsonl`."""

    seat: str


@dataclass(frozen=True)
class Seat:
    """A person's place: a code name, and what they are asked, in order."""

    code: str
    turns: tuple[Turn, ...]


class About(Section):
    """The content of `project.json`.

    ``origin`` names what the items are from, by kind of input; ``content`` names what that held;
    ``settings`` has how the items were drawn, and ``shows`` what their number can show.
    """

    task: str
    benchmark: Word
    language: Word
    source_language: str = ""
    seed: int
    seats: tuple[str, ...]
    origin: dict[str, str]
    content: str
    settings: dict[str, Any] = Field(default_factory=dict)
    shows: dict[str, Any] = Field(default_factory=dict)
    made: str


@dataclass(frozen=True)
class Project:
    """A project, read whole. ``items`` are by id."""

    folder: Path
    about: About
    items: Mapping[str, Item]
    seats: tuple[Seat, ...]
    by_code: Mapping[str, Seat] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_code", {seat.code: seat for seat in self.seats})

    @property
    def task(self) -> str:
        """The name of the task that people do: `validate`, `compare`, `select` or `own`."""
        return self.about.task

    @property
    def benchmark(self) -> str:
        """Name of what the items are from, as judgements have it."""
        return self.about.benchmark

    @property
    def language(self) -> str:
        """The language that is judged."""
        return self.about.language

    @property
    def source_language(self) -> str:
        """The language beside it; empty where there is none."""
        return self.about.source_language

    @property
    def seed(self) -> int:
        """Seed of the choice of items, order and sides."""
        return self.about.seed

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings by which the items were drawn."""
        return self.about.settings

    def picture(self, item: Item) -> Path | None:
        """The path of an item's picture; None where it has none."""
        return self.folder / PICTURES / item.picture if item.picture else None


def make_link(word: str) -> str:
    """The path that a secret word is opened by, wherever the project is served.

    >>> make_link("6fMGw1")
    '/to/6fMGw1'
    """
    return f"/to/{word}"


def read_links(folder: Path) -> dict[str, str]:
    """The seat that each secret word leads to; `admin` is who runs the project.

    Raises:
        InputError: the file is absent or damaged.
    """
    return jsonfile.read(Path(folder) / LINKS, dict[str, str], "the links of a project")


def read(folder: Path) -> Project:
    """Read a project.

    Raises:
        InputError: it is no project, or a file of it is lost or damaged.
    """
    folder = Path(folder)
    if not (folder / ABOUT).is_file():
        raise InputError(f"{folder}: expected a project of annotation, found no {ABOUT} in it")
    about = _parse(About, _bytes(folder / ABOUT), str(folder / ABOUT))
    items: dict[str, Item] = {}
    for place, item in _lines(folder / ITEMS, Item):
        if item.id in items:
            raise InputError(f"{place}: id: expected a new one, found {item.id} twice")
        items[item.id] = item
    project = Project(folder, about, items, _seats(folder / TURNS, about, items))
    expect_pictures(project)
    return project


def _seats(path: Path, about: About, items: Mapping[str, Item]) -> tuple[Seat, ...]:
    turns: dict[str, dict[str, Turn]] = {code: {} for code in about.seats}
    for place, asked in _lines(path, Asked):
        if asked.seat not in turns:
            offered = ", ".join(about.seats)
            raise InputError(f"{place}: seat: expected one of {offered}, found {asked.seat}")
        if asked.item not in items or asked.item in turns[asked.seat]:
            actual = f"{asked.item}{' twice' if asked.item in items else ''}"
            raise InputError(f"{place}: item: expected an item of {ITEMS}, found {actual}")
        answers = items[asked.item].answers
        for side in (asked.left, asked.right):
            if (side or answers) and side not in answers:
                offered = ", ".join(answers) or "no model"
                raise InputError(
                    f"{place}: expected an answer of {offered}, found {side or 'none'}"
                )
        turn = Turn(item=asked.item, left=asked.left, right=asked.right, shared=asked.shared)
        turns[asked.seat][asked.item] = turn
    return tuple(Seat(code, tuple(own.values())) for code, own in turns.items())


def expect_pictures(project: Project) -> None:
    """Expect every item's picture to be there.

    Raises:
        InputError: one is lost.
    """
    for item in project.items.values():
        path = project.picture(item)
        if path is not None and not path.is_file():
            raise InputError(f"{path}: expected the picture of item {item.id}, found none")


def _lines(path: Path, shape: type[Line]) -> Iterable[tuple[str, Line]]:
    for number, line in enumerate(_bytes(path).splitlines(), 1):
        place = f"{path}:{number}"
        yield place, _parse(shape, line, place)


def _parse(shape: type[Line], data: bytes, place: str) -> Line:
    try:
        return shape.model_validate_json(data)
    except ValidationError as problem:
        raise explain(problem, {}, place, tuple(shape.model_fields)) from None


def _bytes(path: Path) -> bytes:
    expect_plain(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: expected a file of a project, found {error.strerror}") from None
