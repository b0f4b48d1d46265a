"""A type of rows that Ikusi does not have: a question and two answers, one better than the other.

This file is all there is of it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ikusi.data.rows.base import Asked
from ikusi.data.rows.columns import Places, Row, Table, Text
from ikusi.data.rows.shape import Gold, Line


class Worse(Text):
    """The worse answer, which is not the better one."""

    def fault(self, value: Any, row: Row) -> str | None:
        if value == row["better"]:
            return "expected another answer than the better one, found the same"
        return super().fault(value, row)

    def suspects(self, table: Table) -> Places:
        same = pc.fill_null(pc.equal(table[self.name], table["better"]), False)
        return np.concatenate([super().suspects(table), np.flatnonzero(same)])


class Preferences(Asked):
    """Rows of a question, the better of two answers, and the worse."""

    name = "preference"
    columns = (Text("question"), Text("better"), Worse("worse"))
    gold = Gold.OPTION

    def texts(self, row: Row) -> list[str]:
        return [row[name] for name in self.names]

    def with_texts(self, table: pa.Table, texts: pa.ListArray) -> dict[str, Any]:
        return {name: pc.list_element(texts, place) for place, name in enumerate(self.names)}

    def name_texts(self, texts: Sequence[str]) -> dict[str, str | list[str]]:
        return dict(zip(self.names, texts, strict=False))

    def options(self, row: Row) -> tuple[str, ...]:
        return row["worse"], row["better"]

    def right(self, row: Row) -> int:
        return 1

    def turns(self, row: Row, prompts: Sequence[str]) -> list[tuple[str, str]]:
        return [("user", row["question"]), ("assistant", row["better"])]

    def lines(self, row: Row) -> list[Line]:
        return [Line(name, row[name], right=name == "better") for name in self.names]


ROW_TYPES = [Preferences()]
