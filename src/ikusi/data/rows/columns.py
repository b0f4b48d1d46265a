"""Columns of a row: what a good value is, alone and at the speed of a whole table.

`fault` alone says what a good value is. `suspects` picks out with pyarrow the rows of a table whose
value might be bad, without missing one, and only those are put to `fault`.
"""

from __future__ import annotations

import reprlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# Whatever `str.strip` leaves: RE2 knows fewer blanks than Python.
SIGN = (
    r"[^\t-\r\x1c-\x20\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}"
    r"\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]"
)

Row = Mapping[str, Any]
Table = Mapping[str, Any]
"""Column -> its Arrow array in one piece."""
Places = np.ndarray
"""Numbers of rows in a table, in any order."""


@dataclass(frozen=True)
class Column(ABC):
    """A column that rows of some type have.

    Attributes:
        name: its own.
        type: of its values.
    """

    name: str
    type: ClassVar[pa.DataType]

    @property
    def field(self) -> pa.Field:
        """Name and type, as Arrow has them."""
        return pa.field(self.name, self.type)

    @abstractmethod
    def fault(self, value: Any, row: Row) -> str | None:
        """Say what is wrong with a value: `expected X, found Y`; None if nothing is."""

    @abstractmethod
    def suspects(self, table: Table) -> Places:
        """Rows of all bad values, and perhaps of some good ones."""


class Text(Column):
    """A text that is not blank."""

    type = pa.string()

    def fault(self, value: Any, row: Row) -> str | None:
        """Find what is no text, or a blank one."""
        if is_text(value) and value.strip():
            return None
        return f"expected text, found {show_value(value)}"

    def suspects(self, table: Table) -> Places:
        """Find the blank ones."""
        return np.flatnonzero(find_blank(table[self.name]))


class Answers(Column):
    """The answers that people gave, in their order, the same answer perhaps several times."""

    type = pa.list_(pa.string())

    def fault(self, value: Any, row: Row) -> str | None:
        """Find what is no list of texts, or has a blank one first, which is trained on."""
        if problem := find_texts_fault(value):
            return problem
        if not value[0].strip():
            return f"expected the first answer to say something, found {show_value(value[0])}"
        return None

    def suspects(self, table: Table) -> Places:
        """Find lists that are none, empty, or with a blank text."""
        lists = table[self.name]
        return np.concatenate(
            [np.flatnonzero(measure_lengths(lists) == 0), find_blank_within(lists)]
        )


class Translator(Column):
    """The name of the translator of a row."""

    type = pa.string()

    def fault(self, value: Any, row: Row) -> str | None:
        """Find what is neither text nor nothing."""
        return (
            None if value is None or is_text(value) else f"expected text, found {show_value(value)}"
        )

    def suspects(self, table: Table) -> Places:
        """None: a column of texts holds no other."""
        return np.zeros(0, np.int64)


class Flags(Column):
    """The flags of a row: notes of checks that it needs a look."""

    type = pa.list_(pa.string())

    def fault(self, value: Any, row: Row) -> str | None:
        """Find what is no list of texts."""
        return None if value is None or value == [] else find_texts_fault(value)

    def suspects(self, table: Table) -> Places:
        """Find lists with a text that is none or blank."""
        return find_blank_within(table[self.name])


class Score(Column):
    """The score of a row: how sure its translator was."""

    type = pa.float64()

    def fault(self, value: Any, row: Row) -> str | None:
        """Find what is neither a number nor nothing."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is None or (number and isfinite(value)):
            return None
        return f"expected a number, found {show_value(value)}"

    def suspects(self, table: Table) -> Places:
        """Find numbers without end."""
        finite = pc.fill_null(pc.is_finite(table[self.name]), True)
        return np.flatnonzero(~finite.to_numpy(zero_copy_only=False))


KEYS = [
    pa.field("id", pa.string()),
    pa.field("image_id", pa.string()),
    pa.field("group", pa.string()),
    pa.field("task", pa.string()),
]
PROVENANCE = (Translator("translator"), Flags("flags"), Score("score"))
"""Columns of rows that were translated."""
OPTIONAL = frozenset({"image_id", "group", "task", *(column.name for column in PROVENANCE)})
"""Columns that a table of rows may lack, as its rows may have nothing there."""


def find_key_fault(id: Any, group: Any, task: Any) -> str | None:
    """Say what is wrong with a row's own names: `name: expected X, found Y`; None if nothing."""
    if not is_text(id) or not id:
        return f"id: expected text, found {show_value(id)}"
    for name, value in (("group", group), ("task", task)):
        if value is not None and not is_text(value):
            return f"{name}: expected text or nothing, found {show_value(value)}"
    return None


def find_texts_fault(value: Any) -> str | None:
    """Say what is wrong with a list of texts, of which there must be one."""
    if isinstance(value, list) and value and all(is_text(item) for item in value):
        return None
    return f"expected a list of texts, found {show_value(value)}"


def is_text(value: Any) -> bool:
    """Whether a value is text that can be stored: half of a surrogate pair cannot."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def show_value(value: Any) -> str:
    """A value in a message: on one line, and short."""
    return " ".join(_short.repr(value).split())


_short = reprlib.Repr()
_short.maxstring = _short.maxother = 80


def find_blank(texts: Any) -> np.ndarray:
    """Mask of the texts that are missing or blank, bool [N]."""
    visible = pc.fill_null(pc.match_substring_regex(texts, SIGN), False)
    return ~visible.to_numpy(zero_copy_only=False)


def find_blank_within(lists: Any) -> Places:
    """Rows whose list has a text that is missing or blank."""
    rows = pc.list_parent_indices(lists).to_numpy()
    return rows[find_blank(pc.list_flatten(lists))]


def measure_lengths(lists: Any) -> np.ndarray:
    """Length of each list, 0 where there is none, int [N]."""
    return pc.fill_null(pc.list_value_length(lists), 0).to_numpy()


def join_places(places: Iterable[Places]) -> Places:
    """Each row once, in order."""
    return np.unique(np.concatenate(list(places))).astype(np.int64)
