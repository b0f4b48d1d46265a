"""Jobs that wait are written together, and each is whole or undone by itself."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ikusi.annotate.writer import Writer


@pytest.fixture
def place(tmp_path: Path) -> Path:
    path = tmp_path / "numbers.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE numbers (number INTEGER PRIMARY KEY)")
    connection.close()
    return path


@pytest.fixture
def writer(place: Path) -> Iterator[Writer]:
    connection = sqlite3.connect(place, isolation_level=None, check_same_thread=False)
    made = Writer(connection, place)
    yield made
    made.close()


def add(number: int) -> Callable[[sqlite3.Connection], int]:
    return lambda writing: writing.execute("INSERT INTO numbers VALUES (?)", (number,)).rowcount


def numbers(place: Path) -> list[int]:
    connection = sqlite3.connect(place)
    found = [row[0] for row in connection.execute("SELECT number FROM numbers ORDER BY number")]
    connection.close()
    return found


def test_a_job_that_fails_is_undone_alone(writer: Writer, place: Path) -> None:
    held = threading.Event()
    first = writer.submit(lambda writing: held.wait(10))

    def half(writing: sqlite3.Connection) -> None:
        writing.execute("INSERT INTO numbers VALUES (7)")
        raise ValueError("changed its mind")

    waiting = [writer.submit(job) for job in (add(1), half, add(1), add(2))]
    held.set()
    assert first.result(10) is True
    assert [one.exception(10) is None for one in waiting] == [True, False, False, True]
    assert isinstance(waiting[1].exception(), ValueError)
    assert numbers(place) == [1, 2]


def test_what_waits_is_written_at_once(writer: Writer, place: Path) -> None:
    """Nothing of a batch is seen before the last of it is there; then all of it is."""
    held, seen = threading.Event(), []
    writer.submit(lambda writing: held.wait(10))
    waiting = [writer.submit(add(number)) for number in range(5)]
    last = writer.submit(lambda writing: seen.append(numbers(place)))
    held.set()
    last.result(10)
    assert [one.result(10) for one in waiting] == [1] * 5
    assert seen == [[]] and numbers(place) == [0, 1, 2, 3, 4]


def test_closing_waits_for_what_was_submitted(place: Path) -> None:
    connection = sqlite3.connect(place, isolation_level=None, check_same_thread=False)
    made = Writer(connection, place)
    waiting = [made.submit(add(number)) for number in range(20)]
    made.close()
    assert all(one.done() for one in waiting) and len(numbers(place)) == 20


def test_where_nothing_can_be_written_every_job_of_the_batch_says_so(place: Path) -> None:
    connection = sqlite3.connect(place, isolation_level=None, check_same_thread=False)
    made = Writer(connection, place)
    connection.execute("PRAGMA query_only = ON")
    held = threading.Event()
    made.submit(lambda writing: held.wait(10))
    waiting = [made.submit(add(number)) for number in range(3)]
    held.set()
    assert all(one.exception(10) for one in waiting) and numbers(place) == []
    made.close()
