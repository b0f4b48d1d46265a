"""CSV: a column per field, and per `criteria.NAME` and `correction.NAME`; `;` between reasons."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ikusi import disk
from ikusi.data.sources import tables
from ikusi.data.sources.tables import BadLine
from ikusi.judgements.judgement import FIELDS, Judgement

SUFFIX = ".csv"
_NESTED = ("criteria", "correction")
_NUMBERS = {"weight": float, "seconds": float, "seed": int}


def read(path: Path) -> Iterator[dict[str, Any] | BadLine]:
    """Yield the rows of a file; an empty cell is nothing."""
    for row in tables.read(str(path)):
        yield row if isinstance(row, BadLine) else _fields(row)


def _fields(row: dict[str, str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for column, cell in row.items():
        name, _, key = column.partition(".")
        if not cell:
            continue
        if name in _NESTED and key:
            fields.setdefault(name, {})[key] = cell
        elif column == "reasons":
            fields[column] = cell.split(";")
        else:
            fields[column] = _number(cell, _NUMBERS[column]) if column in _NUMBERS else cell
    return fields


def _number(cell: str, kind: type) -> Any:
    """The number that a cell spells; what spells none is reported when the row is checked."""
    try:
        return kind(cell)
    except ValueError:
        return cell


def write(judgements: Sequence[Judgement], path: Path) -> None:
    """Write a file."""
    nested = {name: dict[str, None]() for name in _NESTED}
    for one in judgements:
        for name, keys in nested.items():
            keys |= dict.fromkeys(getattr(one, name))
    columns: list[str] = []
    for name in FIELDS:
        columns += [f"{name}.{key}" for key in nested[name]] if name in nested else [name]
    with disk.replace_file(path) as aside, aside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(_cells, judgements))


def _cells(one: Judgement) -> dict[str, Any]:
    cells = one.model_dump(exclude=set(_NESTED))
    cells["reasons"] = ";".join(one.reasons)
    for name in _NESTED:
        cells |= {f"{name}.{key}": value for key, value in getattr(one, name).items()}
    return cells


def holds(judgement: Judgement) -> bool:
    """Whether there is a place for a judgement: for all."""
    return True
