"""Refuse a release with secrets, places on the machine where it was made, or people's names.

Only what a text looks like can be seen here; a person still has to look.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from ikusi.data.parquet import guard_reading
from ikusi.errors import InputError

LARGEST = 64 * 2**20
"""Bytes of a file that is still read as text; weights are not text."""

DESCRIBING = ("source", "translator", "group", "task", "failure")
"""Columns of tables that Ikusi writes about rows and pictures. What rows themselves say is not
searched: it may be about anybody, and about keys and folders too."""

_BINARY = b"\0"
_SECRETS = {
    "a token of the hub": r"\bhf_[A-Za-z0-9]{16,}",
    "a key of an API": r"\b(?:sk|pk|rk)-[A-Za-z0-9_-]{20,}|\bAKIA[0-9A-Z]{16}\b|\bAIza[\w-]{35}\b",
    "a token of a code host": r"\bgh[pousr]_[A-Za-z0-9]{30,}|\bglpat-[\w-]{20,}",
    "a token of a chat": r"\bxox[abprs]-[A-Za-z0-9-]{10,}",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "a password in an address": r"(?<=://)[^\s/@:]+:[^\s/@]+@",
    "a bearer's token": r"(?<=[Bb]earer )[A-Za-z0-9._~+/-]{16,}",
}
_PLACES = (
    r"(?<![\w.:/<~-])/(?:home|Users|root|tmp|mnt|media|scratch|work|data|srv|opt|var|private|"
    r"gpfs\w*|lustre|gscratch|nfs|export|Volumes|ssd|nvme)/[^\s\"'`)\],;]+"
    r"|\b[A-Za-z]:\\+[\w.-]+"
)
_MISSING = r"\[?More Information Needed\]?"


@dataclass(frozen=True)
class Fault:
    """Something that must not leave the machine: what it is, and the line where it stands."""

    what: str
    line: int

    def describe(self, file: Path | str) -> str:
        """The fault in one line, without what it found: that may be a secret."""
        return f"{file}:{self.line}: expected nothing private, found {self.what}"


def list_faults(text: str, names: Collection[str] = ()) -> Iterator[Fault]:
    """Secrets, paths and names in a text, line by line.

    Args:
        text: of a file, or of a card.
        names: of people who are known to have taken part.
    """
    patterns = {**_SECRETS, "a path of the machine where it was made": _PLACES}
    patterns["a part of a card that was left open"] = _MISSING
    # Secrets that go over lines do not exist, but lines without end do.
    compiled = [(what, re.compile(pattern)) for what, pattern in patterns.items()]
    if people := [re.escape(name) for name in names if len(name) > 1]:
        pattern = rf"(?<!\w)(?:{'|'.join(people)})(?!\w)"
        compiled.append(("the name of a person who took part", re.compile(pattern)))
    for number, line in enumerate(text.splitlines(), start=1):
        for what, forbidden in compiled:
            if forbidden.search(line):
                yield Fault(what, number)


def check_text(text: str, file: Path | str, names: Collection[str] = ()) -> None:
    """Refuse a text with secrets, paths or names in it.

    Raises:
        InputError: the first fault, with its line.
    """
    for fault in list_faults(text, names):
        raise InputError(fault.describe(file))


def check_folder(folder: Path, names: Collection[str] = ()) -> None:
    """Refuse a folder with secrets, paths or names in a file of text, or in what a table says of
    rows.

    Raises:
        InputError: the first fault, with file and line, or file and column.
    """
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        if file.suffix == ".parquet":
            _check_table(file, file.relative_to(folder), names)
            continue
        text = _read_text(file)
        if text is not None:
            check_text(text, file.relative_to(folder), names)


def _check_table(path: Path, shown: Path, names: Collection[str]) -> None:
    with guard_reading(path), pq.ParquetFile(path) as file:
        columns = [name for name in DESCRIBING if name in file.schema_arrow.names]
        for number in range(file.num_row_groups if columns else 0):
            table = file.read_row_group(number, columns)
            for name in columns:
                texts = (str(one) for one in pc.unique(table[name]).to_pylist() if one)
                for fault in list_faults("\n".join(texts), names):
                    problem = f"expected nothing private, found {fault.what}"
                    raise InputError(f"{shown}: column {name}: {problem}")


def _read_text(file: Path) -> str | None:
    """A file as text; None where it is none, or too large to be one."""
    if file.stat().st_size > LARGEST:
        return None
    held = file.read_bytes()
    return None if _BINARY in held[:4096] else held.decode("utf-8", "replace")
