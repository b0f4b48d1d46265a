"""Speeds of steps that are kept for plans."""

from pathlib import Path

import pytest

from ikusi import speeds
from ikusi.speeds import Speed

ONE = Speed(machine="m", kind="align", about="x", amount=10, rows=2, seconds=3)


def test_what_is_added_is_read_again(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "speeds.jsonl"
    speeds.add(ONE, place)
    speeds.add(ONE.model_copy(update={"about": "y"}), place)
    first, second = speeds.read(place)
    assert first.model_copy(update={"written": ""}) == ONE
    assert first.written
    assert speeds.select([first, second], "align", "y") == [second]


def test_lines_that_were_cut_or_spoiled_are_passed_over(tmp_path: Path) -> None:
    place = tmp_path / "speeds.jsonl"
    speeds.add(ONE, place)
    whole = place.read_text(encoding="utf-8")
    place.write_text(whole[:20] + "\n" + whole + "{}\n" + whole.replace("3.0", "-3.0"))
    assert len(speeds.read(place)) == 1
    assert speeds.read(tmp_path / "none") == []


def test_a_cache_that_cannot_be_written_costs_only_what_is_known(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    speeds.add(ONE, tmp_path / "file" / "speeds.jsonl")


def test_the_most_memory_is_of_this_process_alone() -> None:
    held = speeds.measure_peak_memory()
    assert held is None or 1e7 < held < 1e11


def test_the_older_half_goes_when_there_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speeds, "MOST_LINES", 4)
    place = tmp_path / "speeds.jsonl"
    for number in range(5):
        speeds.add(ONE.model_copy(update={"amount": number + 1.0}), place)
    assert [one.amount for one in speeds.read(place)] == [3, 4, 5]
