"""The openers beneath the data sets: tables, cells, captions, joins and samples."""

import json
import os
import tarfile
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.sources.hub import bad, cell, good, jpeg, lines, read, tar, written, zipped
from ikusi.data import sources
from ikusi.data.importing import import_corpus
from ikusi.data.rows import cells
from ikusi.data.sources import tables
from ikusi.data.sources.base import BadRow, Item, LeftOut, SourceRow
from ikusi.data.sources.cc3m import detokenise
from ikusi.data.sources.damage import BadLine
from ikusi.data.sources.pictures import find_in_place
from ikusi.data.sources.spool import join_rows, sample_rows
from ikusi.data.sources.tables import Origin
from ikusi.errors import InputError


def test_every_source_says_what_it_is() -> None:
    names = [source.name for source in sources.list_sources()]
    assert names == sorted(names) and len(set(names)) == len(names) >= 10
    for source in sources.list_sources():
        assert source.about and source.licence and source.languages
        assert str(source).startswith(source.name)


def test_a_wrong_name_gets_the_near_one() -> None:
    with pytest.raises(InputError, match=r"found aokvqq \(did you mean aokvqa\?\)"):
        sources.load("aokvqq")


@pytest.mark.slow
@given(st.lists(st.dictionaries(st.text(max_size=5), st.integers() | st.text() | st.none())))
def test_a_json_list_reads_as_the_standard_library_reads_it(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    path = tmp_path_factory.mktemp("list") / "rows.json"
    path.write_text(json.dumps(rows, indent=1, ensure_ascii=False), encoding="utf-8", newline="\n")
    assert list(tables.read(str(path))) == json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("chunk", [1, 7, 64])
def test_a_json_list_is_read_in_pieces_of_any_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    rows = [{"id": n, "text": 'a \\ " ] } ñ' * n, "of": [{"a": [n]}, 1.5e10]} for n in range(9)]
    monkeypatch.setattr(tables, "CHUNK", chunk)
    assert list(tables.read(str(written(tmp_path / "rows.json", rows)))) == rows


def test_a_bad_line_stops_no_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"id": 1}\n\n{"id": \n[1]\n{"id": "\xff"}\n{"id": 2}')
    found = list(tables.read(str(path)))
    assert [row for row in found if isinstance(row, dict)] == [
        {"id": 1},
        {"id": "\udcff"},  # which the schema refuses to store
        {"id": 2},
    ]
    reasons = [row.reason for row in found if isinstance(row, BadLine)]
    assert reasons[0].startswith("row: expected JSON")
    assert reasons[1] == "row: expected keys and values, found [1]"


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("rows.parquet", b"no parquet", r"to read .*rows.parquet to its end \(1\)"),
        ("rows.tar", b"no tar at all", r"to read .*rows.tar to its end \(1\)"),
        ("rows.xyz", b"", "expected a file that ends in one of"),
    ],
)
def test_a_file_of_the_wrong_kind_is_told(
    tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=told):
        import_corpus("pixmo_ama", tmp_path / "out", tmp_path / name)


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a file or folder, found none"):
        read("vqav2", tmp_path / "nowhere")
    with pytest.raises(InputError, match="expected a data set, found none"):
        read("vqav2", tmp_path)
    with pytest.raises(InputError, match="lmms-lab/VQAv2: expected a data set, found none"):
        read("vqav2", None)  # the tests are cut off from the hub


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1, max_size=5))
def test_written_lists_are_read_back(items: list[str]) -> None:
    assert cells.read_texts(json.dumps(items), "choices") == items
    assert cells.read_texts(repr(items), "choices") == items
    assert cells.read_texts("[" + "\n ".join(map(repr, items)) + "]", "choices") == items


@pytest.mark.parametrize("value", [None, 3, "", "a", "[a, b]", "['a', 2]", "['a'", {"a": 1}, [1]])
def test_what_is_no_list_of_texts_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match="choices: expected a list of texts"):
        cells.read_texts(value, "choices")


@pytest.mark.parametrize("value", [None, "", "two", 1.5, "1.5", True, "nan", [1], float("inf")])
def test_what_is_no_whole_number_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match="answer: expected a whole number"):
        cells.read_whole(value, "answer")


@pytest.mark.parametrize(
    ("tokens", "caption"),
    [
        ("a man , a dog .", "a man, a dog."),
        ("it 's here , is n't it ?", "it's here, isn't it?"),
        ("we 've seen they 're new and i 'm old", "we've seen they're new and i'm old"),
        ("the girls ' team won", "the girls' team won"),
        ("`` hello '' , he said", '"hello", he said'),
        ('a sign reads " open " today', 'a sign reads "open" today'),
        ("a sign ' keep out ' there", "a sign 'keep out' there"),
        ("a book -lrb- new -rrb- .", "a book (new)."),
        ("photo : view of lake ; trees !", "photo: view of lake; trees!"),
        ("a close - up of a t - shirt", "a close-up of a t-shirt"),
        ("black - and - white photo", "black-and-white photo"),
        ("person - a novel", "person - a novel"),
        ("it costs $ 5 or # 1 at 50 % off", "it costs $5 or #1 at 50% off"),
        ("you can not go ...", "you cannot go..."),
        ("  two   spaces ", "two spaces"),
        ("it's fine already, isn't it?", "it's fine already, isn't it?"),
    ],
)
def test_captions_are_put_together_as_one_writes_them(tokens: str, caption: str) -> None:
    assert detokenise(tokens) == caption
    assert detokenise(caption) == caption


@given(st.text(st.sampled_from("ab s.,'\"`-()%$n't"), max_size=40))
def test_putting_captions_together_loses_no_letter(tokens: str) -> None:
    kept = Counter(letter for letter in tokens if letter in "abstn")
    assert Counter(letter for letter in detokenise(tokens) if letter in "abstn") == kept


def row(id: int, text: str = "x", stratum: str = "") -> SourceRow:
    return SourceRow(f"{id}", None, {text: {"text": text}}, stratum=stratum)


def both(first: SourceRow, second: SourceRow) -> SourceRow:
    return SourceRow(first.id, None, {**first.texts, **second.texts})


@pytest.mark.slow
@given(st.lists(st.integers(0, 9), max_size=12), st.lists(st.integers(0, 9), max_size=12))
def test_a_join_loses_nothing(ours: list[int], theirs: list[int]) -> None:
    first, second = [row(id, "en") for id in ours], [row(id, "eu") for id in theirs]
    items = list(join_rows(first, second, both, ("en", "eu")))
    pairs = good(items)
    assert [item.id for item in pairs] == [
        str(id) for place, id in enumerate(ours) if id in theirs and id not in ours[:place]
    ]
    assert all(set(item.texts) == {"en", "eu"} for item in pairs)
    assert len(items) + len(pairs) == len(ours) + len(theirs)


def ids(items: list[Item]) -> list[str]:
    return [item.id for item in good(items)]


@pytest.mark.slow
@given(st.integers(1, 60), st.integers(0, 40), st.integers(1, 20), st.integers(0, 3))
def test_a_sample_stays_when_the_data_set_grows(
    size: int, more: int, count: int, seed: int
) -> None:
    before = ids(list(sample_rows(map(row, range(size)), count, seed)))
    after = ids(list(sample_rows(map(row, range(size + more)), count, seed)))
    assert len(before) == min(count, size)
    assert before == sorted(before, key=int)
    assert [id for id in after if int(id) < size] == [id for id in before if id in after]
    new = [id for id in after if int(id) >= size]
    assert len(set(before) - set(after)) == max(0, len(new) - max(0, count - size))


def test_a_sample_does_not_depend_on_order_and_does_on_the_seed() -> None:
    forth = sample_rows(map(row, range(500)), 50, 0)
    back = sample_rows(map(row, reversed(range(500))), 50, 0)
    assert sorted(ids(list(forth))) == sorted(ids(list(back)))
    other = ids(list(sample_rows(map(row, range(500)), 50, 1)))
    assert set(other) != set(ids(list(sample_rows(map(row, range(500)), 50, 0))))


def test_a_sample_is_balanced_and_tells_the_rest() -> None:
    rows: list[Item] = [row(n, stratum="no" if n % 10 == 0 else "yes") for n in range(200)]
    rows += [BadRow("bad", "no row", None), LeftOut("not wanted"), row(3, stratum="yes")]
    items = list(sample_rows(rows, 25, 0))
    assert Counter(item.stratum for item in good(items)) == {"no": 13, "yes": 12}
    told = Counter(item.reason for item in items if isinstance(item, LeftOut))
    assert told["not wanted"] == 1 and len(items) == len(rows)


def test_a_table_of_ones_own_needs_a_map_only_where_names_differ(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(
        "nr,photo,frage,galdera,choices,eu.choices,answer\n"
        "007,a.jpg,What?,Zer?,\"['a', 'b']\",\"['NA', 'b']\",1\n"
        "008,b.jpg,What?\n"
        '009,c.jpg,"two\nlines",Bi?,"[""x"", ""y""]","[""x"", ""y""]",9\n',
        encoding="utf-8-sig",
    )
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").write_bytes(jpeg(5))
    columns = {"id": "nr", "image": "photo", "en.question": "frage", "eu.question": "galdera"}
    asked: dict[str, Any] = {"row_type": "choice", "languages": ["en", "eu"], "columns": columns}
    items = read("table", path, **asked)
    first = good(items)[0]
    assert first.id == "007" and first.picture is not None and first.picture.read() == jpeg(5)
    assert first.texts["eu"] == {"question": "Zer?", "choices": ["NA", "b"], "answer": 1}
    assert first.texts["en"]["question"] == "What?"
    assert bad(items) == {"row 1": "row: expected as many cells as columns, found others"}
    assert good(items)[1].texts["en"]["question"] == "two\nlines"


@pytest.mark.parametrize(
    ("row_type", "columns", "cells_", "texts"),
    [
        ("caption", {"text": "c"}, {"c": "A cat."}, {"text": "A cat."}),
        ("open", {}, {"question": "What?"}, {"question": "What?"}),
        ("vqa", {}, {"question": "?", "answers": ["a"]}, {"question": "?", "answers": ["a"]}),
    ],
)
def test_tables_hold_every_type_of_row(
    tmp_path: Path, row_type: str, columns: dict[str, str], cells_: Any, texts: Any
) -> None:
    path = lines(tmp_path / "rows.jsonl", [cells_, {}])
    items = read("table", path, row_type=row_type, columns=columns)
    assert good(items)[0].texts == {"en": texts} and len(bad(items)) == 1


def test_instructions_may_be_turns_or_question_and_answer(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    for number, cells_ in enumerate([{"turns": turns}, {"question": "Hi", "answer": "Hello"}]):
        path = lines(tmp_path / f"{number}.jsonl", [cells_])
        assert good(read("table", path, row_type="instruction"))[0].texts["en"] == {"turns": turns}


def test_a_table_without_ids_names_rows_by_what_they_say(tmp_path: Path) -> None:
    rows = [{"text": text} for text in ("one", "two")]
    first = [
        item.id
        for item in good(read("table", lines(tmp_path / "a.jsonl", rows), row_type="caption"))
    ]
    turned = lines(tmp_path / "b.jsonl", rows[::-1])
    assert [item.id for item in good(read("table", turned, row_type="caption"))] == first[::-1]


def test_a_column_that_is_not_ours_is_told(tmp_path: Path) -> None:
    path = lines(tmp_path / "rows.jsonl", [{}])
    with pytest.raises(InputError, match=r"columns: expected one of id, .*, found caption"):
        read("table", path, row_type="caption", columns={"caption": "c"})
    with pytest.raises(InputError, match="path: expected the table's file or folder"):
        read("table", None, row_type="open")


def test_pictures_in_plain_parquet_cells_are_read(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"id": ["a"], "image": [cell(jpeg(4))], "text": ["A cat."]}), path)
    picture = good(read("table", path, row_type="caption"))[0].picture
    assert picture is not None and picture.read() == jpeg(4)


def damaged_tar(path: Path, broken: str) -> Path:
    """Four rows of a picture and a text; the header of one file is damaged."""
    kinds = {"jpg": jpeg(), "txt": b"a cat"}
    tar(path, {f"{n}.{kind}": data for n in range(4) for kind, data in kinds.items()})
    with tarfile.open(path) as file:
        place = file.getmember(broken).offset
    data = bytearray(path.read_bytes())
    data[place + 150] ^= 0xFF  # in its checksum
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("broken", "whole"), [("1.jpg", ["2", "3"]), ("1.txt", ["0", "3"]), ("3.txt", ["0", "1", "2"])]
)
def test_a_damaged_file_of_a_tar_costs_its_neighbours_and_not_the_rest(
    tmp_path: Path, broken: str, whole: list[str]
) -> None:
    rows = list(tables.read(str(damaged_tar(tmp_path / "rows.tar", broken))))
    assert [row["__key__"] for row in rows if isinstance(row, dict)] == whole
    bad = [row for row in rows if isinstance(row, BadLine)]
    assert len(rows) == 4 and all("found a damaged one" in row.reason for row in bad)


def test_tars_one_behind_the_other_are_read_to_the_end(tmp_path: Path) -> None:
    one = tar(tmp_path / "a.tar", {"0.txt": b"a"}).read_bytes()
    both = one + tar(tmp_path / "b.tar", {"1.txt": b"b"}).read_bytes()
    (tmp_path / "c.tar").write_bytes(both)
    rows = tables.read(str(tmp_path / "c.tar"))
    assert list(rows) == [{"__key__": "0", "txt": b"a"}, {"__key__": "1", "txt": b"b"}]


@pytest.mark.parametrize("zipped_up", [False, True])
@pytest.mark.parametrize("name", ["a\0b.jpg", "x" * 300 + ".jpg", "a/" * 2000 + "b", "\ud800.jpg"])
def test_a_name_that_no_file_system_takes_is_a_bad_row(
    tmp_path: Path, name: str, zipped_up: bool
) -> None:
    root = zipped(tmp_path / "z.zip", {"a.jpg": jpeg()}) if zipped_up else tmp_path
    with pytest.raises(InputError, match="image: expected a name that a file system takes"):
        find_in_place(root, name)


@pytest.mark.parametrize("place", [24, 0, 26])
def test_a_damaged_member_of_a_zip_is_told_and_the_others_are_read(
    tmp_path: Path, place: int
) -> None:
    path = tmp_path / "z.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name in "abc":
            file.writestr(name, bytes(range(256)) * 9)
        start = file.getinfo("b").header_offset
    data = bytearray(path.read_bytes())
    data[start + (place or 0) + (20 if place == 24 else 0)] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(InputError, match="picture: expected a file in an archive, found: "):
        find_in_place(path, "b").read()
    assert (
        find_in_place(path, "a").read() == find_in_place(path, "c").read() == bytes(range(256)) * 9
    )


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "rows.jsonl")
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(InputError, match="found a pipe or a device"):
        list(Origin(tmp_path / "rows.jsonl").rows("table", "train"))
    with pytest.raises(InputError, match="found a pipe or a device"):
        list(tables.read(str(tmp_path / "rows.jsonl")))
    with pytest.raises(InputError, match="found a pipe or a device"):
        find_in_place(tmp_path, "a.jpg").read()
