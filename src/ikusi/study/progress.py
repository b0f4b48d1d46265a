"""Shows a running study: a live grid in a terminal, a plain log of lines anywhere else."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ikusi.recipe import Recipe
from ikusi.recipe.folder import (
    ALIGN,
    EVALUATE,
    INSTRUCT,
    MERGE,
    StudyFolder,
    name_align_step,
    name_evaluate_step,
    name_instruct_step,
    name_merge_step,
)
from ikusi.study import graph, remaining
from ikusi.study.graph import State, Step
from ikusi.study.remaining import Plan

SECONDS_BETWEEN_LINES = 15.0

COLOURS: dict[str, str] = {
    "current": "green",
    "done": "green",
    "failed": "red",
    "skipped": "yellow",
    "running": "cyan",
    "waiting": "dim",
}


@dataclass(frozen=True)
class Cell:
    """One model of the grid and the steps that lead to it, in the order they run.

    Attributes:
        row: the backbone, whether text-only data is mixed in, and the seed where there are several.
        column: the share of the target language, such as `20 %`.
        steps: names of its steps: align, instruct, evaluate.
    """

    row: str
    column: str
    steps: tuple[str, ...]


@dataclass(frozen=True)
class Board:
    """The facts that a display shows of a study besides the states of its steps.

    Attributes:
        title: one line for the top.
        score: mean score of a finished evaluation (0 to 1) by its step's name, or None.
        plan: what is planned of its steps.
    """

    title: str
    folder: StudyFolder
    steps: Sequence[Step]
    workers: int
    cells: Sequence[Cell] = ()
    score: Callable[[str], float | None] = lambda name: None
    plan: Plan = field(default_factory=dict)


def format_clock(seconds: float) -> str:
    """Write a duration: `0:42`, `3:07`, `2:03:07`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def format_percent(fraction: float) -> str:
    """Write a share: `43 %`."""
    return f"{100 * fraction:.0f} %"


def write_summary(board: Board, states: Mapping[str, State], began: float) -> str:
    """One line: steps finished, time gone, time to go."""
    now = time.monotonic()
    finished = sum(state.status in graph.FINISHED for state in states.values())
    left, unmeasured = remaining.estimate_seconds(
        board.steps, states, board.workers, now, board.plan
    )
    words = f"{finished} of {len(states)} steps, {format_clock(now - began)} gone"
    if unmeasured:
        # No number alone: a step that is nearly done says nothing of those that take hours.
        known = f"{format_clock(left)} and " if left >= 1 else ""
        return f"{words}, to go: {known}what {', '.join(unmeasured)} will take"
    return f"{words}, about {format_clock(left)} to go" if left >= 1 else words


class PlainLog:
    """A timestamped line for each start and finish, and one on progress now and then."""

    def __init__(self, board: Board, console: Console) -> None:
        self.board, self.console = board, console
        self.began = self.last_line = time.monotonic()

    def __enter__(self) -> "PlainLog":
        self._line(self.board.title)
        return self

    def __exit__(self, *rest: object) -> None:
        pass

    def show_change(self, name: str, states: Mapping[str, State]) -> None:
        """Log one step's new state."""
        self._line(f"{name} {describe_state(name, states[name], self.board)}")

    def tick(self, states: Mapping[str, State]) -> None:
        """Log what runs and how far it is, every `SECONDS_BETWEEN_LINES`."""
        if time.monotonic() - self.last_line < SECONDS_BETWEEN_LINES:
            return
        running = (
            " ".join(part for part in (name, format_percent(state.fraction), state.note) if part)
            for name, state in states.items()
            if state.status == "running"
        )
        self._line("; ".join((write_summary(self.board, states, self.began), *running)))

    def _line(self, text: str) -> None:
        self.last_line = time.monotonic()
        stamp = datetime.now().strftime("%Y-%m-%d %H:%M:%S")
        self.console.print(f"{stamp} {text}", markup=False, highlight=False, soft_wrap=True)


def describe_state(name: str, state: State, board: Board) -> str:
    """Say a step's state in words, with its log's path if it failed."""
    if state.status == "failed":
        return f"failed: {state.message} (log: {board.folder.log(name)})"
    if state.status == "skipped":
        return f"skipped: {state.message}"
    if state.status == "running":
        return "started"
    if state.status == "done":
        score = board.score(name)
        gained = "" if score is None else f", score {score:.3f}"
        return f"done in {format_clock(state.seconds or 0)}{gained}"
    return state.status


class LiveGrid:
    """A grid of backbones x ratios that redraws itself in place."""

    def __init__(self, board: Board, console: Console) -> None:
        self.board = board
        self.began = time.monotonic()
        self.live = Live(console=console, auto_refresh=False, redirect_stdout=False)

    def __enter__(self) -> "LiveGrid":
        self.live.start()
        return self

    def __exit__(self, *rest: object) -> None:
        self.live.stop()

    def show_change(self, name: str, states: Mapping[str, State]) -> None:
        """Redraw; a failure is also written above the grid, where it stays."""
        if states[name].status == "failed":
            words = f"{name} {describe_state(name, states[name], self.board)}"
            self.live.console.print(Text(words, style=COLOURS["failed"]))
        self.tick(states)

    def tick(self, states: Mapping[str, State]) -> None:
        """Redraw."""
        self.live.update(self._drawing(states), refresh=True)

    def _drawing(self, states: Mapping[str, State]) -> RenderableType:
        parts: list[RenderableType] = [Text(self.board.title, style="bold")]
        if self.board.cells:
            parts.append(draw_grid(self.board, states))
        for name, state in states.items():
            if state.status == "running":
                words = f"  {name}  {format_percent(state.fraction)}  {state.note}"
                parts.append(
                    Text(words, style=COLOURS["running"], no_wrap=True, overflow="ellipsis")
                )
        parts.append(Text(write_summary(self.board, states, self.began)))
        return Group(*parts)


def draw_grid(board: Board, states: Mapping[str, State]) -> Table:
    """The models as a table: a row for each backbone, a column for each ratio."""
    rows = list(dict.fromkeys(cell.row for cell in board.cells))
    columns = list(dict.fromkeys(cell.column for cell in board.cells))
    cells = {(cell.row, cell.column): cell for cell in board.cells}
    table = Table("", *columns, box=None, padding=(0, 2, 0, 0))
    for row in rows:
        known = (cells.get((row, column)) for column in columns)
        table.add_row(row, *(draw_cell(cell, board, states) if cell else "" for cell in known))
    return table


def draw_cell(cell: Cell, board: Board, states: Mapping[str, State]) -> Text:
    """One cell: what its model is waiting for, going through, or has scored."""
    kinds = {step.name: step.kind for step in board.steps}
    for name in cell.steps:
        state = states.get(name)
        if state is None or state.status in graph.USABLE:
            continue
        words = {
            "running": f"{RUNNING.get(kinds[name], kinds[name])} {format_percent(state.fraction)}",
            "waiting": "waiting",
            "failed": "failed",
            "skipped": "skipped",
        }[state.status]
        return Text(words, style=COLOURS[state.status])
    score = board.score(cell.steps[-1])
    return Text("done" if score is None else f"done {score:.3f}", style=COLOURS["done"])


RUNNING: dict[str, str] = {
    ALIGN: "align",
    INSTRUCT: "training",
    MERGE: "merging",
    EVALUATE: "evaluating",
}


def list_cells(recipe: Recipe) -> list[Cell]:
    """The cells of a recipe's grid, and those of its merged models below it."""
    cells = [
        Cell(
            row=run.backbone
            + (" + text" if run.text_only else "")
            + (f", seed {run.seed}" if len(recipe.seeds) > 1 else ""),
            column=f"{format_percent(run.ratio)} {recipe.language}",
            steps=(
                name_align_step(run.aligned),
                name_instruct_step(run.name),
                name_evaluate_step(run.name),
            ),
        )
        for run in recipe.runs()
    ]
    return cells + [
        Cell(
            row=f"{one.run} + {one.merge}",
            column=f"x {one.weight:g}",
            steps=(
                name_instruct_step(one.run),
                name_merge_step(one.name),
                name_evaluate_step(one.name),
            ),
        )
        for one in recipe.list_merged()
    ]


def display(board: Board, console: Console) -> "LiveGrid | PlainLog":
    """A live grid where the console is a terminal, a plain log where it is a file or a pipe."""
    return LiveGrid(board, console) if console.is_terminal else PlainLog(board, console)
