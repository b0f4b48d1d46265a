"""The outcome of every URL that was fetched: a table in SQLite beside the pictures."""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from ikusi import disk
from ikusi.data.images import Decoded
from ikusi.errors import InputError

OK, DEAD, FAILED = "ok", "dead", "failed"
MISMATCH = "hash mismatch"
# Reasons that may pass: the next run asks again. The others are remembered.
PASSING = {
    "timeout", "server error", "too many requests", "connection refused", "connection lost",
    "name not resolved", "truncated", "TLS",
}  # fmt: skip
TABLE = """create table if not exists pictures (
    url text primary key, status text, reason text, http integer, bytes integer, sha256 text,
    flag text, path text, fetched text)"""
ADDED = {"format": "text", "width": "integer", "height": "integer"}  # after the first ledgers


@dataclass(frozen=True, slots=True)
class Wanted:
    """A picture that is wanted: where it is, and the SHA-256 of its bytes where that is known."""

    url: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of fetching one URL.

    Args:
        reason: why there is no picture; None if there is one.
        http: the status of the last answer.
        bytes: size of the file.
        sha256: of its bytes.
        rest: seconds that the server asks to be left alone.
        decoded: what the picture is; it need not be decoded again to know.
    """

    reason: str | None
    http: int | None = None
    bytes: int = 0
    sha256: str | None = None
    rest: float = 0.0
    decoded: Decoded | None = None


def locate_picture(url: str) -> str:
    """The path of the picture of a URL, below the folder of the ledger."""
    name = hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{name[:2]}/{name[2:4]}/{name}"


class Ledger:
    """The outcome of every URL; it may be read from several threads.

    Args:
        folder: where ledger and pictures are; made if there is none.
        on_mismatch: what a wrong hash does: `keep` the picture with a flag, or `drop` it. Its
            bytes stay on disk either way, so that another run may judge otherwise.

    Raises:
        InputError: the folder's ledger cannot be used.
    """

    def __init__(self, folder: Path, on_mismatch: Literal["keep", "drop"] = "keep") -> None:
        self.folder, self.on_mismatch = Path(folder), on_mismatch
        self._has_asked = False
        try:
            disk.make_folder(self.folder)
            self._table = sqlite3.connect(
                self.folder / "ledger.sqlite",
                timeout=60.0,
                isolation_level=None,
                check_same_thread=False,  # SQLite itself serialises
            )
            self._table.execute("pragma journal_mode = wal")
            # A killed process loses nothing; after a power cut, the last pictures come again.
            self._table.execute("pragma synchronous = normal")
            self._table.execute("pragma temp_store = memory")
            self._table.execute(TABLE)
            self._add_columns()
            self._table.execute("create temp table asked (url text primary key)")
        except (sqlite3.Error, OSError) as error:
            raise InputError(f"{folder}: expected a ledger of pictures, found: {error}") from None

    def picture(self, url: str) -> bytes | None:
        """The bytes behind a URL; None if there are none."""
        row = self._row("status", url)
        if row is None or row[0] != OK:
            return None
        try:
            return (self.folder / locate_picture(url)).read_bytes()
        except FileNotFoundError:  # somebody cleaned up
            return None

    def find_decoded(self, url: str) -> tuple[str, Decoded] | None:
        """SHA-256 of the picture behind a URL, and what it is; None where it must be decoded."""
        row = self._row("sha256, format, width, height", url)
        return (row[0], Decoded(*row[1:])) if row and None not in row else None

    def reason(self, url: str) -> str | None:
        """The reason for no picture at a URL; None if there is one, or it was never asked for."""
        row = self._row("reason", url)
        return row[0] if row else None

    def flag(self, url: str) -> str | None:
        """The flag of a picture, `hash mismatch`; None where there is none."""
        row = self._row("flag", url)
        return row[0] if row else None

    def counts(self) -> dict[str, int]:
        """URLs by what became of them, `ok` or the reason; they add up to the distinct URLs.

        Of a fetch, these are the URLs that it was asked for; else all that the folder knows.
        """
        only = "where url in (select url from asked)" if self._has_asked else ""
        return dict(
            self._table.execute(
                f"select coalesce(reason, status), count(*) from pictures {only} "
                "group by 1 order by 2 desc, 1"
            )
        )

    def find_repeated(self, least: int) -> dict[str, int]:
        """SHA-256 of each picture that came from `least` URLs or more, and from how many.

        Servers give one picture for all that they no longer have.
        """
        only = "and url in (select url from asked)" if self._has_asked else ""
        return dict(
            self._table.execute(
                f"select sha256, count(*) from pictures where status = ? {only} "
                "group by sha256 having count(*) >= ?",
                (OK, least),
            )
        )

    def ask(self, url: str) -> bool:
        """Note that a URL is wanted by this fetch; False if it was noted before."""
        self._has_asked = True
        return bool(
            self._table.execute("insert or ignore into asked values (?)", (_key(url),)).rowcount
        )

    def is_settled(self, wanted: Wanted, retry_dead: bool = False) -> bool:
        """Whether a URL need not be asked for again; its hash is judged anew."""
        row = self._row("status, reason, bytes, sha256, flag, path", wanted.url)
        if row is None:
            return False
        status, reason, size, digest, flag, path = row
        if status == DEAD and retry_dead:
            return False
        if path is None:
            return bool(status == DEAD)
        if not self._is_whole(path, size):
            return False
        if (status, reason, flag) != (judged := self._judge(wanted, digest)):
            self._table.execute(
                "update pictures set status = ?, reason = ?, flag = ? where url = ?",
                (*judged, _key(wanted.url)),
            )
        return True

    def note(self, wanted: Wanted, outcome: Outcome) -> bool:
        """Write down what became of a URL, however the process ends; says if it is a picture."""
        path = None if outcome.reason else locate_picture(wanted.url)
        if outcome.reason is None:
            status, reason, flag = self._judge(wanted, str(outcome.sha256))
        else:
            status, reason, flag = (
                FAILED if outcome.reason in PASSING else DEAD,
                outcome.reason,
                None,
            )
        now = datetime.now(UTC).isoformat(timespec="seconds")
        row = (status, reason, outcome.http, outcome.bytes, outcome.sha256, flag, path, now)
        self._table.execute(
            "insert or replace into pictures (url, status, reason, http, bytes, sha256, flag, path,"
            " fetched, format, width, height) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (_key(wanted.url), *row, *(outcome.decoded or (None, None, None))),
        )
        return status == OK

    def _add_columns(self) -> None:
        """Give a ledger that an earlier version made the columns that it lacks."""
        self._table.execute("begin immediate")
        has = {row[1] for row in self._table.execute("pragma table_info(pictures)")}
        for name, kind in ADDED.items():
            if name not in has:
                self._table.execute(f"alter table pictures add column {name} {kind}")
        self._table.execute("commit")

    def close(self) -> None:
        """Close the table."""
        self._table.close()

    def _judge(self, wanted: Wanted, digest: str) -> tuple[str, str | None, str | None]:
        """Status, reason and flag of a picture with this hash."""
        if not wanted.sha256 or wanted.sha256.lower() == digest:
            return OK, None, None
        return (OK, None, MISMATCH) if self.on_mismatch == "keep" else (DEAD, MISMATCH, None)

    def _is_whole(self, path: str, size: int) -> bool:
        try:
            return (self.folder / path).stat().st_size == size
        except FileNotFoundError:
            return False

    def _row(self, columns: str, url: str) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._table.execute(
            f"select {columns} from pictures where url = ?", (_key(url),)
        ).fetchone()
        return row


def _key(url: str) -> str:
    """A URL as the table can hold it: halves of surrogate pairs are spelt out."""
    return url.encode("utf-8", "backslashreplace").decode()
