"""Journals of a translation: what changed on the disk is not believed; a cut line costs itself."""

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


def test_a_row_journalled_after_a_torn_line_is_kept(tmp_path: Path) -> None:
    shards, made = Shards(tmp_path), Made("engine", "checks", "rows")
    rows = [Row(place, str(place), row_types.load("caption"), [f"{place}"]) for place in range(3)]
    path = tmp_path / "journal" / "00000.jsonl"
    for row in rows:
        shards.journal(0, made, record(row, make_key(row.texts), Outcome(row.place, ["etxea"])))
        if row.place == 1:
            path.write_bytes(path.read_bytes()[:-9])
    kept = [record["place"] for record, _ in shards.read_known(0, "engine").values()]
    assert kept == [0, 2]
