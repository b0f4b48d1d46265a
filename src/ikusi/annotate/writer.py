"""One thread that writes to a SQLite file: all that waits for it goes onto the disk together.

A write takes as long as the disk, so twenty people who answered one after the other would wait for
twenty writes; here they wait for one or two. Each job is whole or undone by itself.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TypeVar

from ikusi import disk

Result = TypeVar("Result")


class _Job(NamedTuple):
    work: Callable[[sqlite3.Connection], Any]
    future: Future[Any]


class Writer:
    """The only writer of a file; ``connection`` is its own from now on."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection, self._path = connection, path
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[sqlite3.Connection], Result]) -> Future[Result]:
        """Let a job be done; its result is there once what it wrote is on the disk.

        The future raises ``InputError`` if the disk is full or not writable; nothing is written.
        """
        future: Future[Result] = Future()
        self._jobs.put(_Job(work, future))
        return future

    def close(self) -> None:
        """End once everything that was submitted has been done."""
        self._jobs.put(None)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while (first := self._jobs.get()) is not None:
            batch = [first]
            more: _Job | None = first
            while more is not None:
                try:
                    more = self._jobs.get_nowait()
                except Empty:
                    break
                if more is None:
                    self._jobs.put(None)  # the end comes after this batch
                else:
                    batch.append(more)
            self._write([job for job in batch if job.future.set_running_or_notify_cancel()])

    def _write(self, batch: list[_Job]) -> None:
        try:
            with disk.explain_errors(self._path):
                self._connection.execute("BEGIN IMMEDIATE")
                outcomes = [self._attempt(job) for job in batch]
                self._connection.execute("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            for job in batch:
                job.future.set_exception(error)
            return
        for job, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Exception):
                job.future.set_exception(outcome)
            else:
                job.future.set_result(outcome)

    def _attempt(self, job: _Job) -> Any:
        """Return what a job gives, or the error that undid this job alone."""
        self._connection.execute("SAVEPOINT job")
        try:
            outcome = job.work(self._connection)
        except Exception as error:
            if not self._connection.in_transaction:
                raise  # the disk has undone everything
            self._connection.execute("ROLLBACK TO job")
            outcome = error
        self._connection.execute("RELEASE job")
        return outcome
