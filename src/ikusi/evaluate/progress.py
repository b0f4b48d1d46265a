"""How far an evaluation is, and what came out, on the terminal."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from ikusi import terminal
from ikusi.evaluate.metrics import describe_metric
from ikusi.evaluate.results import ALL
from ikusi.statistics import FEWEST

EVERY = 30.0  # seconds between lines


@contextmanager
def show_progress() -> Iterator[Callable[[int, int], None]]:
    """What to give an evaluation as its ``progress``: a live bar, or a line now and then."""
    console = terminal.open_console(stderr=True)
    if not console.is_terminal:
        yield _Lines()
        return
    columns = (
        TextColumn("answering"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(show_speed=True),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class _Lines:
    """Prints a line every half minute, and at the end."""

    def __init__(self) -> None:
        self.began = self.seen = time.monotonic()
        self.first: int | None = None

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        self.first = done if self.first is None else self.first
        if done < total and now - self.seen < EVERY:
            return
        self.seen = now
        pace = (done - self.first) / max(now - self.began, 1e-9)
        line = f"{done:,} of {total:,} rows, {pace:,.1f} rows/s"
        terminal.say(line, error=True)


def make_table(found: Mapping[str, Any], languages: Sequence[str]) -> Table:
    """The figures of ``results.json`` as a table: a line for each benchmark, language and group."""
    made = Table(box=None, pad_edge=False)
    made.add_column("benchmark")
    made.add_column("language")
    made.add_column("rows")
    for name in ("n", "right", "score", "95 % interval", "chance", "majority"):
        made.add_column(name, justify="right")
    made.add_column("metric")
    made.add_column("notes")
    for bench, by_language in found.items():
        for language in languages:
            groups = by_language.get(language, {})
            for group, figures in groups.items():
                if group == ALL or len(groups) > 2:  # a single group is all rows
                    made.add_row(bench, language, group, *_cells(figures), _notes(figures))
    return made


def _cells(figures: Mapping[str, Any]) -> list[str]:
    if figures["score"] is None:
        return [f"{figures['n']:,}", "", "kept", "", "", "", describe_metric(figures["metric"])]
    return [
        f"{figures['n']:,}",
        f"{figures['right']:,.1f}".removesuffix(".0"),
        f"{figures['score']:.3f}",
        f"{figures['low']:.3f} to {figures['high']:.3f}",
        f"{figures['chance']:.3f}",
        f"{figures['majority']:.3f}",
        describe_metric(figures["metric"]),
    ]


def _notes(figures: Mapping[str, Any]) -> str:
    """What a score alone would hide."""
    notes = []
    if figures["few"]:
        notes.append(f"fewer than {FEWEST} {'pictures' if figures['pictures'] else 'rows'}")
    if figures["failed"]:
        notes.append(f"{figures['failed']:,} without an answer")
    if figures["ties"]:
        notes.append(f"{figures['ties']:,} ties")
    if figures["hit_limit"]:
        notes.append(f"{figures['hit_limit']:.1%} hit the length limit")
    if figures["other_language"]:
        told = figures["language_told"]
        notes.append(f"{figures['other_language']:.1%} of {told:,} in another language")
    return ", ".join(notes)
