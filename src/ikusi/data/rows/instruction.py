"""Instructions: conversations of a user and an assistant, in as many turns as they take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ikusi.data.rows import cells as cells_of
from ikusi.data.rows.base import RowType
from ikusi.data.rows.columns import (
    Column,
    Places,
    Row,
    Table,
    find_blank,
    is_text,
    measure_lengths,
    show_value,
)
from ikusi.data.rows.shape import Layout, Line

ROLES = ("system", "user", "assistant")
TURN = pa.struct([("role", pa.string()), ("content", pa.string())])
TALK = r"^(system\n)?user\nassistant(\nuser\nassistant)*$"  # others are looked at one by one


class Turns(Column):
    """Turns with role and text, the assistant's last."""

    type = pa.list_(TURN)

    def fault(self, value: Any, row: Row) -> str | None:
        """Find turns of others, turns that say nothing, and a wrong order."""
        if not isinstance(value, list) or not value:
            return f"expected a list of turns, found {show_value(value)}"
        for number, turn in enumerate(value):
            if problem := _turn_fault(number, turn):
                return problem
        if value[-1]["role"] != "assistant":
            return f"expected the assistant to have the last turn, found {value[-1]['role']}"
        first = next(turn["role"] for turn in value if turn["role"] != "system")
        if first != "user":
            return f"expected the user to have the first turn after any system's, found {first}"
        return None

    def suspects(self, table: Table) -> Places:
        """Find conversations that do not alternate user and assistant, or have a blank turn."""
        turns = table[self.name]
        flattened, rows = pc.list_flatten(turns), pc.list_parent_indices(turns).to_numpy()
        silent = find_blank(pc.struct_field(flattened, "content")) | flattened.is_null().to_numpy(
            zero_copy_only=False
        )
        offsets = pa.array(np.r_[0, np.cumsum(measure_lengths(turns))], pa.int32())
        roles = pa.ListArray.from_arrays(offsets, pc.struct_field(flattened, "role"))
        talk = pc.match_substring_regex(pc.binary_join(roles, "\n"), TALK)
        usual = pc.fill_null(talk, False).to_numpy(zero_copy_only=False)
        return np.concatenate([rows[silent], np.flatnonzero(~usual)])


def _turn_fault(number: int, turn: Any) -> str | None:
    if not isinstance(turn, Mapping) or set(turn) != {"role", "content"}:
        return f"expected turn {number} to have a role and content, found {show_value(turn)}"
    if turn["role"] not in ROLES:
        role = show_value(turn["role"])
        return f"expected turn {number} to be of {', '.join(ROLES)}, found {role}"
    if not is_text(turn["content"]) or not turn["content"].strip():
        return f"expected turn {number} to say something, found {show_value(turn['content'])}"
    return None


class Instructions(RowType):
    """Rows of one conversation each."""

    name = "instruction"
    columns = (Turns("turns"),)
    layout = Layout.TURNS
    ways = (("turns",), ("question", "answer"))

    def texts(self, row: Row) -> list[str]:
        """The contents of the turns, in order."""
        return [turn["content"] for turn in row["turns"]]

    def with_texts(self, table: pa.Table, texts: pa.ListArray) -> dict[str, Any]:
        """The same roles with other texts, turn by turn."""
        turns = table["turns"].combine_chunks()
        roles = turns.flatten().field("role")
        replaced = pa.StructArray.from_arrays([roles, texts.flatten()], ["role", "content"])
        counts = pc.list_value_length(turns).to_numpy(zero_copy_only=False)
        offsets = pa.array(np.r_[0, np.cumsum(counts)], pa.int32())
        return {"turns": pa.ListArray.from_arrays(offsets, replaced)}

    def name_texts(self, texts: Sequence[str]) -> dict[str, str | list[str]]:
        """The contents of the turns, in order, as `turns`."""
        return {"turns": list(texts)}

    def turns(self, row: Row, prompts: Sequence[str]) -> list[tuple[str, str]]:
        """The conversation as it is."""
        return [(turn["role"], turn["content"]) for turn in row["turns"]]

    def lines(self, row: Row) -> list[Line]:
        """The contents of the turns, labelled with their roles."""
        return [Line(turn["role"], turn["content"]) for turn in row["turns"]]

    def read(self, cells: Mapping[str, Any]) -> dict[str, Any]:
        """Turns in any of the usual forms, or a question and its answer."""
        if "turns" in cells:
            return {"turns": cells_of.read_turns(cells["turns"])[0]}
        return {"turns": exchange(cells["question"], cells["answer"])}


def exchange(question: str, answer: str) -> list[dict[str, str]]:
    """The turns of one question and its answer."""
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


ROW_TYPES = [Instructions()]
