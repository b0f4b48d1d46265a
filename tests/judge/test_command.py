"""`ikusi judge` as people run it: stopped at any moment, priced before it starts, told plainly."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from ikusi.cli import main
from ikusi.judge import record
from ikusi.judgements import read as judgements_of
from judge import served
from judge.served import MODEL, Rule, by_hash
from judgements import answered

ROWS = 12


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    answered.corpus(tmp_path / "corpora" / "wildvision", ROWS)
    for name in ("latxa", "llama"):
        answered.run(tmp_path / "measured" / name, rows=ROWS)
    return tmp_path


def words(url: str, *more: str) -> list[str]:
    asked = ["judge", "measured/latxa", "measured/llama", "--benchmark", "wildvision"]
    return [*asked, "--language", "eu", "--model", MODEL, "--url", url, "--output", "judged", *more]


def ended(arguments: Sequence[str]) -> int:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    return int(stop.value.code or 0)


def test_a_command_judges_and_says_what_came_of_it(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with served.server(Rule(by_hash)).started() as server:
        assert ended(words(server.url, "--limit", "3", "--controls", "1")) == 0
    told = capsys.readouterr().out
    assert "8 games" in told and "8 played" in told and "ikusi judgements report judged" in told
    assert len(list(judgements_of(place / "judged"))) == 6


def test_a_dry_run_tells_requests_tokens_and_money(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--dry-run", "--price-in", "1000", "--price-out", "2000", "--controls", "0"]
    assert ended(words("http://127.0.0.1:9", *more)) == 0
    told = capsys.readouterr().out
    assert f"{MODEL}: 24 requests, " in told and "3,600 written (a rough guess)" in told
    assert not (place / "judged").exists()


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--family", "latxa"], "--family: expected MODEL=FAMILY, found latxa"),
        (["--prompt", "papr"], "prompt: expected one of arena_hard, paper, found papr"),
        (["--rubric", "gl"], "prompt: expected one of none, found paper"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(
    more: list[str], expected: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(words("http://127.0.0.1:9", *more)) == 3
    assert expected in capsys.readouterr().err
    assert not (place / "judged").exists()


@pytest.mark.slow
def test_a_killed_judge_goes_on_to_the_same_table(place: Path) -> None:
    with served.server(Rule(by_hash)).started() as server:
        server.wait = 0.05
        command = [sys.executable, "-m", "ikusi", *words(server.url, "--controls", "3")]
        process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": ":".join(sys.path)})
        games = place / "judged" / "games.jsonl"
        end = time.monotonic() + 60
        while not (games.is_file() and games.stat().st_size) and time.monotonic() < end:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        there = len(list(record.read(place / "judged")))
        assert 0 < there < 2 * ROWS + 6
        before = len(server.requests)
        assert ended(words(server.url, "--controls", "3")) == 0
        asked = [one for one in server.requests[before:] if len(one["messages"]) == 2]
    assert len(asked) == 2 * ROWS + 6 - there
    keys = [one.key for one in record.read(place / "judged")]
    assert len(keys) == len(set(keys)) == 2 * ROWS + 6
    sides = [(row.id, row.left) for row in judgements_of(place / "judged")]
    assert len(sides) == len(set(sides)) == 2 * ROWS
