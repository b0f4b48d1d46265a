"""Files that are damaged: what can be read of them is read, and what cannot be becomes a
`BadLine`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class BadLine:
    """A part of a file that is no row: a line, or what cannot be read."""

    text: str
    reason: str


def is_damage(name: str, error: Exception) -> bool:
    """Whether an error is about what a file on this machine holds.

    What a disk, the memory or the network says may pass, and then all of the file can be read: such
    an error must end an import, not thin it out.
    """
    may_pass = isinstance(error, MemoryError) or getattr(error, "errno", None) is not None
    return Path(name).is_file() and not may_pass


def describe_error(error: Exception) -> str:
    """An error in one short line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
