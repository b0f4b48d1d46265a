"""The base of data sets to import: they give rows, bad rows, and rows left out on purpose."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ikusi import language
from ikusi.data.rows.cells import pick_value
from ikusi.data.sources.damage import BadLine
from ikusi.data.sources.pictures import Picture
from ikusi.data.sources.tables import Origin
from ikusi.errors import InputError
from ikusi.yamlfile import Section


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A row of a data set in the corpus format.

    Args:
        id: its name, which stays when the data set grows.
        picture: where its picture is; none for a row of text alone.
        texts: language -> the columns of the row's type (`ikusi.data.rows`).
        group: a part of the data set that is reported by itself.
        task: the kind of question.
        stratum: sampling takes the same number of rows from each stratum.
    """

    id: str
    picture: Picture | None
    texts: dict[str, dict[str, Any]]
    group: str | None = None
    task: str | None = None
    stratum: str = ""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be read, for the quarantine; the reason is `key: expected X, found Y`."""

    id: str
    reason: str
    row: Any


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A good row that is not wanted, by a rule of the data set; it is only counted."""

    reason: str


Item = SourceRow | BadRow | LeftOut


class NoOptions(Section):
    """The settings of a data set that has none."""


@dataclass(frozen=True)
class Source:
    """A data set that can be imported.

    Args:
        name: what it is asked for by.
        about: one line on what it holds.
        row_type: name of its rows' type (`ikusi.data.rows`).
        languages: of its rows, each row in all of them.
        licence: as its authors state it.
        pictures: the licence of its pictures, where that is another.
        home: its page.
        read: gives its rows in their order; called again, it gives them again.
        options: its own settings. A setting named `row_type` or `languages` stands before the
            argument of that name.
        remote: whether its pictures are behind URLs.
    """

    name: str
    about: str
    row_type: str
    languages: tuple[str, ...]
    licence: str
    home: str
    read: Callable[[Origin, Any], Iterator[Item]]
    options: type[Section] = NoOptions
    remote: bool = False
    pictures: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.about}"

    def shape(self, options: Section) -> tuple[str, list[str]]:
        """Row type and languages under these settings."""
        row_type: str = getattr(options, "row_type", self.row_type)
        return row_type, list(getattr(options, "languages", self.languages))


# What converting a row of the wrong types raises.
WRONG = (TypeError, ValueError, LookupError, AttributeError)


def convert_rows(
    rows: Iterable[dict[str, Any] | BadLine],
    convert: Callable[[dict[str, Any]], Item],
    id_column: str = "id",
) -> Iterator[Item]:
    """Convert a table's rows, one by one; what cannot be converted is a `BadRow`."""
    for number, row in enumerate(rows):
        if isinstance(row, BadLine):
            yield BadRow(f"row {number}", row.reason, row.text)
            continue
        try:
            yield convert(row)
        except InputError as error:
            yield BadRow(_name(row, id_column, number), str(error), row)
        except WRONG as error:
            problem = (
                f"row: expected the columns of its type, found {type(error).__name__}: {error}"
            )
            yield BadRow(_name(row, id_column, number), " ".join(problem.split()), row)


def _name(row: Mapping[str, Any], id_column: str, number: int) -> str:
    value = row.get(id_column)
    return f"row {number}" if value is None else str(value)


def read_id(row: Mapping[str, Any], column: str) -> str:
    """A row's name, which may have become a number on the way.

    Raises:
        InputError: it is absent, or of no kind that names a row.

    >>> read_id({"id": 33471.0}, "id")
    '33471'
    """
    value = pick_value(row, column)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InputError(f"{column}: expected text or a whole number, found {value!r:.80}")
    return str(value)


def make_id(*parts: str) -> str:
    """A name for a row that has none: 16 hex digits of the SHA-256 of what it says."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def find_yes_no(code: str) -> tuple[str, str]:
    """A language's words for yes and no, from its pack."""
    pack = language.load(code)
    return pack.yes, pack.no
