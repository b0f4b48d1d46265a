"""Progress of a long task: a live bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from ikusi import terminal

if TYPE_CHECKING:
    from rich.progress import Progress

EVERY = 30.0  # seconds between lines
REFRESH = 0.2  # seconds between updates of the bar


class Report(Protocol):
    """The function that a task calls as it goes on."""

    def __call__(
        self,
        done: int,
        total: int | None = None,
        *,
        unit: str = "rows",
        known: int | None = None,
        note: str = "",
    ) -> None:
        """Report a state.

        Args:
            done: how many are done.
            total: of how many, where that is known.
            unit: what is counted.
            known: how many of `done` an earlier call had made, which count for no pace; by default
                those of the first report.
            note: what else to show.
        """


@contextmanager
def show(doing: str) -> Iterator[Report]:
    """Show the progress of a task, reported to what this yields; the last state stays.

    Args:
        doing: the task in a word, shown before the bar.
    """
    console = terminal.open_console(stderr=True)
    if not console.is_terminal:
        lines = _Lines()
        yield lines
        lines.print_last()
        return
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn(doing), BarColumn(), TextColumn("{task.fields[words]}"))
    with Progress(*columns, console=console) as bar:
        live = _Live(bar)
        yield live
        live.draw()


class _Pace(ABC):
    """The latest state, and the pace since the first one of its unit."""

    def __init__(self) -> None:
        self.unit, self.words = "", ""
        self.done: int = 0
        self.total: int | None = None
        self.heard = time.monotonic()

    def __call__(
        self,
        done: int,
        total: int | None = None,
        *,
        unit: str = "rows",
        known: int | None = None,
        note: str = "",
    ) -> None:
        now = time.monotonic()
        if unit != self.unit:
            # What the first report has beyond `known` was done since the one before it.
            self.unit, self.first = unit, done
            self.began = now if known is None else self.heard
        self.done, self.total, self.heard = done, total, now
        new, seconds = done - (self.first if known is None else known), now - self.began
        pace = new / seconds if seconds else 0.0
        self.words = describe(done, total, unit, pace, note)
        self.update(now)

    @abstractmethod
    def update(self, now: float) -> None:
        """Show the state, if the last time was long enough ago."""


class _Lines(_Pace):
    def __init__(self) -> None:
        super().__init__()
        self.printed, self.last = time.monotonic(), ""

    def update(self, now: float) -> None:
        if now - self.printed >= EVERY:
            self.printed = now
            self.print_last()

    def print_last(self) -> None:
        """Print the state, if it is another one than the last time."""
        if self.words != self.last:
            self.last = self.words
            terminal.say(self.words, error=True)


class _Live(_Pace):
    def __init__(self, bar: Progress) -> None:
        super().__init__()
        self.bar, self.drawn = bar, 0.0
        self.task = bar.add_task("", total=None, words="")

    def update(self, now: float) -> None:
        if now - self.drawn >= REFRESH:
            self.drawn = now
            self.draw()

    def draw(self) -> None:
        """Redraw the bar."""
        self.bar.update(self.task, total=self.total, completed=self.done, words=self.words)


def describe(done: int, total: int | None, unit: str, pace: float, note: str = "") -> str:
    """One line: how many of how many, how fast, how long to go.

    >>> describe(1200, 4000, "rows", 20.0, "3 quarantined")
    '1,200 of 4,000 rows, 20.0 rows/s, 2 min 20 s to go, 3 quarantined'
    """
    parts = [f"{done:,} {unit}" if total is None else f"{done:,} of {total:,} {unit}"]
    if pace > 0:
        parts.append(f"{pace:,.1f} {unit}/s")
        if total is not None and done < total:
            parts.append(f"{_duration((total - done) / pace)} to go")
    return ", ".join([*parts, note] if note else parts)


def _duration(seconds: float) -> str:
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"
