"""Bad rows among those of a table: the same rule as for single rows, at the speed of columns.

`schema.fault` alone says what a good row is. Here pyarrow picks out the rows that might be bad,
without missing one, and only those are put to it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ikusi.data.rows.schema import COLUMNS, KEYS, PROVENANCE, fault, key_fault

# Whatever `str.strip` leaves: RE2 knows fewer blanks than Python.
SIGN = (
    r"[^\t-\r\x1c-\x20\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}"
    r"\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]"
)
TALK = r"^(system\n)?user\nassistant(\nuser\nassistant)*$"  # others are looked at one by one

Places = np.ndarray


def faults(row_type: str, table: pa.Table) -> dict[int, str]:
    """Place in `table` -> what is wrong, for each bad row, in order.

    The table has the columns of the row type, of their types (`parquet.open_table` sees to it).
    """
    own = [field.name for field in (*COLUMNS[row_type], *PROVENANCE)]
    names = [name for name in own if name in table.column_names]
    found: dict[int, str] = {}
    places = _suspects(row_type, table)
    for place, row in zip(places, table.take(places).to_pylist(), strict=True):
        keys = (row.get(field.name) for field in KEYS if field.name != "image_id")
        problem = key_fault(*keys) or fault(row_type, {name: row[name] for name in names})
        if problem:
            found[int(place)] = problem
    return found


def _suspects(row_type: str, table: pa.Table) -> Places:
    """Places of all bad rows, and perhaps of some good ones, in order."""
    columns = {name: _whole(table[name]) for name in table.column_names}
    blank = [_blank(columns[name]) for name in ("id", "text", "question") if name in columns]
    found = [np.flatnonzero(truths) for truths in blank]
    if "answers" in columns:
        found += [_short(columns["answers"]), _blank_within(columns["answers"])]
    if row_type == "choice":
        found += [_blank_within(columns["choices"]), *_odd_choices(columns)]
    if row_type == "instruction":
        found += _odd_turns(columns["turns"])
    if "flags" in columns:
        found.append(_blank_within(columns["flags"]))
    return np.unique(np.concatenate(found)).astype(np.int64)


def _whole(column: pa.ChunkedArray) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _blank(texts: Any) -> np.ndarray:
    """Which texts are none or say nothing, bool [N]."""
    says = pc.fill_null(pc.match_substring_regex(texts, SIGN), False)
    return ~says.to_numpy(zero_copy_only=False)


def _blank_within(lists: Any) -> Places:
    """Rows whose list has a text that is none or says nothing."""
    rows = pc.list_parent_indices(lists).to_numpy()
    return rows[_blank(pc.list_flatten(lists))]


def _short(lists: Any) -> Places:
    """Rows whose list is none or empty."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0)
    return np.flatnonzero(lengths.to_numpy() == 0)


def _odd_choices(columns: dict[str, Any]) -> list[Places]:
    """Rows without choices, with an answer that is none of them, or with the same choice twice."""
    choices, answer = columns["choices"], columns["answer"]
    lengths = pc.fill_null(pc.list_value_length(choices), 0).to_numpy()
    index = pc.fill_null(answer, -1).to_numpy()
    odd = np.flatnonzero((lengths == 0) | (index < 0) | (index >= lengths))
    pairs = pa.table([pc.list_parent_indices(choices), pc.list_flatten(choices)], ["row", "text"])
    counted = pairs.group_by(["row", "text"], use_threads=False).aggregate([([], "count_all")])
    twice = pc.filter(counted["row"], pc.greater(counted["count_all"], 1))
    return [odd, twice.to_numpy()]


def _odd_turns(turns: Any) -> list[Places]:
    """Rows that are no plain talk of user and assistant, or in which someone says nothing."""
    said, rows = pc.list_flatten(turns), pc.list_parent_indices(turns).to_numpy()
    silent = _blank(pc.struct_field(said, "content")) | said.is_null().to_numpy(
        zero_copy_only=False
    )
    lengths = pc.fill_null(pc.list_value_length(turns), 0).to_numpy()
    offsets = pa.array(np.r_[0, np.cumsum(lengths)], pa.int32())
    roles = pa.ListArray.from_arrays(offsets, pc.struct_field(said, "role"))
    talk = pc.match_substring_regex(pc.binary_join(roles, "\n"), TALK)
    usual = pc.fill_null(talk, False).to_numpy(zero_copy_only=False)
    return [rows[silent], np.flatnonzero(~usual)]
