"""The SQLite file of what people say: its tables, and how it is opened."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from ikusi.annotate import contributions
from ikusi.errors import InputError

FORMAT = 2  # of the tables below, as SQLite's `user_version`

_TABLES = """
CREATE TABLE people (
    seat TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL DEFAULT '',
    language TEXT NOT NULL DEFAULT '', consent TEXT NOT NULL DEFAULT '', entered TEXT NOT NULL,
    withdrawn TEXT NOT NULL DEFAULT '', removed INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE consents (digest TEXT PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE answers (
    seat TEXT NOT NULL, item TEXT NOT NULL, word INTEGER NOT NULL, PRIMARY KEY (seat, item)
);
CREATE TABLE history (
    word INTEGER PRIMARY KEY AUTOINCREMENT, seat TEXT NOT NULL, item TEXT NOT NULL,
    given TEXT NOT NULL, taken_back INTEGER NOT NULL DEFAULT 0,
    once TEXT NOT NULL UNIQUE, made TEXT NOT NULL
);
CREATE INDEX of_seat ON history (seat);
CREATE INDEX of_item ON history (seat, item);
"""
_ADDED = {1: _TABLES, 2: contributions.TABLES}
"""What each format has beside the one before it."""


def open_to_read(path: Path) -> sqlite3.Connection:
    """A connection to read by, which waits for its turn."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    connection.row_factory = sqlite3.Row
    return connection


def open_to_write(path: Path) -> sqlite3.Connection:
    """A connection to write by, to a file that has its tables; made where there is none.

    Raises:
        InputError: it is of a later version.
    """
    if not path.exists():  # names of people: no other user of this machine may read them
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    connection = open_to_read(path)
    for setting in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
        connection.execute(f"PRAGMA {setting}")
    connection.execute("BEGIN IMMEDIATE")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if not 0 <= version <= FORMAT:
        raise InputError(f"{path}: expected answers of format {FORMAT}, found {version}")
    for number in range(version + 1, FORMAT + 1):
        for statement in _ADDED[number].split(";\n"):
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {FORMAT}")
    connection.execute("COMMIT")
    return connection
