"""Shards of a translation: what became of each row, written whole or not at all.

A shard's footer says what it was made with, so there is no other record to go stale. Costly
engines also journal each row as it is finished, until its shard is written.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from ikusi import disk, jsonfile
from ikusi.data.parquet import CHECKSUMS, guard_reading, open_table, select_schema
from ikusi.errors import InputError
from ikusi.translate.contract import Attempt, Outcome, Row

OK, QUARANTINED, UNREACHED = "ok", "quarantined", "unreached"
SCHEMA = pa.schema(
    [
        ("place", pa.int64()),
        ("key", pa.uint64()),
        ("id", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("source", pa.list_(pa.string())),
        ("texts", pa.list_(pa.string())),
        ("flags", pa.list_(pa.string())),
        ("score", pa.float64()),
        ("attempts", pa.list_(pa.struct([("raw", pa.string()), ("reason", pa.string())]))),
        ("tokens_read", pa.int64()),
        ("tokens_written", pa.int64()),
        ("thought", pa.string()),
    ]
)
"""Columns of a shard. `key` names the row's texts; `status` is ok, quarantined or unreached;
`source` and `texts` are what the engine was given and gave; `thought` is what it thought aloud."""

Record = dict[str, Any]


@dataclass(frozen=True)
class Made:
    """Fingerprints of what a shard was made with.

    Args:
        translator: fingerprint of all that its translations depend on.
        checks: fingerprint of the checks.
        rows: fingerprint of its rows' names and texts, in order.
    """

    translator: str
    checks: str
    rows: str


class _Footer(jsonfile.Record):
    """The content of a shard's footer."""

    made: Made
    ok: int
    quarantined: int
    unreached: int


class _Row(jsonfile.Record):
    """A row as it is journalled; see `SCHEMA`."""

    place: int
    key: int
    id: str
    status: Literal["ok", "quarantined", "unreached"]
    reason: str | None
    source: list[str]
    texts: list[str] | None
    flags: list[str]
    score: float | None
    attempts: list[dict[str, str]]
    tokens_read: int
    tokens_written: int
    thought: str | None


class _Line(jsonfile.Record):
    """A line of a journal; `sum` is the row's checksum."""

    translator: str
    checks: str
    row: _Row
    sum: int


def make_key(texts: Sequence[str]) -> int:
    """Name texts by content: 64 bits.

    >>> make_key(["a", "b"]) == make_key(["a", "b"]) != make_key(["ab"])
    True
    """
    # Half of a surrogate pair cannot be stored, so it never comes; lengths keep texts apart.
    text = "\0".join(texts)
    if len(texts) > 1:
        text += "\0" + repr([len(part) for part in texts])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def record(row: Row, key: int, outcome: Outcome) -> Record:
    """One row of a shard."""
    status = OK if outcome.texts is not None else UNREACHED if outcome.unreached else QUARANTINED
    reason = None
    if status != OK:
        reason = _storable(outcome.attempts[-1].reason) if outcome.attempts else "no answer"
    return {
        "place": row.place,
        "key": key,
        "id": row.id,
        "status": status,
        "reason": reason,
        "source": row.texts,
        "texts": outcome.texts,
        "flags": list(outcome.flags),
        "score": outcome.score,
        "attempts": [
            {"raw": _storable(attempt.raw), "reason": _storable(attempt.reason)}
            for attempt in outcome.attempts
        ],
        "tokens_read": outcome.tokens_read,
        "tokens_written": outcome.tokens_written,
        "thought": _storable(outcome.thought) or None,
    }


def _storable(text: str) -> str:
    """Text as it can be stored: halves of surrogate pairs, which servers do send, are escaped."""
    return text.encode("utf-8", "backslashreplace").decode()


def refuse(record: Record, reason: str) -> Record:
    """The same row, its texts now refused: they become one more attempt."""
    attempt = asdict(Attempt("\n".join(record["texts"]), reason))
    attempts = [*record["attempts"], attempt]
    refused = {"status": QUARANTINED, "reason": reason, "texts": None, "attempts": attempts}
    return {**record, **refused}


class Shards:
    """The shards and journals of a translation, in its working folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.journals = folder / "shards", folder / "journal"
        self._sound: dict[int, tuple[int, int]] = {}  # shard -> its time and size when it was read

    def path(self, number: int) -> Path:
        """The path of a shard."""
        return self.folder / f"{number:05d}.parquet"

    def read_made(self, number: int) -> Made | None:
        """Read what a finished shard was made with; None if it must be made or finished.

        A shard in which the engine could not be reached for some row is not finished, nor is one
        that is damaged.
        """
        footer = self._footer(number)
        finished = footer is not None and not footer.unreached and self._is_sound(number)
        return footer.made if footer is not None and finished else None

    def counts(self, number: int) -> dict[str, int]:
        """Rows of a written shard, by status."""
        footer = self._footer(number)
        return {status: getattr(footer, status, 0) for status in (OK, QUARANTINED, UNREACHED)}

    def _footer(self, number: int) -> _Footer | None:
        try:
            metadata = pq.read_metadata(self.path(number)).metadata or {}
            return _Footer.model_validate_json(metadata[b"ikusi"])
        except (OSError, pa.ArrowException, KeyError, ValidationError):
            return None

    def _is_sound(self, number: int) -> bool:
        """Whether all of a shard can be read; once it was, its time and size must do."""
        stat = self.path(number).stat()
        known = (stat.st_mtime_ns, stat.st_size)
        if self._sound.get(number) != known:
            try:
                self.read(number)
            except InputError:
                return False
            self._sound[number] = known
        return True

    def read(self, number: int) -> pa.Table:
        """All rows of a shard, in the order of their places."""
        path = self.path(number)
        file = open_table(path, SCHEMA)
        with guard_reading(path), file:
            return select_schema(file.read(), SCHEMA)

    def read_known(self, number: int, translator: str) -> dict[int, tuple[Record, str]]:
        """Rows that this translator has finished, by key, each with its checks' fingerprint."""
        known: dict[int, tuple[Record, str]] = {}
        footer = self._footer(number)
        if footer is not None and footer.made.translator == translator and self._is_sound(number):
            for row in self.read(number).to_pylist():
                known[row["key"]] = (row, footer.made.checks)
        for line in self._read_journal(number):
            if line["translator"] == translator:
                known[line["row"]["key"]] = (line["row"], line["checks"])
        return {key: kept for key, kept in known.items() if kept[0]["status"] != UNREACHED}

    def _read_journal(self, number: int) -> Iterator[dict[str, Any]]:
        try:
            lines = (self.journals / f"{number:05d}.jsonl").read_bytes().splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            try:
                held: dict[str, Any] = json.loads(line)
                _Line.model_validate(held)
            except ValueError:  # cut when the process was killed, or damaged
                continue
            if held["sum"] == _checksum(json.dumps(held["row"])):
                yield held

    def journal(self, number: int, made: Made, record: Record) -> None:
        """Note a finished row at once, in one write."""
        disk.make_folder(self.journals)
        translator, checks, row = map(json.dumps, (made.translator, made.checks, record))
        about = f'"translator": {translator}, "checks": {checks}'
        line = f'{{{about}, "row": {row}, "sum": {_checksum(row)}}}\n'
        with (self.journals / f"{number:05d}.jsonl").open("a+b", buffering=0) as file:
            file.write(b"\n" * _is_torn(file) + line.encode())

    def write(self, number: int, made: Made, records: Sequence[Record]) -> None:
        """Write a shard whole, then forget its journal."""
        disk.make_folder(self.folder)
        records = sorted(records, key=lambda record: record["place"])
        footer = {"made": asdict(made), **_by_status(records)}
        table = pa.Table.from_pylist(records, schema=SCHEMA)
        table = table.replace_schema_metadata({"ikusi": json.dumps(footer)})
        path = self.path(number)
        with disk.replace_file(path) as aside:
            pq.write_table(table, aside, compression="zstd", **CHECKSUMS)
        stat = path.stat()
        self._sound[number] = (stat.st_mtime_ns, stat.st_size)
        for left in self.folder.glob(f".{path.name}.*.tmp"):  # a killed worker's
            left.unlink(missing_ok=True)
        (self.journals / f"{number:05d}.jsonl").unlink(missing_ok=True)

    def drop_beyond(self, count: int) -> None:
        """Remove shards of an earlier, longer source."""
        for path in self.folder.glob("*.parquet"):
            if int(path.stem) >= count:
                path.unlink()


def _checksum(row: str) -> int:
    return zlib.crc32(row.encode())


def _is_torn(file: BinaryIO) -> bool:
    """Whether the last line was cut, so that ours must not be glued to it."""
    if file.tell() == 0:
        return False
    file.seek(-1, os.SEEK_END)
    return file.read(1) != b"\n"


def _by_status(records: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    statuses = [record["status"] for record in records]
    return {status: statuses.count(status) for status in (OK, QUARANTINED, UNREACHED)}
