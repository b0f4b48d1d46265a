import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from ikusi.recipe.folder import StudyFolder
from ikusi.study import progress
from ikusi.study.graph import State
from ikusi.study.progress import Board, Cell
from ikusi.study.remaining import Planned
from study.grids import STEPS

CELLS = [
    Cell("a", "0% eu", ("align/a", "instruct/a-000", "evaluate/a-000")),
    Cell("a", "100% eu", ("align/a", "instruct/a-100", "evaluate/a-100")),
]


def states(**changed: State) -> dict[str, State]:
    return {step.name: changed.get(step.name, State()) for step in STEPS}


def halfway() -> dict[str, State]:
    return states(
        **{
            "data": State("done", 1.0, seconds=60),
            "align/a": State("current", 1.0, seconds=30),
            "instruct/a-000": State("done", 1.0, seconds=100),
            "evaluate/a-000": State("done", 1.0, seconds=10),
            "instruct/a-100": State("running", 0.43, note="loss 1.2", began=0.0),
        }
    )


def board() -> Board:
    return Board("toy", StudyFolder(Path("s")), STEPS, 2, CELLS, {"evaluate/a-000": 0.71}.get)


def drawn(terminal: bool) -> tuple[str, Console]:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=80, color_system=None)
    with progress.display(board(), console) as display:
        display.show_change("instruct/a-100", halfway())
    return out.getvalue(), console


def test_a_terminal_shows_the_grid_with_each_models_state() -> None:
    text, _ = drawn(terminal=True)
    assert "done 0.710" in text
    assert "training 43 %" in text
    assert "instruct/a-100  43 %  loss 1.2" in text


def test_a_file_gets_a_dated_line_for_each_event() -> None:
    text, _ = drawn(terminal=False)
    first, second = text.splitlines()
    assert first.endswith(" toy")
    assert second[:2] == "20"
    assert second.endswith(" instruct/a-100 started")


def test_a_kind_of_which_nothing_is_known_is_named() -> None:
    early = states(data=State("running", 0.99, began=0.0))
    said = progress.write_summary(board(), early, 0.0)
    assert said.endswith("what align, instruct, evaluate will take")
    assert "about" in progress.write_summary(board(), halfway(), 0.0)


def test_a_plan_gives_a_time_to_go_before_anything_was_measured() -> None:
    planned = {step.name: Planned(40.0, True) for step in STEPS}
    said = progress.write_summary(replace(board(), plan=planned), states(), 0.0)
    assert said.endswith("about 2:40 to go"), said


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (42.9, "0:42"), (187, "3:07"), (7387, "2:03:07")]
)
def test_durations_read_as_a_clock(seconds: float, text: str) -> None:
    assert progress.format_clock(seconds) == text
