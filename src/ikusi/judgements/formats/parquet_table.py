"""Parquet: a column per field, which `datasets`, pandas and others open as they are."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ikusi import disk
from ikusi.data.parquet import CHECKSUMS
from ikusi.data.sources import tables
from ikusi.judgements.judgement import FIELDS, Judgement

SUFFIX = ".parquet"
_NESTED = {
    "criteria": pa.list_(pa.struct([("name", pa.string()), ("verdict", pa.string())])),
    "correction": pa.list_(pa.struct([("name", pa.string()), ("text", pa.string())])),
}
_NUMBERS = {"weight": pa.float64(), "seconds": pa.float64(), "seed": pa.int64()}
_OTHERS = {"reasons": pa.list_(pa.string()), **_NUMBERS}
SCHEMA = pa.schema([(name, (_NESTED | _OTHERS).get(name, pa.string())) for name in FIELDS])


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file; what is null was not given."""
    for row in tables.read(str(path)):
        assert isinstance(row, dict)  # a damaged file is an error, not a bad line
        yield {name: _plain(name, value) for name, value in row.items() if value is not None}


def _plain(name: str, value: Any) -> Any:
    """A list of names and what belongs to each, as a mapping; Arrow's maps are lists of pairs."""
    if name not in _NESTED or not isinstance(value, list):
        return value
    pairs = [tuple(one.values()) if isinstance(one, Mapping) else one for one in value]
    return dict(pairs) if all(len(pair) == 2 for pair in pairs) else value


def write(judgements: Sequence[Judgement], path: Path) -> None:
    """Write a file."""
    columns = {name: [_cell(one, name) for one in judgements] for name in FIELDS}
    with disk.replace_file(path) as aside:
        pq.write_table(pa.table(columns, schema=SCHEMA), aside, **CHECKSUMS)


def _cell(one: Judgement, name: str) -> Any:
    value = getattr(one, name)
    if name not in _NESTED:
        return value
    keys = [field.name for field in _NESTED[name].value_type]
    return [dict(zip(keys, pair, strict=True)) for pair in value.items()]


def holds(judgement: Judgement) -> bool:
    """Whether there is a place for a judgement: for all."""
    return True
