"""The answers of people, in one SQLite file that one process writes.

One connection writes, in one thread: with a connection for each request, some answers were lost to
`database is locked`. A word is on the disk before `answer` returns. `answers` has the last word of
each person on each item; `history` has every word and only grows, until a person withdraws.
`contributions` has what people gave themselves, where a project lets them.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock

from ikusi import disk
from ikusi.annotate import contributions, database
from ikusi.annotate.contributions import Contribution
from ikusi.annotate.writer import Writer
from ikusi.errors import InputError
from ikusi.judgements.judgement import Kind, format_time

FILE = "answers.sqlite"
SKIPPED = "skipped"

_NOBODY = "INSERT OR IGNORE INTO people (seat, kind, entered) VALUES (?, ?, '')"


@dataclass(frozen=True)
class Given:
    """An answer about an item; its fields are those of `judgements.judgement.Judgement`."""

    verdict: str
    criteria: Mapping[str, str] = field(default_factory=dict)
    reasons: Sequence[str] = ()
    correction: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    seconds: float | None = None


@dataclass(frozen=True)
class Word:
    """A row of the history. Who takes back what they said has skipped the item, for now."""

    seat: str
    item: str
    given: Given
    taken_back: bool
    made: str


@dataclass(frozen=True)
class Person:
    """A person at a seat. ``consent`` names the text they agreed to; until they have ``entered``,
    that is empty, and they have no say. ``removed`` words and ``pictures`` are gone, as they asked.
    """

    seat: str
    kind: Kind = "person"
    name: str = ""
    language: str = ""
    consent: str = ""
    entered: str = ""
    withdrawn: str = ""
    removed: int = 0
    pictures: int = 0


class Store:
    """The answers of a project; `open_store` opens it."""

    def __init__(
        self, writing: sqlite3.Connection, reading: sqlite3.Connection, path: Path
    ) -> None:
        self._writer = Writer(writing, path)
        self._folder = path.parent
        self._reading = reading
        self._lock = Lock()

    def close(self) -> None:
        """Close the file; what it holds is on the disk already."""
        with self._lock:
            self._reading.close()
        self._writer.close()

    def _rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        with self._lock:
            return self._reading.execute(query, values).fetchall()

    def _list(self, query: str, *values: object) -> set[str]:
        """The items that a query finds, fetched as one row.

        Between two rows, Python lets the thread that writes go first.
        """
        (row,) = self._rows(f"SELECT json_group_array(item) FROM ({query})", *values)
        return set(json.loads(row[0]))

    def person(self, seat: str) -> Person:
        """The person at a seat; one without a name where none has begun."""
        rows = self._rows("SELECT * FROM people WHERE seat = ?", seat)
        return Person(**rows[0]) if rows else Person(seat)

    def people(self) -> dict[str, Person]:
        """Everybody who has begun, by seat."""
        return {row["seat"]: Person(**row) for row in self._rows("SELECT * FROM people")}

    def enter(self, seat: str, name: str = "", consent: str = "", kind: Kind = "person") -> None:
        """Let somebody begin, who has agreed to a text; a second time changes the name alone.

        What a simulated rater has begun stays simulated, whoever opens its link.
        """
        digest = _digest(consent) if consent else ""

        def write(writing: sqlite3.Connection) -> None:
            writing.execute("INSERT OR IGNORE INTO consents VALUES (?, ?)", (digest, consent))
            writing.execute(_NOBODY, (seat, kind))
            writing.execute(
                "UPDATE people SET name = ?, consent = ?, kind = iif(entered = '', ?, kind), "
                "entered = iif(entered = '', ?, entered) WHERE seat = ? AND withdrawn = ''",
                (name, digest, kind, _now(), seat),
            )

        self._writer.submit(write).result()

    def speak(self, seat: str, language: str) -> None:
        """Keep in which language somebody wants the pages, also before they begin."""

        def write(writing: sqlite3.Connection) -> None:
            writing.execute(_NOBODY, (seat, "person"))
            writing.execute("UPDATE people SET language = ? WHERE seat = ?", (language, seat))

        self._writer.submit(write).result()

    def answer(self, seat: str, item: str, given: Given, nonce: str) -> bool:
        """Keep somebody's answer about an item; it is on the disk when this returns.

        Args:
            nonce: of the form that was filled in. The same form sent again with the same content,
                by a double click or after a lost connection, is the same answer.

        Returns:
            Whether it was new. Nothing is kept of somebody who has not begun, or has withdrawn.
        """
        return self.send(seat, item, given, nonce).result()

    def send(
        self,
        seat: str,
        item: str,
        given: Given,
        nonce: str,
        taken_back: bool = False,
        contribution: int = 0,
    ) -> Future[bool]:
        """The same without waiting: the result is there once it is on the disk.

        Of a ``contribution`` that its author has removed meanwhile nothing is kept.
        """
        fields = asdict(given)
        text = json.dumps(fields, ensure_ascii=False)
        fields["seconds"] = None
        once = _digest(json.dumps([seat, item, nonce, fields, taken_back]))
        word = (seat, item, text, taken_back, once)

        def write(writing: sqlite3.Connection) -> bool:
            if contribution and not contributions.is_there(writing, contribution):
                return False
            return _add_word(writing, *word)

        return self._writer.submit(write)

    def take_back(self, seat: str, item: str, nonce: str) -> bool:
        """Take back what somebody has said of an item; the history keeps it."""
        before = self.answers(seat).get(item)
        if before is None:
            return False
        given = Given(SKIPPED, correction=before.given.correction, note=before.given.note)
        return self.send(seat, item, given, nonce, taken_back=True).result()

    def answers(self, seat: str) -> dict[str, Word]:
        """The last word of one person on each item that they have not taken back."""
        rows = self._rows(
            "SELECT history.* FROM answers JOIN history USING (word) WHERE answers.seat = ? "
            "ORDER BY word",
            seat,
        )
        return {row["item"]: _word(row) for row in rows}

    def list_answered(self, seat: str) -> set[str]:
        """The items that one person has answered or skipped."""
        return self._list("SELECT item FROM answers WHERE seat = ?", seat)

    def last(self, seat: str) -> Word | None:
        """The newest word of one person."""
        rows = self._rows("SELECT * FROM history WHERE seat = ? ORDER BY word DESC LIMIT 1", seat)
        return _word(rows[0]) if rows else None

    def draft(self, seat: str, item: str) -> Word | None:
        """The newest word of one person on an item, even one taken back, to go on from."""
        rows = self._rows(
            "SELECT * FROM history WHERE seat = ? AND item = ? ORDER BY word DESC LIMIT 1",
            *(seat, item),
        )
        return _word(rows[0]) if rows else None

    def history(self) -> Iterator[Word]:
        """Every word of everybody, the oldest first."""
        yield from map(_word, self._rows("SELECT * FROM history ORDER BY word"))

    def withdraw(self, seat: str) -> int:
        """Remove all that a person has said, and their name; returns how many words that were.

        The seat stays closed, and says when it was closed and how many words were removed.
        """

        def write(writing: sqlite3.Connection) -> tuple[int, list[str]]:
            given = contributions.remove(writing, seat)
            count = writing.execute("DELETE FROM history WHERE seat = ?", (seat,)).rowcount
            writing.execute("DELETE FROM answers WHERE seat = ?", (seat,))
            writing.execute(
                "UPDATE people SET name = '', withdrawn = ?, removed = removed + ?, "
                "pictures = pictures + ? WHERE seat = ?",
                (_now(), count, len(given), seat),
            )
            return count, given

        count, pictures = self._writer.submit(write).result()
        self._forget(pictures)
        return count

    def _forget(self, pictures: Sequence[str]) -> None:
        """Let nothing of what was removed stay behind, as a file or in the log."""
        self.tidy(pictures)
        self._rows("PRAGMA wal_checkpoint(TRUNCATE)")

    def tidy(self, pictures: Sequence[str]) -> None:
        """Delete those of some pictures that belong to no contribution."""
        if pictures:
            self._writer.submit(
                lambda writing: contributions.tidy(writing, self._folder, pictures)
            ).result()

    def contribute(
        self, seat: str, picture: str, nonce: str, most: int, keep: Callable[[], None]
    ) -> int:
        """Take in a picture that somebody gives; returns its number, 0 where it was not taken in.

        Args:
            seat: whose it is. Of somebody who has no say, nothing is taken in.
            picture: name of its file.
            nonce: of the form; the same form with the same picture is the same contribution.
            most: contributions that a person may give.
            keep: puts the file in its place; it runs before the contribution is vouched for.
        """
        once = _digest(json.dumps([seat, picture, nonce]))

        def write(writing: sqlite3.Connection) -> int:
            if not _may_speak(writing, seat):
                return 0
            return contributions.add(writing, seat, picture, once, most, _now(), keep)

        return self._writer.submit(write).result()

    def describe(self, seat: str, number: int, written: contributions.Written) -> bool:
        """Keep what somebody wrote about their picture; the first time counts.

        Returns:
            Whether it was new. Nothing is kept of a picture that is not theirs.
        """
        return self._writer.submit(
            lambda writing: contributions.describe(writing, seat, number, written)
        ).result()

    def discard(self, seat: str, number: int) -> None:
        """Remove one contribution of somebody, and what was said of it."""
        removal = self._writer.submit(lambda writing: contributions.remove(writing, seat, number))
        self._forget(removal.result())

    def contributions(self) -> list[Contribution]:
        """All that people have given, in the order in which it came."""
        rows = self._rows("SELECT * FROM contributions ORDER BY number")
        return [contributions.read_row(row) for row in rows]

    def mark_contributions(self) -> tuple[int, ...]:
        """A mark that is another one whenever `contributions` are others."""
        query = "SELECT COUNT(*), COALESCE(MAX(number), 0), COALESCE(SUM(written != ''), 0)"
        return tuple(self._rows(f"{query} FROM contributions")[0])

    def list_judged(self) -> set[str]:
        """The items that somebody has given a verdict on."""
        return self._list(
            "SELECT DISTINCT history.item FROM answers JOIN history USING (word) "
            "WHERE json_extract(given, '$.verdict') != ?",
            SKIPPED,
        )


def open_store(folder: Path) -> Store:
    """Open the answers of a project, or begin them.

    Raises:
        InputError: the file is damaged or of another version, or the disk is not writable.
    """
    path = Path(folder) / FILE
    with disk.explain_errors(path):
        try:
            return Store(database.open_to_write(path), database.open_to_read(path), path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            raise InputError(f"{path}: expected the answers of people, found {error}") from None


def _add_word(
    writing: sqlite3.Connection, seat: str, item: str, text: str, taken_back: bool, once: str
) -> bool:
    """Add an answer, unless it is there or its person may not answer; returns whether it was
    added."""
    if not _may_speak(writing, seat) or _has_word(writing, once):
        return False
    row = writing.execute(
        "INSERT INTO history (seat, item, given, taken_back, once, made) VALUES (?, ?, ?, ?, ?, ?)",
        (seat, item, text, taken_back, once, _after(writing)),
    )
    if taken_back:
        writing.execute("DELETE FROM answers WHERE seat = ? AND item = ?", (seat, item))
    else:
        writing.execute(
            "INSERT INTO answers VALUES (?, ?, ?) "
            "ON CONFLICT (seat, item) DO UPDATE SET word = excluded.word",
            (seat, item, row.lastrowid),
        )
    return True


def _may_speak(connection: sqlite3.Connection, seat: str) -> bool:
    asked = "SELECT 1 FROM people WHERE seat = ? AND entered != '' AND withdrawn = ''"
    return connection.execute(asked, (seat,)).fetchone() is not None


def _has_word(connection: sqlite3.Connection, once: str) -> bool:
    return bool(connection.execute("SELECT 1 FROM history WHERE once = ?", (once,)).fetchone())


def _after(connection: sqlite3.Connection) -> str:
    """Now, or just after the newest word where the machine's clock has been set back."""
    newest = connection.execute("SELECT made FROM history ORDER BY word DESC LIMIT 1").fetchone()
    if newest is None or newest["made"] < _now():
        return _now()
    return format_time(datetime.fromisoformat(newest["made"]) + timedelta(microseconds=1))


def _now() -> str:
    return format_time(datetime.now(UTC))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _word(row: sqlite3.Row) -> Word:
    fields = json.loads(row["given"])
    given = Given(**fields | {"reasons": tuple(fields["reasons"])})
    return Word(row["seat"], row["item"], given, bool(row["taken_back"]), row["made"])
