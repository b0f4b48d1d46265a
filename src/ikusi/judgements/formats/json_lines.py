"""JSON lines: a judgement each, as the table itself has them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ikusi import disk
from ikusi.data.sources import tables
from ikusi.data.sources.tables import BadLine
from ikusi.judgements.judgement import Judgement

SUFFIX = ".jsonl"


def read(path: Path) -> Iterator[dict[str, Any] | BadLine]:
    """Yield the rows of a file; what is null was not given."""
    for row in tables.read(str(path)):
        if isinstance(row, dict):
            row = {name: value for name, value in row.items() if value is not None}
        yield row


def write(judgements: Sequence[Judgement], path: Path) -> None:
    """Write a file."""
    disk.write_text(path, "".join(f"{one.to_json()}\n" for one in judgements))


def holds(judgement: Judgement) -> bool:
    """Whether there is a place for a judgement: for all."""
    return True
