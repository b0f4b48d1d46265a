"""The table on disk: nothing is lost, nothing half written, one writer at a time."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ikusi.errors import InputError
from ikusi.judgements import Judgement, append, open_journal, read
from ikusi.judgements.journal import QUARANTINE, TABLE
from judgements.samples import MADE, compared, validated

ROWS = [validated(f"{n}", "ane", "accept", note=f"oharra {n} \u2028 'x'") for n in range(3)]


def test_what_is_appended_is_read_back_equal_and_in_order(tmp_path: Path) -> None:
    full = compared(
        "4",
        "gpt-5",
        "tie",
        kind="model",
        criteria={"relevance": "A", "language": "invalid"},
        correction={"question": "Zer da?\nHau."},
        reasons=["meaning", "grammar"],
        seconds=2.5,
        seed=7,
        prompt_hash="ab12",
        raw='{"verdict": "tie"}\x00',
    )
    assert append(tmp_path / "t", ROWS[:2]) == 2
    assert append(tmp_path / "t", [ROWS[2], full]) == 2
    assert append(tmp_path / "t", []) == 0
    assert list(read(tmp_path / "t")) == [*ROWS, full]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"verdict": "acept"}, "verdict: expected reject or accept or skipped"),
        ({"verdict": "acept"}, "found acept (did you mean accept?)"),
        ({"verdict": "A"}, "verdict: expected reject or accept"),
        ({"kind": "robot"}, "kind: expected person or model or simulated, found robot"),
        ({"task": "valdate"}, "task: expected validate or compare or select or own, found valdate"),
        ({"rater": " "}, "rater: expected a name on one line"),
        ({"rater": "a\nb"}, "rater: expected a name on one line"),
        ({"id": 4}, "id: expected text, found 4"),
        ({"made": "2026-11-28T10:00:00"}, "made: expected a time with its zone"),
        ({"made": "yesterday"}, "made: expected a time with its zone"),
        ({"left": "latxa"}, "left: expected nothing, as nothing is compared, found latxa"),
        ({"seconds": -1.0}, "seconds: expected at least 0, found -1"),
        ({"seconds": float("nan")}, "seconds: expected a number"),
        ({"reasons": ["a;b"]}, "reasons[0]: expected a reason without a semicolon"),
        ({"criteria": {"tone": "tie"}}, "criteria.tone: expected reject or accept"),
        (
            {"verdit": "accept"},
            "verdit: expected a known key, found verdit (did you mean verdict?)",
        ),
        ({"task": "compare", "verdict": "A"}, "left: expected the model whose answer stood there"),
    ],
)
def test_a_row_that_is_no_judgement_is_told_in_one_line(
    changed: dict[str, Any], message: str
) -> None:
    from ikusi.judgements.judgement import parse

    with pytest.raises(InputError) as told:
        parse({**ROWS[0].model_dump(), **changed}, "votes.csv: row 7")
    assert message in str(told.value)
    assert str(told.value).startswith("votes.csv: row 7: ") and "\n" not in str(told.value)


def test_two_answers_of_one_model_are_not_compared() -> None:
    with pytest.raises(ValueError, match="another model than llama"):
        compared("1", "ane", "tie", left="llama", right="llama")


def test_times_are_kept_so_that_they_sort(tmp_path: Path) -> None:
    row = validated("1", "ane", "accept", made="2026-11-28T10:00:00+01:00")
    assert row.made == "2026-11-28T09:00:00.000000Z" < MADE


def test_a_damaged_line_is_told_with_its_number(tmp_path: Path) -> None:
    append(tmp_path / "t", ROWS)
    path = tmp_path / "t" / TABLE
    path.write_text(path.read_text("utf-8").replace('"2"', '"2', 1), "utf-8")
    with pytest.raises(InputError, match=rf"{TABLE}:3: expected a row as JSON"):
        list(read(tmp_path / "t"))


def test_a_folder_without_a_table_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"expected a folder of judgements, found no {TABLE}"):
        list(read(tmp_path))


def test_a_line_that_was_cut_is_no_row_and_is_kept_apart(tmp_path: Path) -> None:
    """As a process leaves it that is killed, or a machine whose power fails."""
    append(tmp_path / "t", ROWS)
    path = tmp_path / "t" / TABLE
    whole = path.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    for kept in range(1, len(last) - 1, 25):
        path.write_bytes(whole[: len(whole) - len(last) + kept])
        assert list(read(tmp_path / "t")) == ROWS[:2]
        append(tmp_path / "t", ROWS[2:])
        assert list(read(tmp_path / "t")) == ROWS
        lines = (tmp_path / "t" / QUARANTINE).read_text("utf-8").splitlines()
        assert json.loads(lines[-1])["text"] == last[:kept].decode()
        assert "cut while it was written" in json.loads(lines[-1])["reason"]


def test_a_row_that_lacks_only_the_end_of_its_line_counts(tmp_path: Path) -> None:
    append(tmp_path / "t", ROWS[:2])
    path = tmp_path / "t" / TABLE
    path.write_bytes(path.read_bytes()[:-1])
    assert list(read(tmp_path / "t")) == ROWS[:2]
    append(tmp_path / "t", ROWS[2:])
    assert list(read(tmp_path / "t")) == ROWS
    assert not (tmp_path / "t" / QUARANTINE).exists()


def test_one_process_at_a_time_adds_and_all_may_read(tmp_path: Path) -> None:
    with open_journal(tmp_path / "t") as journal:
        journal.append(ROWS[:1])
        with pytest.raises(InputError, match="expected no other run on this folder"):
            append(tmp_path / "t", ROWS)
        assert list(read(tmp_path / "t")) == ROWS[:1]


def test_a_folder_of_somebody_elses_is_not_added_to(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="expected a new or empty folder"):
        append(tmp_path, ROWS)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


CODE = """
import resource, sys
from pathlib import Path
from ikusi.errors import InputError
from ikusi.judgements import append
from judgements.samples import validated
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    append(Path(sys.argv[1]), [validated(str(n), "ane", "accept") for n in range(3, 50)])
except InputError as error:
    sys.exit(str(error))
"""


def run_limited(folder: Path, limit: int) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", CODE, str(folder), str(limit)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    return done.stderr


@pytest.mark.slow
def test_rows_that_do_not_all_fit_are_all_left_out(tmp_path: Path) -> None:
    assert resource.RLIM_INFINITY
    append(tmp_path / "t", ROWS)
    before = (tmp_path / "t" / TABLE).read_bytes()
    told = run_limited(tmp_path / "t", len(before) + 1000)
    assert "found a limit on its size" in told and told.count("\n") == 1
    assert (tmp_path / "t" / TABLE).read_bytes() == before


LOOP = """
import sys
from pathlib import Path
from ikusi.judgements import open_journal
from judgements.samples import validated
with open_journal(Path(sys.argv[1])) as journal:
    for n in range(int(sys.argv[2]), 10**6):
        journal.append([validated(str(n), "ane", "accept")])
        print(n, flush=True)
"""


@pytest.mark.slow
def test_what_append_has_returned_for_survives_a_kill(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    start = 0
    for _ in range(3):
        command = [sys.executable, "-c", LOOP, str(tmp_path / "t"), str(start)]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as made:
            assert made.stdout is not None
            made.stdout.readline()
            time.sleep(0.2)
            made.send_signal(signal.SIGKILL)
            promised = [int(line) for line in made.stdout.read().split()]
        kept = [int(row.id) for row in read(tmp_path / "t")]
        assert kept == list(range(len(kept)))
        assert len(kept) > max(promised, default=start)
        start = len(kept)


def test_a_judgement_needs_no_optional_field() -> None:
    row = Judgement.model_validate_json(ROWS[0].to_json())
    assert row == ROWS[0] and "seconds" not in ROWS[0].to_json()
