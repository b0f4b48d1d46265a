"""Contributions of people: a picture, then what they write about it, as rows of the store.

A number is never given twice, so what was said of an item is never taken for another's. A picture
is a file beside the store, under the digest of its bytes; it is in its place before its row is, and
what no row names is deleted.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ikusi.annotate.project import PICTURES, SMALL

TABLES = """
CREATE TABLE contributions (
    number INTEGER PRIMARY KEY AUTOINCREMENT, seat TEXT NOT NULL, picture TEXT NOT NULL,
    written TEXT NOT NULL DEFAULT '', once TEXT NOT NULL UNIQUE, made TEXT NOT NULL
);
CREATE INDEX contributed_by ON contributions (seat);
ALTER TABLE people ADD COLUMN pictures INTEGER NOT NULL DEFAULT 0;
"""

CHOICE = "choice "  # and a number: what the name of a choice begins with
TEXTS: Mapping[str, tuple[str, ...]] = {
    "caption": ("text",),
    "vqa": ("question", "answer"),
    "choice": ("question", *(f"{CHOICE}{number}" for number in range(1, 7))),
}
"""The texts that people write for each type of rows, by the names that such a row's texts have. Of
choices two are enough."""
LEAST_CHOICES = 2

_PREFIX = "own-"


@dataclass(frozen=True)
class Written:
    """The texts that a person wrote about their picture.

    ``right`` names the right one of choices. ``licence`` and ``depicted`` (who can be recognised)
    are as they chose from the task's lists.
    """

    texts: Mapping[str, str]
    licence: str
    depicted: str
    right: str = ""


@dataclass(frozen=True)
class Contribution:
    """A picture that somebody gives: the name of its file, and what they wrote, if they have."""

    number: int
    seat: str
    picture: str
    written: Written | None
    made: str

    @property
    def id(self) -> str:
        """The item's id in judgements, and as a row."""
        return f"{_PREFIX}{self.number}"


def read_number(item: str) -> int:
    """The number of a contribution whose item is called so.

    >>> read_number("own-12")
    12
    """
    return int(item.removeprefix(_PREFIX))


def read_row(row: sqlite3.Row) -> Contribution:
    """A contribution from its row."""
    written = Written(**json.loads(row["written"])) if row["written"] else None
    return Contribution(row["number"], row["seat"], row["picture"], written, row["made"])


def is_there(connection: sqlite3.Connection, number: int) -> bool:
    """Whether a contribution has not been removed."""
    query = "SELECT 1 FROM contributions WHERE number = ?"
    return connection.execute(query, (number,)).fetchone() is not None


def add(
    writing: sqlite3.Connection,
    seat: str,
    picture: str,
    once: str,
    most: int,
    made: str,
    keep: Callable[[], None],
) -> int:
    """Add a picture, unless its form was sent before.

    Args:
        writing: connection to the store.
        seat: whose picture it is.
        picture: name of its file.
        once: digest of the form and the picture, the same if they are sent again.
        most: contributions that a person may give.
        made: the time, as the store writes it.
        keep: puts the file in its place; called only if the picture is taken.

    Returns:
        Its number; 0 where the person has given as many as they may.
    """
    known = writing.execute("SELECT number FROM contributions WHERE once = ?", (once,)).fetchone()
    if known:
        return int(known[0])
    query = "SELECT COUNT(*) FROM contributions WHERE seat = ?"
    if writing.execute(query, (seat,)).fetchone()[0] >= most:
        return 0
    keep()
    row = writing.execute(
        "INSERT INTO contributions (seat, picture, once, made) VALUES (?, ?, ?, ?)",
        (seat, picture, once, made),
    )
    return int(row.lastrowid or 0)


def describe(writing: sqlite3.Connection, seat: str, number: int, written: Written) -> bool:
    """Write down what somebody wrote about their picture, unless they have before."""
    row = writing.execute(
        "UPDATE contributions SET written = ? WHERE number = ? AND seat = ? AND written = ''",
        (json.dumps(asdict(written), ensure_ascii=False), number, seat),
    )
    return row.rowcount == 1


def remove(writing: sqlite3.Connection, seat: str, number: int | None = None) -> list[str]:
    """Remove what somebody gave, or one of these, and what anybody said of it.

    What others said goes too: corrections hold the author's own words.

    Returns:
        The pictures of what was removed; `tidy` deletes their files.
    """
    rows = writing.execute(
        "SELECT number, picture FROM contributions WHERE seat = ? AND number = coalesce(?, number)",
        (seat, number),
    ).fetchall()
    for one, _ in rows:
        item = f"{_PREFIX}{one}"
        writing.execute("DELETE FROM answers WHERE item = ?", (item,))
        writing.execute("DELETE FROM history WHERE item = ?", (item,))
        writing.execute("DELETE FROM contributions WHERE number = ?", (one,))
    return [picture for _, picture in rows]


def tidy(writing: sqlite3.Connection, folder: Path, among: Iterable[str]) -> None:
    """Delete those of some pictures of a project that no contribution has."""
    rows = writing.execute("SELECT DISTINCT picture FROM contributions").fetchall()
    for stem in {Path(name).stem for name in among} - {Path(row[0]).stem for row in rows}:
        for place in (folder / PICTURES, folder / SMALL):
            for file in place.glob(f"{stem}.*"):
                file.unlink()
