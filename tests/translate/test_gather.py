"""The corpus that a translation ends with."""

from pathlib import Path

import pyarrow.parquet as pq

from ikusi.data.corpus import Corpus
from ikusi.translate.gather import gather
from translate.jobs import columns, corpus, job, numbered, settings


def test_a_translation_that_is_no_good_row_is_set_aside_whatever_the_checks(tmp_path: Path) -> None:
    rows = [columns("choice", number) for number in range(4)]
    rows[2] = {"question": "what is it", "choices": ["a cat", "A cat"], "answer": 1}
    made = job(
        corpus(tmp_path / "corpus", "choice", rows),
        tmp_path / "work",
        chosen=settings(options="off"),
    )
    made.run()
    counts = gather(made, tmp_path / "out")
    assert (counts["rows_in"], counts["rows"], counts["quarantined"]) == (4, 3, 1)
    both = Corpus.open(tmp_path / "out")
    assert both.ids == ["row-0", "row-1", "row-3"]
    assert [row["choices"][0] for row in both.table("eu").to_pylist()] == ["A CAT"] * 3
    told = pq.read_table(tmp_path / "out" / "quarantine.parquet").to_pylist()
    reason = "choices: expected different choices, found ['A CAT', 'A CAT']"
    assert [(row["id"], row["reason"]) for row in told] == [("row-2", reason)]


def test_a_translated_corpus_that_lost_a_file_is_written_anew(tmp_path: Path) -> None:
    made = job(numbered(tmp_path / "corpus", "vqa", 6), tmp_path / "work")
    made.run()
    counts = gather(made, tmp_path / "out")
    for lost in ("eu.parquet", "images-00000.parquet", "corpus.json"):
        (tmp_path / "out" / lost).unlink()
        assert gather(made, tmp_path / "out") == counts
        assert len(Corpus.open(tmp_path / "out")) == 6
