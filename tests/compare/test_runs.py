"""Two evaluations compared: against hand counts, scipy, and what must never go unsaid."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from rich.console import Console
from scipy.stats import binomtest

from ikusi import claim, cli, statistics
from ikusi.compare import runs
from ikusi.compare.runs import DIFFERENCES, Comparison
from ikusi.errors import InputError
from ikusi.evaluate.rows import SCHEMA
from ikusi.report import compare as view

Change = Callable[[dict[str, Any]], dict[str, Any] | None]
"""What becomes of a row; none: it is left out."""


def evaluation(
    folder: Path,
    skill: float = 0.5,
    *,
    seed: int = 0,
    pictures: int = 40,
    benchmarks: tuple[str, ...] = ("toy/choice", "toy/words"),
    change: Change = lambda row: row,
) -> Path:
    """An evaluation of two questions about each picture, half of them of either group."""
    generator = np.random.default_rng(seed)
    rows = []
    for bench in benchmarks:
        for code in ("eu", "en"):
            for number in range(2 * pictures):
                score = float(generator.random() < skill)
                row = change(_row(bench, code, number, score))
                rows += [] if row is None else [row]
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), folder / "rows.parquet")
    metric = {"toy/choice": "accuracy", "toy/words": "inclusion"}
    figures = {
        bench: {code: {"all": {"metric": metric[bench]}} for code in ("eu", "en")}
        for bench in benchmarks
    }
    (folder / "results.json").write_text(json.dumps(figures))
    return folder


def _row(bench: str, code: str, number: int, score: float) -> dict[str, Any]:
    choice = bench == "toy/choice"
    gold = {"answer": 1, "choices": ["<no>", "yes"]} if choice else ["red", "reddish"]
    said = ("yes" if score else "<no>") if choice else ("red" if score else "")
    metrics = {"accuracy": score} if choice else {"inclusion": score, "coverage": score / 2}
    return dict.fromkeys(SCHEMA.names) | {
        "benchmark": bench,
        "language": code,
        "position": number,
        "id": f"q{number:03d}",
        "image_id": f"picture-{number // 2}",
        "group": "local" if number % 4 < 2 else "global",
        "question": f"{code}: what is <{number}>?",
        "gold": json.dumps(gold),
        "prediction": said,
        "correct": score,
        "metrics": json.dumps(metrics),
        "prompt_hash": f"{bench} {code} {number}",
    }


def only(bench: str, code: str, change: Change) -> Change:
    """A change of the rows of one benchmark and language."""
    return lambda row: change(row) if (row["benchmark"], row["language"]) == (bench, code) else row


def printed(comparison: Comparison, show: int = 0) -> str:
    file = io.StringIO()
    view.to_terminal(comparison, show, Console(file=file, width=400))
    return file.getvalue()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("pair")
    return evaluation(root / "weak", 0.4), evaluation(root / "strong", 0.8, seed=1)


def test_a_cell_holds_counts_scores_and_tests_of_the_rows_both_have(
    pair: tuple[Path, Path],
) -> None:
    first = runs.compare(pair).cells[0]
    left, right = (
        pq.read_table(folder / "rows.parquet", columns=["correct"])["correct"].to_numpy()[:80]
        for folder in pair
    )
    pictures = list(np.repeat(np.arange(40), 2))
    assert (first.benchmark, first.language, first.group) == ("toy/choice", "eu", "all")
    assert (first.n, first.clusters, first.metric) == (80, 40, "accuracy")
    assert first.right == (left.sum(), right.sum())
    assert first.baseline == statistics.bootstrap_interval(left, pictures, 10_000)
    assert first.score == statistics.bootstrap_interval(right, pictures, 10_000)
    assert first.difference == statistics.paired_difference(right, left, pictures, 10_000)
    won, lost = int((right > left).sum()), int((left > right).sum())
    expected = binomtest(won, won + lost).pvalue
    assert first.mcnemar == (won, lost, pytest.approx(expected))
    error = statistics.standard_error(right - left, pictures)
    assert first.detectable == pytest.approx(2.8016 * error, rel=1e-4)


@pytest.mark.slow
def test_p_values_are_corrected_over_all_runs_and_groups(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    third = evaluation(tmp_path / "third", 0.45, seed=2)
    found = runs.compare([*pair, third], by_group=True)
    assert [(cell.run, cell.group) for cell in found.cells[:3]] == [
        ("strong", "all"),
        ("strong", "global"),
        ("strong", "local"),
    ]
    assert len(found.cells) == 2 * 2 * 2 * 3
    assert found.cells[0].n == found.cells[1].n + found.cells[2].n
    raw = [cell.difference.p_value for cell in found.cells]
    assert [cell.adjusted for cell in found.cells] == statistics.holm(raw)
    assert any(cell.differs for cell in found.cells)


def test_the_order_of_rows_in_a_file_changes_nothing(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    table = pq.read_table(pair[1] / "rows.parquet")
    mixed = tmp_path / "strong"
    mixed.mkdir()
    halves = [table.slice(160), table.slice(0, 160)]
    backwards = [half.take(np.arange(160)[::-1]) for half in halves]
    pq.write_table(pa.concat_tables(backwards), mixed / "rows.parquet")
    (mixed / "results.json").write_bytes((pair[1] / "results.json").read_bytes())
    once, again = runs.compare(pair), runs.compare([pair[0], mixed])
    assert list(map(asdict, once.cells)) == list(map(asdict, again.cells))
    assert once.differences.equals(again.differences)


def test_another_metric_is_compared_where_both_have_it(pair: tuple[Path, Path]) -> None:
    plain, halved = runs.compare(pair), runs.compare(pair, metric="coverage")
    assert [(cell.benchmark, cell.metric) for cell in halved.cells] == [
        ("toy/words", "coverage"),
        ("toy/words", "coverage"),
    ]
    assert halved.cells[0].difference.mean == pytest.approx(plain.cells[2].difference.mean / 2)
    assert halved.cells[0].mcnemar is None and plain.cells[2].mcnemar
    assert "toy/choice eu, toy/choice en" in printed(halved)
    with pytest.raises(InputError, match=r"found coverag \(did you mean coverage\?\)"):
        runs.compare(pair, metric="coverag")


@pytest.mark.slow
def test_rows_benchmarks_and_prompts_that_only_one_has_are_told(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    def fewer(row: dict[str, Any]) -> dict[str, Any] | None:
        return None if row["id"] < "q003" else row

    def reworded(row: dict[str, Any]) -> dict[str, Any]:
        words = "what?" if row["id"] == "q007" else row["question"]
        return row | {"prompt_hash": "other", "question": words}

    short = evaluation(tmp_path / "short", change=only("toy/choice", "eu", fewer))
    found = runs.compare([pair[0], short])
    assert found.unmatched[0][3:] == (77, 3, 0, 0, 0, 0, 0)
    assert found.cells[0].n == 77
    text = "Left out of toy/choice eu: 3 rows only in weak, 0 only in short; 77 in both."
    assert text in printed(found)
    other = evaluation(tmp_path / "other", change=only("toy/words", "en", reworded))
    told = printed(runs.compare([pair[0], other]))
    assert "Other prompts in toy/words en: 80 of 80 rows of other (1 in other words)." in told
    assert "Other prompts in toy/words eu" not in told
    words = evaluation(tmp_path / "words", benchmarks=("toy/words",))
    told = printed(runs.compare([pair[0], words]))
    assert "as words has no scores there: toy/choice eu, toy/choice en" in told


def test_answers_that_failed_or_are_only_kept_are_told(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    def kept(row: dict[str, Any]) -> dict[str, Any]:
        return row | {"gold": None, "metrics": "{}", "correct": None}

    def failed(row: dict[str, Any]) -> dict[str, Any]:
        return row | ({"failure": "too long"} if row["id"] < "q004" else {})

    folders = [
        evaluation(tmp_path / name, skill, change=only("toy/words", "eu", kept))
        for name, skill in (("one", 0.4), ("two", 0.6))
    ]
    found = runs.compare(folders)
    assert len(found.cells) == 3
    assert "as one or two has no scores there: toy/words eu." in printed(found)
    broken = evaluation(tmp_path / "broken", change=only("toy/choice", "en", failed))
    told = printed(runs.compare([pair[0], broken]))
    assert "Without an answer in toy/choice en, and scored as that: 0 of weak, 4 of broken." in told


@pytest.mark.parametrize(
    ("column", "value"),
    [("gold", json.dumps({"answer": 0, "choices": ["<no>", "yes"]})), ("image_id", "elsewhere")],
)
def test_another_question_under_the_same_id_is_an_error(
    pair: tuple[Path, Path], tmp_path: Path, column: str, value: str
) -> None:
    def changed(row: dict[str, Any]) -> dict[str, Any]:
        return row | {column: value} if row["id"] == "q005" else row

    other = evaluation(tmp_path / "other", change=only("toy/choice", "en", changed))
    with pytest.raises(InputError, match=f"toy/choice en: row q005: expected one {column}"):
        runs.compare([pair[0], other])


def test_gold_written_with_other_spaces_is_the_same(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    def spaced(row: dict[str, Any]) -> dict[str, Any]:
        return row | {"gold": json.dumps(json.loads(row["gold"]), indent=1)}

    assert len(runs.compare([pair[0], evaluation(tmp_path / "other", change=spaced)]).cells) == 4


def test_input_that_cannot_be_compared_is_told_in_one_line(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    def twice(row: dict[str, Any]) -> dict[str, Any]:
        return row | {"id": "q001" if row["id"] == "q002" else row["id"]}

    def scoreless(row: dict[str, Any]) -> dict[str, Any]:
        return row | {"correct": None if row["id"] == "q009" else row["correct"]}

    doubled = evaluation(tmp_path / "doubled", change=twice)
    unscored = evaluation(tmp_path / "unscored", change=scoreless)
    renamed = evaluation(tmp_path / "renamed")
    figures = (renamed / "results.json").read_text().replace("inclusion", "coverage")
    (renamed / "results.json").write_text(figures)
    empty = evaluation(tmp_path / "empty", benchmarks=())
    for others, message in [
        ([], "expected two or more, found 1"),
        ([pair[0]], "expected different evaluations, found it twice"),
        ([tmp_path], r"found no rows\.parquet"),
        ([doubled], "toy/choice eu: row q001: expected each id once, found it twice"),
        ([unscored], r"row q009: expected a score \(correct\), found none"),
        ([renamed], "found inclusion in weak and coverage in renamed"),
        ([empty], "expected rows in common, found none: .*; empty has no rows"),
    ]:
        with pytest.raises(InputError, match=message):
            runs.compare([pair[0], *others])
    with pytest.raises(InputError, match="bootstrap: expected 160 or more for 4 comparisons"):
        runs.compare(pair, resamples=159)


@pytest.mark.slow
def test_runs_that_agree_everywhere_have_no_detectable_difference(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    twin = evaluation(tmp_path / "twin", 0.4)
    found = runs.compare([pair[0], twin], by_group=True)
    differences = [cell.difference for cell in found.cells]
    assert all((one.mean, one.p_value) == (0, 1) for one in differences)
    # As many pictures as there are could all agree although the runs differ by a little.
    assert all(one.low < 0 < one.high for one in differences)
    assert not any(cell.differs for cell in found.cells)
    assert all(cell.detectable is None for cell in found.cells)
    assert found.differences.num_rows == 0
    assert view.write(found, tmp_path / "out").is_file()


def test_few_pictures_that_differ_are_not_overrated(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    def better(row: dict[str, Any]) -> dict[str, Any]:
        lucky = row["id"] in ("q000", "q002", "q004", "q006", "q008")
        return row | {"correct": 1.0} if lucky else row | {"correct": 0.0}

    def worse(row: dict[str, Any]) -> dict[str, Any]:
        return row | {"correct": 0.0}

    folders = [
        evaluation(tmp_path / name, pictures=20, change=change)
        for name, change in (("worse", worse), ("better", better))
    ]
    found = runs.compare(folders)
    assert {cell.difference.p_value for cell in found.cells} == {2 * 0.5**5}
    assert {cell.detectable for cell in found.cells} == {None}
    assert "Few pictures: 4 comparisons with fewer than 30" in printed(found)


def test_runs_with_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    one, other = (evaluation(tmp_path / f"study-{i}" / "same", seed=i) for i in (1, 2))
    found = runs.compare([one, other])
    assert (found.baseline, *found.runs) == ("study-1/same", "study-2/same")


def test_differing_rows_hold_both_answers(pair: tuple[Path, Path]) -> None:
    found = runs.compare(pair)
    rows = found.differences.to_pylist()
    assert found.differences.schema == DIFFERENCES
    assert len(rows) == sum(sum(cell.mcnemar[:2]) for cell in found.cells if cell.mcnemar)
    for row in rows:
        assert row["baseline_score"] != row["run_score"]
        if row["benchmark"] == "toy/choice":
            expected = {1.0: "yes", 0.0: "<no>"}
            assert row["run_prediction"] == expected[row["run_score"]]
            assert row["baseline_prediction"] == expected[row["baseline_score"]]
    picked = runs.pick_examples(found, 8)
    kinds = {(r["benchmark"], r["language"], r["run_score"]) for r in picked}
    assert len(kinds) == 8
    assert printed(found, show=3).count("question:") == 3


@pytest.mark.slow
def test_what_is_written_is_whole_and_the_same_each_time(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    for name in ("once", "again"):
        view.write(runs.compare(pair, by_group=True), tmp_path / name)
    files = sorted(p.name for p in (tmp_path / "once").iterdir() if p.name != claim.MARKER)
    assert files == [
        *["comparison.json", "differences.parquet", "differences.png", "differences.svg"],
        *["index.html", "table.csv"],
    ]
    for name in files:
        assert (tmp_path / "once" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    with (tmp_path / "once" / "table.csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    told = json.loads((tmp_path / "once" / "comparison.json").read_text("utf-8"))
    assert [float(row["difference"]) for row in table] == [
        cell["difference"] for cell in told["cells"]
    ]
    assert told["baseline"] == "weak" and told["runs"] == ["strong"]
    page = (tmp_path / "once" / "index.html").read_text("utf-8")
    assert page.count('<th scope="row">toy/choice</th>') == 6
    assert "&lt;no&gt;" in page and "<no>" not in page
    assert "http" not in page.replace("http://www.w3.org", "")
    with Image.open(tmp_path / "once" / "differences.png") as image:
        assert len(set(image.convert("L").get_flattened_data())) > 20


@pytest.mark.slow
def test_a_run_of_a_study_stands_for_its_evaluation(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, skill in (("english-eu000", 0.4), ("english-eu020", 0.8)):
        evaluation(tmp_path / "evaluate" / name, skill, seed=int(10 * skill))
        (tmp_path / "instruct" / name).mkdir(parents=True)
    runs = [str(tmp_path / "instruct" / name) for name in ("english-eu000", "english-eu020")]
    with pytest.raises(SystemExit) as end:
        cli.main(["compare", *runs, "--show", "1", "--output", str(tmp_path / "out")])
    shown = capsys.readouterr().out
    assert not end.value.code
    assert "english-eu020 against english-eu000" in shown and "question: eu: what is" in shown
    page = (tmp_path / "out" / "index.html").read_text("utf-8")
    legend = page.partition('aria-label="Legend"')[2].partition("</ul>")[0]
    assert [name for name in ("eu", "en") if f"</svg> {name}</li>" in legend] == ["eu", "en"]


@pytest.mark.slow
def test_comparing_needs_no_tensor_library() -> None:
    code = (
        "import sys, ikusi.compare.runs, ikusi.report.compare\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
