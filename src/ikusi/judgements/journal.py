"""The table on disk: a folder with one line of JSON per judgement, to which lines are only added.

Nothing is changed or removed: who changes their mind adds a row, and the last one counts. What was
added is on the disk before `append` returns. A line that a killed process left unfinished was never
promised to anybody; it goes to the quarantine, and so does what an import refuses.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ikusi import claim, disk
from ikusi.errors import InputError
from ikusi.judgements.judgement import Judgement, parse_json

KIND = "judgements"
TABLE = "judgements.jsonl"
QUARANTINE = "quarantine.jsonl"
CUT = "row: expected a whole line, found one that was cut while it was written"


@dataclass(frozen=True)
class Journal:
    """A table that this process alone may add to; see `open_journal`."""

    folder: Path

    def append(self, judgements: Iterable[Judgement]) -> int:
        """Add judgements, all of them or none; returns how many.

        Raises:
            InputError: the disk is full or not writable.
        """
        return self.append_lines([one.to_json() for one in judgements])

    def append_lines(self, lines: Iterable[str], name: str = TABLE) -> int:
        """Add judgements that are written as the table has them; see `append`.

        ``name``: another file, one of those that the table was opened with.
        """
        return _add(self.folder / name, list(lines))

    def quarantine(self, refused: Iterable[Mapping[str, Any]]) -> int:
        """Keep rows that are no judgements, each with `source`, `row`, `reason` and `text`.

        What is there already is not kept twice; returns how many were added.
        """
        path = self.folder / QUARANTINE
        return _add(path, _new(map(json.dumps, refused), path))

    def unknown(self, lines: Iterable[str]) -> list[str]:
        """Lines that the table does not have, each once."""
        return _new(lines, self.folder / TABLE)


@contextmanager
def open_journal(
    folder: Path, inputs: Iterable[Path] = (), beside: Iterable[str] = ()
) -> Iterator[Journal]:
    """Open a table to add to, or begin one in a new or empty folder.

    ``beside``: names of further files of lines in it.

    Raises:
        InputError: the folder is not ours, or another process adds to this table.
    """
    with claim.claim_folder(folder, KIND, list(inputs)) as place:
        journal = Journal(place)
        for name in (TABLE, QUARANTINE, *beside):
            _mend(journal, place / name)
        yield journal


def append(folder: Path, judgements: Iterable[Judgement]) -> int:
    """Add judgements to a table, all of them or none; returns how many.

    Raises:
        InputError: the folder is not ours, another process adds to it, or the disk is full.
    """
    with open_journal(folder) as journal:
        return journal.append(judgements)


def read(folder: Path) -> Iterator[Judgement]:
    """Yield all judgements of a table, the oldest first; also while another process adds to it.

    Raises:
        InputError: it is no table of judgements, or a line of it is damaged.
    """
    path = locate_table(folder)
    for number, line in enumerate(read_lines(path), 1):
        yield parse_json(line, f"{path}:{number}")


def locate_table(folder: Path) -> Path:
    """The path of the file with the rows of a table.

    Raises:
        InputError: the folder has no table.
    """
    path = Path(folder) / TABLE
    if not path.is_file():
        raise InputError(f"{folder}: expected a folder of judgements, found no {TABLE} in it")
    return path


def read_lines(path: Path) -> Iterator[bytes]:
    """The lines of a file but one that is cut: no row, as nothing without its end is JSON."""
    with disk.explain_errors(path), path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n") or _is_json(line):
                yield line


def _is_json(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _mend(journal: Journal, path: Path) -> None:
    """End the last line where it lacks only its end; put it into quarantine where it is cut."""
    if not path.is_file() or not (size := path.stat().st_size):
        return
    with path.open("r+b") as file:
        last = _last_line(file, size)
        if last.endswith(b"\n"):
            return
        if _is_json(last):
            file.seek(0, os.SEEK_END)
            file.write(b"\n")
        else:
            if path.name == TABLE:
                text = last.decode("utf-8", "replace")
                journal.quarantine([{"source": TABLE, "row": None, "reason": CUT, "text": text}])
            file.truncate(size - len(last))
        file.flush()
        os.fsync(file.fileno())


def _last_line(file: Any, size: int) -> bytes:
    held, step = b"", 2**16
    while size and b"\n" not in held[:-1]:
        start = max(0, size - step)
        file.seek(start)
        held, size = file.read(size - start) + held, start
    return held[held[:-1].rfind(b"\n") + 1 :]


def _add(path: Path, lines: list[str]) -> int:
    """Write lines to the end of a file and onto the disk; where that fails, it is as before."""
    if not lines:
        return 0
    data = "".join(f"{line}\n" for line in lines).encode()
    with disk.explain_errors(path), path.open("ab", buffering=0) as file:
        before = file.tell()
        try:
            _write(file.fileno(), data)
            os.fsync(file.fileno())
        except OSError:
            file.truncate(before)
            raise
    if not before:
        disk.flush(path.parent)
    return len(lines)


def _new(lines: Iterable[str], path: Path) -> list[str]:
    """Lines that a file does not have, each once; known by digests, so that none is held twice."""
    known = {_digest(line.rstrip(b"\n")) for line in read_lines(path)} if path.is_file() else set()
    by_digest = {_digest(line.encode()): line for line in lines}
    return [line for digest, line in by_digest.items() if digest not in known]


def _digest(line: bytes) -> bytes:
    return hashlib.blake2b(line, digest_size=16).digest()


def _write(handle: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(handle, left) :]
