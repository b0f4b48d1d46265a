"""The base of row types: all that other rooms ask of rows without knowing their type.

A type is one class in one file of this folder; `ROW_TYPES` in that file lists an instance of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from ikusi.data.rows.columns import (
    KEYS,
    PROVENANCE,
    Column,
    Row,
    find_blank,
    find_key_fault,
    join_places,
)
from ikusi.data.rows.shape import Gold, Layout, Line
from ikusi.language.pack import LanguagePack


class RowType(ABC):
    """A type of rows.

    Attributes:
        name: its own, as in `corpus.json` and recipes.
        columns: those that its rows have beside their names and where a translation is from.
        layout: how its texts belong together.
        gold: what is right, if a model can be asked about its rows (`Asked`).
        prompts: key of the language packs' wordings of the request that its rows answer, where
            they hold none themselves.
        shared: columns of which all languages have the same value, so that none is translated.
        ways: the columns by which a table may give a row, in as many ways; empty: its own alone.
    """

    name: ClassVar[str]
    columns: ClassVar[tuple[Column, ...]]
    layout: ClassVar[Layout]
    gold: ClassVar[Gold | None] = None
    prompts: ClassVar[str | None] = None
    shared: ClassVar[frozenset[str]] = frozenset()
    ways: ClassVar[tuple[tuple[str, ...], ...]] = ()

    def requests(self, pack: LanguagePack) -> list[str]:
        """The wordings in which a language asks for what a row answers; none where a row asks."""
        return pack.prompts.get(self.prompts, []) if self.prompts else []

    @abstractmethod
    def texts(self, row: Row) -> list[str]:
        """The texts of a row in the order in which they are translated."""

    @abstractmethod
    def with_texts(self, table: pa.Table, texts: pa.ListArray) -> dict[str, Any]:
        """The type's own columns of a table with other texts, for each row as `texts` gives them.

        `texts` holds a list for each row: as many, and in the order, as the row's own are.
        """

    @abstractmethod
    def name_texts(self, texts: Sequence[str]) -> dict[str, str | list[str]]:
        """The texts of a row by what they are, as a JSON object; a list may be left out."""

    @abstractmethod
    def turns(self, row: Row, prompts: Sequence[str]) -> list[tuple[str, str]]:
        """A row as a conversation to train on: role and text of each turn.

        Args:
            row: its columns.
            prompts: wordings of the request that it answers, of which its id chooses one.

        Raises:
            InputError: there is no answer to learn, or no prompt where one is needed.
        """

    @abstractmethod
    def lines(self, row: Row) -> list[Line]:
        """The texts of a row, labelled for people."""

    def read(self, cells: Mapping[str, Any]) -> dict[str, Any]:
        """The columns of a row from a table's cells, which are its own or those of one of `ways`.

        Raises:
            InputError: a cell cannot be read.
        """
        return dict(cells)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the type's own columns."""
        return tuple(column.name for column in self.columns)

    @cached_property
    def schema(self) -> pa.Schema:
        """Columns of a text table: keys, the type's own, and where a translation comes from."""
        return pa.schema([*KEYS, *(column.field for column in self._checked.values())])

    @cached_property
    def _checked(self) -> dict[str, Column]:
        return {column.name: column for column in (*self.columns, *PROVENANCE)}

    def fault(self, row: Row) -> str | None:
        """Say what is wrong with a row: `column: expected X, found Y`; None if nothing is."""
        checked = self._checked
        for name in row:
            if name not in checked:
                return f"{name}: expected one of {', '.join(self.names)}, found {name}"
        for name in self.names:
            if name not in row:
                return f"{name}: expected a value, found none"
        for name, column in checked.items():
            if name in row and (problem := column.fault(row[name], row)):
                return f"{name}: {problem}"
        return None

    def faults(self, table: pa.Table) -> dict[int, str]:
        """Place in `table` -> what is wrong, for each bad row, in order.

        The rule is that for single rows. The table has the columns of the type, of their types
        (`parquet.open_table` sees to it).
        """
        columns = {name: _whole(table[name]) for name in table.column_names}
        own = [column for name, column in self._checked.items() if name in columns]
        suspects = [column.suspects(columns) for column in own]
        places = join_places([find_blank(columns["id"]).nonzero()[0], *suspects])
        problems: dict[int, str] = {}
        for place, row in zip(places, table.take(places).to_pylist(), strict=True):
            keys = (row.get(name) for name in ("id", "group", "task"))
            problem = find_key_fault(*keys) or self.fault({one.name: row[one.name] for one in own})
            if problem:
                problems[int(place)] = problem
        return problems

    def __str__(self) -> str:
        return self.name


class Asked(RowType):
    """A type of rows with a question, so that a model can be asked about them.

    Attributes:
        listed: the column of texts that belongs to the question, if there is one.
    """

    layout = Layout.QUESTION
    gold: ClassVar[Gold]
    listed: ClassVar[str | None] = None

    def question(self, row: Row) -> str:
        """The question."""
        return str(row["question"])

    def options(self, row: Row) -> tuple[str, ...]:
        """The options to choose from; empty where the answer is free."""
        return ()

    def right(self, row: Row) -> int:
        """Number of the right one of the options.

        Raises:
            LookupError: the type has no options.
        """
        raise LookupError(f"{self.name} rows have no options")

    def answers(self, row: Row) -> list[str]:
        """The answers that people gave, where there are no options; empty where there are none."""
        return []

    def texts(self, row: Row) -> list[str]:
        """The question, then the list."""
        return [row["question"], *(row[self.listed] if self.listed else ())]

    def with_texts(self, table: pa.Table, texts: pa.ListArray) -> dict[str, Any]:
        """The first text is the question, the others are the list."""
        columns = {"question": take_first(texts)}
        if self.listed:
            columns[self.listed] = pc.list_slice(texts, 1)
        return columns | {name: table[name] for name in self.shared}

    def name_texts(self, texts: Sequence[str]) -> dict[str, str | list[str]]:
        """The question, and the list if there is one."""
        question: dict[str, str | list[str]] = {"question": texts[0]}
        return {**question, self.listed: list(texts[1:])} if self.listed and texts[1:] else question


def take_first(texts: pa.ListArray) -> pa.Array:
    """The first of the texts of each row: list of texts [rows] -> texts [rows]."""
    return pc.list_element(texts, 0) if len(texts) else pa.array([], pa.string())


def _whole(column: pa.ChunkedArray) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
