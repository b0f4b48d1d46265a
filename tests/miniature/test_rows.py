"""The miniature's rows as plain files, and read back by the import that reads people's own."""

import json
from pathlib import Path
from typing import Any

import pytest

from ikusi.data.corpus import Corpus
from ikusi.data.importing import import_corpus
from ikusi.miniature.rows import write_miniature_rows

SMALL: dict[str, Any] = {
    "concepts": 12,
    "captions": 2,
    "conversations": 3,
    "questions": 2,
    "image_size": 32,
}


@pytest.mark.slow
def test_rows_are_tables_beside_pictures_that_the_import_reads(tmp_path: Path) -> None:
    rows = write_miniature_rows(tmp_path / "rows", "eu", **SMALL)
    kinds = {
        "captions": ("caption", 2),
        "instructions": ("instruction", 3),
        "questions": ("vqa", 6),
    }
    for name, (row_type, count) in kinds.items():
        table = rows / name / "rows.jsonl"
        lines = [json.loads(line) for line in table.read_text(encoding="utf-8").splitlines()]
        assert len(lines) == count
        import_corpus(
            "table", tmp_path / name, table, row_type=row_type, languages=["eu", "en"]
        )  # fmt: skip
        corpus = Corpus.open(tmp_path / name)
        assert corpus.ids == [line["id"] for line in lines]
        for line in lines:
            place = corpus.ids.index(line["id"])
            row = corpus.row("eu", place)
            key = {"caption": "text", "instruction": "turns", "vqa": "answers"}[row_type]
            assert row[key] == line[f"eu.{key}"] != line[f"en.{key}"]
            assert row["group"] == line.get("group")
            picture = rows / name / "images" / line["image"]
            assert corpus.image_bytes(row["image_id"]) == picture.read_bytes()


@pytest.mark.slow
def test_rows_that_are_there_are_not_drawn_again_unless_they_are_others(tmp_path: Path) -> None:
    table = write_miniature_rows(tmp_path / "rows", "eu", **SMALL) / "captions" / "rows.jsonl"
    made = table.stat().st_mtime_ns
    write_miniature_rows(tmp_path / "rows", "eu", **SMALL)
    assert table.stat().st_mtime_ns == made
    write_miniature_rows(tmp_path / "rows", "eu", **(SMALL | {"captions": 4}))
    assert len(table.read_text(encoding="utf-8").splitlines()) == 4
