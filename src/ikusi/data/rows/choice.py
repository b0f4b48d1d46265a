"""Questions with several choices, of which one is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ikusi.data.rows import cells as cells_of
from ikusi.data.rows.base import Asked
from ikusi.data.rows.columns import (
    Column,
    Places,
    Row,
    Table,
    Text,
    find_blank_within,
    find_texts_fault,
    measure_lengths,
    show_value,
)
from ikusi.data.rows.shape import Gold, Line


class Options(Column):
    """Different texts, none of them blank."""

    type = pa.list_(pa.string())

    def fault(self, value: Any, row: Row) -> str | None:
        """Find what is no list of different texts, or has a blank one."""
        if problem := find_texts_fault(value):
            return problem
        if not all(item.strip() for item in value):
            return f"expected every choice to say something, found {show_value(value)}"
        if len(set(value)) < len(value):
            return f"expected different choices, found {show_value(value)}"
        return None

    def suspects(self, table: Table) -> Places:
        """Find lists that are none, empty, with a blank text, or with the same text twice."""
        lists = table[self.name]
        pairs = pa.table([pc.list_parent_indices(lists), pc.list_flatten(lists)], ["row", "text"])
        counted = pairs.group_by(["row", "text"], use_threads=False).aggregate([([], "count_all")])
        twice = pc.filter(counted["row"], pc.greater(counted["count_all"], 1)).to_numpy()
        return np.concatenate(
            [np.flatnonzero(measure_lengths(lists) == 0), find_blank_within(lists), twice]
        )


class RightOption(Column):
    """Number of the right one of a row's `choices`, from 0."""

    type = pa.int32()

    def fault(self, value: Any, row: Row) -> str | None:
        """Find what is no number, or one of none of the choices."""
        count = len(row["choices"])
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < count:
            return None
        return f"expected a number from 0 to {count - 1}, found {show_value(value)}"

    def suspects(self, table: Table) -> Places:
        """Find numbers of none of the choices."""
        numbers = pc.fill_null(table[self.name], -1).to_numpy()
        return np.flatnonzero((numbers < 0) | (numbers >= measure_lengths(table["choices"])))


class Choices(Asked):
    """Rows of a question, its choices, and which of them is right."""

    name = "choice"
    columns = (Text("question"), Options("choices"), RightOption("answer"))
    gold = Gold.OPTION
    listed = "choices"
    shared = frozenset({"answer"})

    def options(self, row: Row) -> tuple[str, ...]:
        """The choices."""
        return tuple(row["choices"])

    def right(self, row: Row) -> int:
        """Number of the right choice."""
        return int(row["answer"])

    def turns(self, row: Row, prompts: Sequence[str]) -> list[tuple[str, str]]:
        """The question and the right choice."""
        return [("user", row["question"]), ("assistant", row["choices"][row["answer"]])]

    def lines(self, row: Row) -> list[Line]:
        """The question and the numbered choices."""
        choices = (
            Line(f"choice {place + 1}", text, right=place == row["answer"])
            for place, text in enumerate(row["choices"])
        )
        return [Line("question", row["question"]), *choices]

    def read(self, cells: Mapping[str, Any]) -> dict[str, Any]:
        """Choices and number in any of the forms that tables have them in."""
        choices = cells_of.read_texts(cells["choices"], "choices")
        return {
            **cells,
            "choices": choices,
            "answer": cells_of.read_whole(cells["answer"], "answer"),
        }


ROW_TYPES = [Choices()]
