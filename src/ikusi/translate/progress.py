"""How far a job is: a live bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from ikusi import terminal
from ikusi.translate.job import Progress, ProgressCall

EVERY = 30.0  # seconds between lines
REFRESH = 0.2  # seconds between looks of the bar


@contextmanager
def show_progress() -> Iterator[ProgressCall]:
    """What to give a job as its `progress`; ends the bar when the block ends."""
    console = terminal.open_console(stderr=True)
    if console.is_terminal:
        with _bar(console) as bar:
            yield _Live(bar)
    else:
        lines = _Lines()
        yield lines
        lines.last()


def _bar(console: Console) -> Bar:
    return Bar(
        TextColumn("translating"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[bad]}"),
        console=console,
    )


class _Live:
    def __init__(self, bar: Bar) -> None:
        self.bar, self.seen = bar, 0.0
        self.task = bar.add_task("", total=None, pace="", bad="")

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self.seen < REFRESH and progress.done < progress.total:
            return
        self.seen = now
        self.bar.update(
            self.task,
            total=progress.total,
            completed=progress.done,
            pace=f"{progress.rows_per_second:,.0f} rows/s",
            bad=_bad(progress),
        )


class _Lines:
    def __init__(self) -> None:
        self.seen, self.progress = time.monotonic(), Progress()

    def __call__(self, progress: Progress) -> None:
        self.progress = progress
        if time.monotonic() - self.seen >= EVERY:
            self.seen = time.monotonic()
            self.last()

    def last(self) -> None:
        """Tell where it stands."""
        terminal.say(format_progress(self.progress), error=True)


def format_progress(progress: Progress) -> str:
    """One line: rows, pace, time to go.

    >>> format_progress(Progress(total=10, ok=9, quarantined=1))
    '10 of 10 rows, 1 quarantined'
    """
    line = f"{progress.done:,} of {progress.total:,} rows"
    if progress.asked:
        line += f", {progress.rows_per_second:,.0f} rows/s"
        if progress.done < progress.total:
            line += f", {_time(progress.seconds_left)} to go"
    bad = _bad(progress)
    return f"{line}, {bad}" if bad else line


def _bad(progress: Progress) -> str:
    counts = {"quarantined": progress.quarantined, "not reached": progress.unreached}
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)


def _time(seconds: float) -> str:
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"
