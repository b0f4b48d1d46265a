"""Journals of a translation: a line that changed on the disk is not believed."""

from pathlib import Path

from ikusi.data import rows as row_types
from ikusi.translate.contract import Outcome, Row
from ikusi.translate.shards import Made, Shards, make_key, record


def test_a_journalled_row_that_changed_is_asked_again(tmp_path: Path) -> None:
    shards, made = Shards(tmp_path), Made("engine", "checks", "rows")
    row = Row(0, "r", row_types.load("caption"), ["a house"])
    shards.journal(0, made, record(row, make_key(row.texts), Outcome(0, ["etxea"])))
    assert [kept["texts"] for kept, _ in shards.read_known(0, "engine").values()] == [["etxea"]]
    path = tmp_path / "journal" / "00000.jsonl"
    path.write_bytes(path.read_bytes().replace(b"etxea", b"etxeb"))
    assert shards.read_known(0, "engine") == {}
