"""Files that judgements come from and go to, one module per format.

A module has `read`, which yields rows with the fields of a `Judgement` (or a `BadLine`, or None for
an item without a judgement), and `write`.
"""

from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from ikusi.data.sources.tables import BadLine
from ikusi.errors import InputError
from ikusi.judgements.judgement import Judgement
from ikusi.yamlfile import suggest

Read = dict[str, Any] | BadLine | None


class Format(Protocol):
    """The interface of a format's module; `SUFFIX` is the ending of its files."""

    SUFFIX: str

    def read(self, path: Path) -> Iterator[Read]:
        """Yield the judgements of a file, unchecked."""

    def write(self, judgements: Sequence[Judgement], path: Path) -> None:
        """Write judgements to a new file."""

    def holds(self, judgement: Judgement) -> bool:
        """Whether the format has a place for a judgement."""


FORMATS = {
    "csv": "csv_table",
    "jsonl": "json_lines",
    "parquet": "parquet_table",
    "label-studio": "label_studio",
    "arena": "arena",
}
KEEP_ALL = ("csv", "jsonl", "parquet")
"""Formats of ours: these keep every row, also those that a later one replaced."""

_ENDINGS = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet", ".json": "label-studio"}


def find(name: str) -> Format:
    """The module of a format.

    Raises:
        InputError: there is none of that name.
    """
    if name not in FORMATS:
        near = suggest(name, FORMATS)
        hint = f" (did you mean {near}?)" if near else ""
        raise InputError(f"format: expected {' or '.join(FORMATS)}, found {name}{hint}")
    module: Any = import_module(f"{__name__}.{FORMATS[name]}")
    return module


def pick_format(path: Path) -> str:
    """The format that the ending of a file's name stands for.

    Raises:
        InputError: it stands for none.
    """
    if path.suffix.lower() not in _ENDINGS:
        known = ", ".join(_ENDINGS)
        raise InputError(
            f"{path}: expected --format, or a name that ends in {known}, found neither"
        )
    return _ENDINGS[path.suffix.lower()]
