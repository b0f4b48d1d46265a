"""Tables of a study that the page folds away."""

from pathlib import Path

import pytest

from compare.studies import Folder
from data_rows import coloured
from ikusi.compare.reading import Study
from ikusi.data import judged
from ikusi.data.judged import Accepted
from ikusi.report import tables

ACCEPTED = Accepted(
    language="eu",
    share=0.85,
    low=0.767,
    high=0.907,
    items=100,
    ratings=160,
    raters=4,
    kind="person",
)


def test_corpora_say_how_many_of_their_rows_people_accepted(tmp_path: Path) -> None:
    corpus = coloured(tmp_path / "photos-eu", "instruction", ["red", "blue"])
    changes = [f"stages.instruct.corpus={corpus}"]
    made = Folder(tmp_path / "study", changes, name="emoji-eu-quick", pictures=2)
    made.draw()
    table = tables.tabulate_corpora(Study(made.path))
    rows = {str(row[0]): dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert rows[corpus.as_posix()]["rows"] == 2 and "benchmarks/vqa" in rows
    assert "accepted" not in table.columns
    judged.add_accepted(corpus, ACCEPTED)
    table = tables.tabulate_corpora(Study(made.path))
    rows = {str(row[0]): dict(zip(table.columns, row, strict=True)) for row in table.rows}
    found = rows[corpus.as_posix()]
    assert (found["accepted"], found["accepted_low"], found["judged"]) == (0.85, 0.767, 100)
    assert (found["raters"], found["judged_by"]) == (4, "person")
    assert rows["benchmarks/vqa"]["accepted"] is None


@pytest.mark.slow
def test_means_by_share_are_over_the_backbones_that_have_every_share(tmp_path: Path) -> None:
    changes = ["grid.exclude=[{backbones: [english], ratios: [0, 0.2, 1]}]"]
    made = Folder(tmp_path / "study", changes, pictures=6)
    made.measure(lambda run, bench, code: 0.1 if run and run.backbone == "english" else 0.8)
    table = tables.tabulate_in_short(Study(made.path))
    assert table.caption == "Mean score over the close-ended benchmarks and the backbone adapted"
    assert [row[:3] for row in table.rows][:4] == [[n, False, 1] for n in (0, 20, 80, 100)]
    assert len({row[3] for row in table.rows}) == 1 and float(str(table.rows[0][3])) > 0.5
