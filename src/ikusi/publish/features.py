"""Descriptions of a table's columns, as the `datasets` library and the hub's viewer read them.

A Parquet file that the `datasets` library has written has them in its schema, under `huggingface`.
Without them a picture is a pair of bytes and a name, and is shown as such.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from ikusi.data.released import SHOWN


def describe_features(schema: pa.Schema) -> pa.Schema:
    """A schema that also says which of its columns are pictures."""
    features = {field.name: _describe(field.type) for field in schema}
    described = json.dumps({"info": {"features": features}})
    return schema.with_metadata({"huggingface": described})


def _describe(kind: pa.DataType) -> dict[str, Any]:
    if kind == SHOWN:
        return {"_type": "Image"}
    if pa.types.is_list(kind):
        return {"feature": _describe(kind.value_type), "_type": "List"}
    if pa.types.is_struct(kind):
        return {field.name: _describe(field.type) for field in _fields(kind)}
    return {"dtype": "float64" if kind == pa.float64() else str(kind), "_type": "Value"}


def list_leaves(schema: pa.Schema) -> list[str]:
    """The columns that Parquet keeps: texts, numbers and pictures, not the lists they are in.

    >>> list_leaves(pa.schema([("id", pa.string()), ("answers", pa.list_(pa.string()))]))
    ['id', 'answers.list.element']
    """
    return [path for field in schema for path in _leaves(field.name, field.type)]


def _leaves(path: str, kind: pa.DataType) -> Iterator[str]:
    if pa.types.is_list(kind):
        yield from _leaves(f"{path}.list.element", kind.value_type)
    elif pa.types.is_struct(kind):
        for field in _fields(kind):
            yield from _leaves(f"{path}.{field.name}", field.type)
    else:
        yield path


def _fields(kind: pa.StructType) -> list[pa.Field]:
    return [kind.field(place) for place in range(kind.num_fields)]
