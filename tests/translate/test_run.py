"""The whole path, as the command line goes it, with a real program as the engine."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ikusi import cli
from ikusi.data.corpus import Corpus
from ikusi.errors import InputError
from ikusi.translate import run, settings
from ikusi.translate.job import Progress
from translate.jobs import OFF, corpus, numbered

RECIPE = """
name: capitals
language: eu
engine: {kind: command, command: [tr, a-z, A-Z], blank_lines: false}
checks: CHECKS
shard_rows: 4
""".replace("CHECKS", json.dumps(OFF))


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "capitals.yaml").write_text(RECIPE)
    return tmp_path / "capitals.yaml"


def command(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main([str(argument) for argument in arguments])
    return end.value.code if isinstance(end.value.code, int) else int(end.value.code is not None)


def test_one_command_makes_a_parallel_corpus_and_a_report(
    tmp_path: Path, recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbered(tmp_path / "corpus", "choice", 10)
    asked = ["translate", recipe, "--corpus", tmp_path / "corpus", "--output", tmp_path / "out"]
    assert command(*asked) == 0
    shown = capsys.readouterr()
    assert shown.out.split()[:6] == ["10", "rows", "in", "10", "rows", "0"]
    assert shown.out.splitlines()[-1] == f"report: {tmp_path / 'out.work/report.html'}"
    assert "10 of 10 rows" in shown.err
    both = Corpus.open(tmp_path / "out")
    assert both.row("eu", 3)["choices"] == ["A CAT", "A DOG", "HAT 3"]
    assert (tmp_path / "out.work/report.html").stat().st_size > 1000
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["settings"]["engine"]["command"] == ["tr", "a-z", "A-Z"]


@pytest.mark.slow
def test_workers_leave_the_corpus_to_a_last_call(tmp_path: Path, recipe: Path) -> None:
    numbered(tmp_path / "corpus", "caption", 10)
    loaded, folder = settings.load(recipe), tmp_path / "corpus"
    parts = [run.translate(loaded, folder, tmp_path / "out", rank=rank, world=2) for rank in (0, 1)]
    assert [part["rows"] for part in parts] == [6, 4]
    assert not (tmp_path / "out").exists()
    assert run.translate(loaded, folder, tmp_path / "out")["rows"] == 10


def test_a_dry_run_counts_tokens_and_writes_nothing(tmp_path: Path, recipe: Path) -> None:
    corpus(tmp_path / "corpus", "caption", [{"text": "a cat"}] * 3 + [{"text": "two dogs"}])
    estimate = run.estimate(settings.load(recipe), tmp_path / "corpus", tmp_path / "out")
    assert (estimate.rows, estimate.asked) == (4, 2)
    assert estimate.read > 0
    assert "4, of which 2 are not repeats of an earlier row" in estimate.describe()
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "out.work").exists()


def test_a_corpus_in_another_language_is_refused(tmp_path: Path, recipe: Path) -> None:
    numbered(tmp_path / "corpus", "caption", 3)
    loaded = settings.load(recipe, ["language=en", "source_language=eu"])
    with pytest.raises(InputError, match="expected rows in eu, found en"):
        run.translate(loaded, tmp_path / "corpus", tmp_path / "out")


def test_a_round_trip_scores_every_row(tmp_path: Path, recipe: Path) -> None:
    numbered(tmp_path / "corpus", "caption", 5)
    back = "{engine: {kind: command, command: [tr, A-Z, a-z], blank_lines: false}, chrf: 99.9}"
    loaded = settings.load(recipe, [f"checks.round_trip={back}"])
    run.translate(loaded, tmp_path / "corpus", tmp_path / "out")
    scores = pq.read_table(tmp_path / "out/eu.parquet").to_pydict()
    assert scores["score"] == pytest.approx([100.0] * 5)
    assert scores["flags"] == [[]] * 5


def test_a_bad_round_trip_is_flagged_or_refused(tmp_path: Path, recipe: Path) -> None:
    numbered(tmp_path / "corpus", "caption", 5)
    engine = "{kind: command, command: [tr, A-Z, z], blank_lines: false}"
    flag, refuse = (
        settings.load(recipe, [f"checks.round_trip={{engine: {engine}, action: {action}}}"])
        for action in ("flag", "refuse")
    )
    counts = run.translate(flag, tmp_path / "corpus", tmp_path / "flag")
    assert (counts["rows"], counts["quarantined"]) == (5, 0)
    found = pq.read_table(tmp_path / "flag" / "eu.parquet")["flags"].to_pylist()
    assert found == [["round_trip"]] * 5
    with pytest.raises(
        InputError, match="some row to be translated, found none of 5: 5 x round_tr"
    ):
        run.translate(refuse, tmp_path / "corpus", tmp_path / "refuse")
    assert not (tmp_path / "refuse").exists()


def test_progress_names_the_rows_without_a_translation() -> None:
    assert Progress(total=3, ok=2, unreached=1).rest() == "1 not reached"
    assert Progress(total=9, quarantined=2, unreached=1).rest() == "2 quarantined, 1 not reached"
    assert Progress(total=3, ok=3).rest() == ""
