"""Tables and archives that are damaged: what can be read is kept, the rest is counted and told."""

import errno
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.sources.hub import jpeg, tar
from ikusi import cli
from ikusi.data.corpus import Corpus
from ikusi.data.importing import import_corpus
from ikusi.data.sources import tables
from ikusi.data.sources.damage import BadLine
from ikusi.errors import InputError

ROWS = [{"id": f"r{n}", "question": f"what is {n}?", "answer": f"it is {n}"} for n in range(12)]


def table(path: Path, **settings: Any) -> Path:
    """Three row groups of four rows."""
    pq.write_table(pa.Table.from_pylist(ROWS), path, row_group_size=4, **settings)
    return path


def spoil(path: Path, group: int, column: int = 1) -> None:
    """Turn the bytes of a column around, in one row group."""
    about = pq.read_metadata(path).row_group(group).column(column)
    start = about.dictionary_page_offset or about.data_page_offset
    data = bytearray(path.read_bytes())
    middle = start + about.total_compressed_size // 2
    data[middle : middle + 8] = bytes(255 - byte for byte in data[middle : middle + 8])
    path.write_bytes(data)


def imported(folder: Path, path: Path) -> tuple[dict[str, int], list[str]]:
    """Counts of an import, and the rows that were kept."""
    counts = import_corpus("table", folder, path, row_type="instruction")
    assert counts["rows_in"] == counts["rows"] + counts["quarantined"] + counts["left_out"]
    return counts, Corpus.open(folder).ids


@pytest.mark.parametrize("checksums", [True, False])
def test_a_damaged_row_group_costs_its_rows_alone(tmp_path: Path, checksums: bool) -> None:
    # Of what is not compressed, checksums alone tell that a page is damaged.
    settings = {"write_page_checksum": True, "compression": "none"} if checksums else {}
    path = table(tmp_path / "rows.parquet", **settings)
    spoil(path, 1)
    counts, ids = imported(tmp_path / "out", path)
    assert ids == [row["id"] for row in (*ROWS[:4], *ROWS[8:])]
    assert counts[f"quarantined: row: expected to read row group 1 of {path}"] == 4
    bad = pq.read_table(tmp_path / "out" / "quarantine.parquet").to_pylist()
    assert [json.loads(row["row"]) for row in bad] == [f"row {n} of row group 1" for n in range(4)]


def test_rows_before_a_damaged_page_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "ROWS_AT_ONCE", 1)
    settings = {"data_page_size": 1, "write_batch_size": 1, "use_dictionary": False}
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS), path, compression="none", **settings)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"it is 6", b"it is \xff"))
    found = list(tables.read(str(path)))
    assert [row for row in found if isinstance(row, dict)] == [*ROWS[:6], *ROWS[7:]]
    [bad] = [row for row in found if isinstance(row, BadLine)]
    assert bad.reason.startswith(f"row: expected to read its cells in {path}, found Unicode")
    path.write_bytes(whole)
    spoil(path, 0)
    found = list(tables.read(str(path)))
    good = [row for row in found if isinstance(row, dict)]
    assert len(found) == 12 and 0 < len(good) < 12 and good == ROWS[: len(good)]


def test_a_file_that_says_too_much_was_lost_is_not_counted_row_by_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = table(tmp_path / "rows.parquet")
    spoil(path, 1)
    monkeypatch.setattr(tables, "MOST_LOST", 3)
    counts, ids = imported(tmp_path / "out", path)
    assert ids == ["r0", "r1", "r2", "r3"]
    assert counts[f"quarantined: rest: expected to read {path} to its end"] == 1


def test_a_file_that_cannot_be_opened_costs_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    broken = table(folder / "train-00000-of-00002.parquet")
    broken.write_bytes(broken.read_bytes()[:-20])
    table(folder / "train-00001-of-00002.parquet")
    counts, ids = imported(tmp_path / "out", folder)
    assert ids == [row["id"] for row in ROWS]
    assert counts["quarantined"] == 1
    assert any(f"to read {broken} to its end" in name for name in counts)


def test_an_archive_is_never_cut_in_silence(tmp_path: Path) -> None:
    members = {
        f"{n}.{end}": jpeg(n) if end == "jpg" else b"a" for n in range(3) for end in ("jpg", "txt")
    }
    path = tar(tmp_path / "rows.tar", members)
    data = path.read_bytes()
    whole = list(tables.read(str(path)))
    for cut in range(0, data.rindex(b"2.txt") + 1024, 256):
        path.write_bytes(data[:cut])
        found = list(tables.read(str(path)))
        good = [row for row in found if isinstance(row, dict)]
        assert good == whole[: len(good)] and len(good) < 3, cut
        *_, last = found
        assert isinstance(last, BadLine), cut
        assert last.reason.startswith(
            f"rest: expected to read {path} to its end, found ReadError: "
        )
        begun = [row.text for row in found[len(good) : -1] if isinstance(row, BadLine)]
        assert begun == ([str(len(good))] if cut >= 512 else []), cut


def test_joined_archives_are_read_to_the_end_of_the_last(tmp_path: Path) -> None:
    path = tar(tmp_path / "rows.tar", {"1.txt": b"a"})
    more = tar(tmp_path / "more.tar", {"2.txt": b"b"}).read_bytes()
    path.write_bytes(path.read_bytes() + more)
    assert [row["txt"] for row in tables.read(str(path)) if isinstance(row, dict)] == [b"a", b"b"]
    path.write_bytes(path.read_bytes()[: -len(more) + 1024])
    assert isinstance(list(tables.read(str(path)))[-1], BadLine)


def test_a_json_list_that_breaks_off_is_told_after_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(ROWS)[:-10])
    counts, ids = imported(tmp_path / "out", path)
    assert ids == [row["id"] for row in ROWS[:-1]]
    assert counts[f"quarantined: rest: expected to read {path} to its end"] == 1


def test_a_partial_import_ends_as_any_other_and_one_without_a_row_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = table(tmp_path / "rows.parquet")
    words = ["data", "import", "table", "row_type=instruction", "--path", str(path), "--output"]
    for damaged, code in ((range(1), 0), (range(1, 3), 3)):
        for group in damaged:
            spoil(path, group)
        with pytest.raises(SystemExit) as end:
            cli.main([*words, str(tmp_path / f"out{code}")])
        assert end.value.code == code
        out, err = capsys.readouterr()
        told = err if code else out
        assert f"row: expected to read row group 0 of {path}" in told
        assert not code or (err.count("\n") == 1 and "found none of 12" in err)
    assert not (tmp_path / "out3").exists()


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), MemoryError()])
def test_what_may_pass_ends_an_import_instead_of_thinning_it_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    path = table(tmp_path / "rows.parquet")
    about = pq.read_metadata(path).row_group(1).column(1)

    class Failing(io.FileIO):
        def read(self, size: int | None = -1, /) -> Any:
            if self.tell() <= about.data_page_offset < self.tell() + (size or 0):
                raise error
            return super().read(size)

    monkeypatch.setattr(tables, "_open", Failing)
    with pytest.raises(InputError, match=r"rows\.parquet: expected to read it to its end, found"):
        imported(tmp_path / "out", path)


def test_what_the_network_breaks_off_ends_an_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tar(tmp_path / "rows.tar", {"1.txt": b"a", "2.txt": b"b"}).read_bytes()
    monkeypatch.setattr(tables, "_open", lambda name: io.BytesIO(whole[:1500]))
    with pytest.raises(InputError, match=r"rows\.tar: expected to read it to its end, found"):
        list(tables.read("hf://datasets/someone/rows.tar"))
