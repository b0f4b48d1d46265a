"""Tables and files as people have them, other than in the layout that one would ask for."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.sources.hub import bad, cell, good, jpeg, lines, read, tar
from ikusi.data.corpus import Corpus
from ikusi.data.importing import import_corpus
from ikusi.data.sources import tables
from ikusi.errors import InputError

ROWS: list[dict[str, Any]] = [
    {"id": number, "text": 'a\u2028line {of} \\"it\\"', "more": [{"a": 1}]} for number in range(5)
]


def written(folder: Path, text: str, name: str = "rows.json") -> list[Any]:
    (folder / name).write_text(text, "utf-8", newline="")
    return list(tables.read(str(folder / name)))


@pytest.mark.parametrize("chunk", [10, 2**20])
@pytest.mark.parametrize("indent", [None, 1, 4])
def test_json_is_read_however_it_is_laid_out(
    indent: int | None, chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "CHUNK", chunk)
    for value in (ROWS, {"data": ROWS}, {"version": "1", "data": ROWS, "licence": {"a": "b"}}):
        text = json.dumps(value, indent=indent, ensure_ascii=False)
        assert written(tmp_path, text) == written(tmp_path, "\n " + text + "\n\n") == ROWS
    assert written(tmp_path, json.dumps(ROWS[0], indent=indent)) == ROWS[:1]
    one_by_one = "\n".join(json.dumps(row, indent=indent) for row in ROWS)
    assert written(tmp_path, one_by_one) == ROWS


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\n"])
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.ndjson", "rows.jsonlines", "ROWS.JSONL"])
def test_json_lines_may_have_other_endings(name: str, end: str, tmp_path: Path) -> None:
    assert written(tmp_path, end.join(map(json.dumps, ROWS)), name) == ROWS


def test_an_only_row_with_a_list_in_it_stays_a_row(tmp_path: Path) -> None:
    row = {"turns": [{"role": "user", "content": "Hi"}]}
    assert written(tmp_path, json.dumps(row, indent=2)) == [row]
    assert written(tmp_path, json.dumps({"data": ["a"]})) == [{"data": ["a"]}]
    assert len(written(tmp_path, json.dumps({"data": ROWS}) + '\n{"data": 1}')) == 2


@pytest.mark.parametrize(
    "first", ['{"id": 7,', '{"id": "7', '{"id": }', "{", '{"id": [', "nonsense"]
)
def test_a_bad_first_line_costs_itself_alone(first: str, tmp_path: Path) -> None:
    told = written(tmp_path, "\n".join([first, *map(json.dumps, ROWS[:3]), first]))
    assert told[1:4] == ROWS[:3] and len(told) == 5
    assert [line.text for line in (told[0], told[4])] == [first, first]


def test_a_value_without_an_end_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "LONGEST", 200)
    monkeypatch.setattr(tables, "CHUNK", 10)
    with pytest.raises(InputError, match=r"rows.json: expected a row a line, found a longer one"):
        written(tmp_path, '{"a": [\n' + "1,\n" * 2000)


def test_a_large_row_group_is_read_a_part_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arrow has no array of 2 GB of pictures; here the bound is lowered instead."""
    pictures = [cell(bytes([number]) * 1000) for number in range(40)]
    types = pa.struct([("bytes", pa.large_binary()), ("path", pa.string())])
    names = pa.array([f"row {number}" for number in range(40)], pa.large_string())
    table = pa.table({"image": pa.array(pictures, types), "text": names})
    pq.write_table(table, tmp_path / "rows.parquet", compression="none")
    sizes: list[int] = []

    class Spied(pq.ParquetFile):
        def iter_batches(self, *given: Any, **named: Any) -> Any:
            for batch in super().iter_batches(*given, **named):
                sizes.append(batch.num_rows)
                yield batch

    monkeypatch.setattr(pq, "ParquetFile", Spied)
    monkeypatch.setattr(tables, "BYTES_AT_ONCE", 8000)
    found = list(tables.read(str(tmp_path / "rows.parquet")))
    assert found == table.to_pylist() and max(sizes) < 10 and sum(sizes) == 40


def test_endings_in_capitals_are_endings(tmp_path: Path) -> None:
    members = {"a.JPG": jpeg(1), "a.TXT": b"a cat .", "b.Jpeg": jpeg(2), "b.txt": b"a dog ."}
    items = good(read("cc3m", tar(tmp_path / "train.tar", members)))
    assert [item.texts["en"]["text"] for item in items] == ["a cat.", "a dog."]
    assert [item.picture.read() for item in items if item.picture] == [jpeg(1), jpeg(2)]


def conversation(id: str, **more: Any) -> dict[str, Any]:
    said = [{"from": "human", "value": "What?"}, {"from": "gpt", "value": "A cat."}]
    return {"id": id, "conversations": said, **more}


def test_llavas_usual_layout_is_read_and_its_missing_pictures_told_by_path(tmp_path: Path) -> None:
    rows = [conversation("a", image="images/x.jpg"), conversation("b", image="images/no.jpg"),
            conversation("c", image="y.jpg")]  # fmt: skip
    path = tmp_path / "captions.json"
    path.write_text(json.dumps(rows, indent=2))
    (tmp_path / "images").mkdir()
    for shade, name in enumerate("xy"):
        (tmp_path / "images" / f"{name}.jpg").write_bytes(jpeg(shade))
    counts = import_corpus("llava", tmp_path / "corpus", path)
    corpus = Corpus.open(tmp_path / "corpus")
    assert (corpus.ids, counts["quarantined"]) == (["a", "c"], 1)
    assert corpus.image_bytes("images/x.jpg") == jpeg(0)
    reason = pq.read_table(tmp_path / "corpus" / "quarantine.parquet")["reason"][0].as_py()
    tried = tmp_path / "images" / "images" / "no.jpg"
    assert reason == f"picture: expected a file, found none: {tried}"
    assert counts["quarantined: picture: expected a file"] == 1
    (tmp_path / "images" / "x.jpg").write_bytes(jpeg(9))  # and a change is seen
    import_corpus("llava", tmp_path / "corpus", path)
    assert Corpus.open(tmp_path / "corpus").image_bytes("images/x.jpg") == jpeg(9)


def test_a_folder_of_the_same_name_within_is_not_mistaken(tmp_path: Path) -> None:
    (tmp_path / "images" / "images").mkdir(parents=True)
    (tmp_path / "images" / "images" / "x.jpg").write_bytes(jpeg(1))
    (tmp_path / "images" / "x.jpg").write_bytes(jpeg(2))
    (tmp_path / "rows.json").write_text(json.dumps([conversation("a", image="images/x.jpg")]))
    picture = good(read("llava", tmp_path / "rows.json"))[0].picture
    assert picture is not None and picture.read() == jpeg(1)


def test_a_row_about_a_video_is_no_row_of_text_alone(tmp_path: Path) -> None:
    rows = [conversation("a", video="clip.mp4"), conversation("b"), conversation("c", video=None)]
    items = read("llava", lines(tmp_path / "rows.jsonl", rows))
    assert bad(items) == {"a": "video: expected a picture, found a video: 'clip.mp4'"}
    table = [{"id": "a", "question": "What?", "video": "clip.mp4"}]
    items = read("table", lines(tmp_path / "table.jsonl", table), row_type="open")
    assert "expected a picture, found a video" in bad(items)["a"]


QUESTIONS = {
    "question": "What is it?",
    "answers": ["a cat"],
    "eu.question": "Zer da?",
    "eu.answers": ["katu bat"],
}


@pytest.mark.parametrize("languages", [["en", "eu"], ["eu", "en"]])
def test_a_column_named_for_its_language_needs_no_entry(
    languages: list[str], tmp_path: Path
) -> None:
    path = lines(tmp_path / "rows.jsonl", [QUESTIONS])
    texts = good(read("table", path, row_type="vqa", languages=languages))[0].texts
    assert texts["eu"] == {"question": "Zer da?", "answers": ["katu bat"]}
    assert texts["en"] == {"question": "What is it?", "answers": ["a cat"]}


@pytest.mark.parametrize(
    ("row_type", "row"),
    [
        ("caption", {"text": "A cat.", "eu.text": "Katu bat."}),
        ("open", {"question": "What?", "eu.question": "Zer?"}),
        ("choice", {"question": "What?", "choices": ["a", "b"], "answer": 1,
                    "eu.question": "Zer?", "eu.choices": ["c", "d"]}),
        ("instruction", {"question": "Hi", "answer": "Hello",
                         "eu.question": "Kaixo", "eu.answer": "Aupa"}),
        ("instruction", {"turns": conversation("a")["conversations"],
                         "eu.turns": conversation("b")["conversations"][::-1]}),
    ],
)  # fmt: skip
def test_every_type_of_row_is_read_in_two_languages_or_refused(
    row_type: str, row: dict[str, Any], tmp_path: Path
) -> None:
    path = lines(tmp_path / "rows.jsonl", [row])
    asked: dict[str, Any] = {"row_type": row_type, "languages": ["en", "eu"]}
    texts = good(read("table", path, **asked))[0].texts
    assert texts["en"] != texts["eu"]
    lacking = {name: value for name, value in row.items() if not name.startswith("eu.")}
    path = lines(tmp_path / "lacking.jsonl", [lacking])
    with pytest.raises(
        InputError, match=r"^eu\.\w+: expected a column of its own.*found \w+, which"
    ):
        read("table", path, **asked)


def test_two_languages_from_one_column_are_refused_though_asked_for(tmp_path: Path) -> None:
    path = lines(tmp_path / "rows.jsonl", [{"q": "What?"}])
    columns = {"en.question": "q", "eu.question": "q"}
    asked: dict[str, Any] = {"row_type": "open", "languages": ["en", "eu"], "columns": columns}
    with pytest.raises(InputError) as told:
        read("table", path, **asked)
    assert str(told.value) == (
        "eu.question: expected a column of its own, such as eu.question, "
        "found q, which is en.question already"
    )
    lacks = lines(tmp_path / "later.jsonl", [QUESTIONS, {"question": "Why?", "answers": ["so"]}])
    items = read("table", lacks, row_type="vqa", languages=["en", "eu"])
    assert len(good(items)) == 1 and "expected a column of its own" in bad(items)["row 1"]
