"""One reader of an evaluation's rows: whatever the layout of the file, held in memory once."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compare.studies import Folder, even
from compare.test_runs import evaluation
from ikusi.compare.reading import Study
from ikusi.compare.rows import Rows
from ikusi.evaluate.rows import SCHEMA, Stretch

CODES = ("eu", "en")


@pytest.mark.parametrize("size", [7, 80, 1000])
def test_rows_are_those_of_the_benchmark_however_the_file_is_divided(
    size: int, tmp_path: Path
) -> None:
    table = pq.read_table(evaluation(tmp_path / "run") / "rows.parquet")
    path = tmp_path / "run" / "rows.parquet"
    pq.write_table(table, path, row_group_size=size)
    rows = Rows(tmp_path / "run", "run")
    assert rows.asked == [(name, code) for name in ("toy/choice", "toy/words") for code in CODES]
    for number, asked in enumerate(rows.asked):
        expected = table.slice(80 * number, 80)
        read = pa.Table.from_batches(Stretch(path, *asked).to_batches(), SCHEMA)
        assert read.equals(expected)
        scores = rows.scores(asked)
        assert list(scores.ids) == expected["id"].to_pylist()
        assert scores.correct.tolist() == expected["correct"].to_pylist()
        assert list(scores.groups) == expected["group"].to_pylist()
        some = rows.texts(asked, scores.ids[3:5], ["gold", "prediction"])
        assert some.equals(expected.slice(3, 2).select(["id", "gold", "prediction"]))


@pytest.mark.slow
def test_runs_that_were_asked_the_same_share_their_questions(tmp_path: Path) -> None:
    folder = Folder(tmp_path, ["grid.backbones=[english]", "grid.ratios=[0,1]"], pictures=3)
    folder.measure(even)
    study = Study(tmp_path)
    name = study.close_ended[0]
    first, second, *_ = (run.scores(name, study.target.code) for run in study.evaluations.values())
    assert first and second
    assert first.ids is second.ids and first.clusters is second.clusters
    assert first.correct is not second.correct


@pytest.mark.slow
def test_a_run_that_was_asked_something_else_keeps_its_own_questions(tmp_path: Path) -> None:
    folder = Folder(tmp_path, ["grid.backbones=[english]", "grid.ratios=[0,1]"], pictures=3)
    folder.measure(even)
    path = next((tmp_path / "evaluate").glob("*100*")) / "rows.parquet"
    table = pq.read_table(path)
    ids = pa.array([f"other-{row}" for row in table["id"].to_pylist()])
    pq.write_table(table.set_column(table.schema.get_field_index("id"), "id", ids), path)
    study = Study(tmp_path)
    scores = [run.scores(study.close_ended[0], "eu") for run in study.evaluations.values()]
    assert {one.ids[0].startswith("other-") for one in scores if one} == {True, False}
