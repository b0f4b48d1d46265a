"""Progress of a long task, on a terminal and elsewhere."""

import io
from typing import Any

import pytest
from rich.console import Console

from ikusi import progress, terminal


class Clock:
    """A clock that only the test moves."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


def test_elsewhere_than_on_a_terminal_lines_come_now_and_then_and_at_the_end(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress.show("answering") as report:
        for done in range(10, 51, 10):
            report(done, 60)
            clock.now += 20
        report(60, 60, note="1 not reached")
    assert capsys.readouterr().err.splitlines() == [
        "30 of 60 rows, 0.5 rows/s, 1 min 0 s to go",
        "50 of 60 rows, 0.5 rows/s, 0 min 20 s to go",
        "60 of 60 rows, 0.5 rows/s, 1 not reached",
    ]


def test_rows_of_an_earlier_call_count_for_no_pace(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress.show("translating") as report:
        report(0, 100, known=0)
        clock.now += 10
        report(90, 100, known=85)
    assert capsys.readouterr().err == "90 of 100 rows, 0.5 rows/s, 0 min 20 s to go\n"


def test_what_is_done_at_the_first_report_took_the_time_before_it(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress.show("judging") as report:
        clock.now += 10
        report(5, 16, unit="games", known=4)
    assert capsys.readouterr().err == "5 of 16 games, 0.1 games/s, 1 min 50 s to go\n"


def test_each_unit_has_a_pace_of_its_own_and_no_time_to_go_without_a_total(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress.show("importing") as report:
        report(1_000)
        clock.now += 10
        report(0, unit="URLs")
        clock.now += 10
        report(20, unit="URLs", note="7 pictures")
    assert capsys.readouterr().err == "20 URLs, 2.0 URLs/s, 7 pictures\n"


def test_a_task_that_reported_nothing_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.show("importing"):
        pass
    assert capsys.readouterr().err == ""


def test_a_terminal_shows_a_bar_that_ends_at_the_last_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = io.StringIO()

    def console(**settings: Any) -> Console:
        return Console(file=written, force_terminal=True, width=100)

    monkeypatch.setattr(terminal, "open_console", console)
    with progress.show("answering") as report:
        for done in range(4):
            report(done, 3)
    last = [line for line in written.getvalue().splitlines() if "rows" in line][-1]
    assert "answering" in last and "3 of 3 rows" in last
