"""Rows and pictures are checked as they are read, by the rule that holds for writing."""

import sys
from collections.abc import Callable
from math import inf, nan
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from data_rows import picture
from ikusi.data import corpus as corpora
from ikusi.data import rows as row_types
from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.data.groups import IMAGES
from ikusi.data.rows.columns import SIGN
from ikusi.errors import InputError

TALK = [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "b"}]
GOOD: dict[str, dict[str, Any]] = {
    "caption": {"text": "a cat"},
    "instruction": {"turns": TALK},
    "vqa": {"question": "what?", "answers": ["a", ""]},
    "choice": {"question": "what?", "choices": ["a", "b"], "answer": 1},
    "open": {"question": "what?"},
}
BLANK = [None, "", " ", "\t\n", "\u3000", "\x1c"]
BAD: dict[str, list[dict[str, Any]]] = {
    "caption": [{"text": text} for text in BLANK],
    "instruction": [
        *({"turns": [TALK[0], {"role": "assistant", "content": text}]} for text in BLANK),
        *({"turns": [{"role": "user", "content": text}, TALK[1]]} for text in BLANK),
        *({"turns": turns} for turns in (None, [], TALK[:1], TALK[1:], [None, *TALK])),
        *({"turns": [{"role": role, "content": "a"}, TALK[1]]} for role in ("bot", None)),
        {"turns": [*TALK, TALK[0]]},
    ],
    "vqa": [
        *({"question": text, "answers": ["a"]} for text in BLANK),
        *({"question": "what?", "answers": [text, "a"]} for text in BLANK),
        *({"question": "what?", "answers": texts} for texts in (None, [], ["a", None])),
    ],
    "choice": [
        *({**GOOD["choice"], "question": text} for text in BLANK),
        *({**GOOD["choice"], "choices": ["a", text]} for text in BLANK),
        *({**GOOD["choice"], "answer": index} for index in (None, -1, 2)),
        *({**GOOD["choice"], "choices": texts} for texts in (None, [], ["a", "a"])),
        {"question": "what?", "choices": ["a", "b", "a"], "answer": 1},
    ],
    "open": [{"question": text} for text in BLANK],
}


def table(row_type: str, rows: list[dict[str, Any]]) -> pa.Table:
    keyed = [{"id": f"r{place}", **row} for place, row in enumerate(rows)]
    return pa.Table.from_pylist(keyed, schema=row_types.load(row_type).schema)


@pytest.mark.parametrize("row_type", GOOD)
def test_a_table_of_rows_is_judged_as_its_rows_are(row_type: str) -> None:
    rows = [row for bad in BAD[row_type] for row in (GOOD[row_type], bad)]
    rows += [{**GOOD[row_type], "flags": [None]}, {**GOOD[row_type], "flags": ["short"]}]
    rows += [{**GOOD[row_type], "score": score} for score in (nan, inf, 0.5)]
    judge = row_types.load(row_type)
    judged = {
        place: problem
        for place, row in enumerate(rows)
        if (problem := judge.fault(row)) is not None
    }
    assert set(judged) == {
        *range(1, 2 * len(BAD[row_type]), 2),
        *(len(rows) - n for n in (2, 3, 5)),
    }
    assert judge.faults(table(row_type, rows)) == judged


def test_there_is_a_good_and_a_bad_row_of_every_type() -> None:
    names = [one.name for one in row_types.list_types()]
    assert names == sorted(GOOD) == sorted(BAD)


def test_a_row_without_a_name_is_bad() -> None:
    rows = [{"id": name, "question": "what?"} for name in ("a", None, "")]
    held = pa.Table.from_pylist(rows, schema=row_types.load("open").schema)
    assert list(row_types.load("open").faults(held)) == [1, 2]


@pytest.mark.slow
def test_blank_is_what_python_takes_for_blank() -> None:
    signs = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    says = pc.match_substring_regex(pa.array(signs), SIGN).to_pylist()
    assert says == [not sign.isspace() for sign in signs]


Spoil = Callable[[pa.Table], pa.Table]


def write(folder: Path, row_type: str, rows: int = 6) -> Path:
    with CorpusWriter(folder, row_type, ["en", "eu"]) as writer:
        writer.add_image("p", picture(), "png", 8, 8, "made here")
        for number in range(rows):
            texts = dict.fromkeys(("en", "eu"), GOOD[row_type])
            writer.add_row(f"r{number}", "p" if number else None, texts)
    return folder


def spoil(path: Path, change: Spoil) -> None:
    pq.write_table(change(pq.read_table(path)), path)


def put(name: str, values: Any) -> Spoil:
    return lambda rows: rows.set_column(rows.schema.get_field_index(name), name, values)


OPENED: dict[str, tuple[str, Spoil, str]] = {
    "a bool for an index": (
        "choice",
        put("answer", pa.array([True] * 6)),
        "eu.parquet: column answer: expected int32, found bool",
    ),
    "a number with a point for an index": (
        "choice",
        put("answer", pa.array([0.5] * 6)),
        "eu.parquet: column answer: expected int32, found double",
    ),
    "a text for a list": (
        "vqa",
        put("answers", pa.array(["a"] * 6)),
        "eu.parquet: column answers: expected list<item: string>, found string",
    ),
    "numbers for texts": (
        "open",
        put("question", pa.array(range(6))),
        "eu.parquet: column question: expected string, found int64",
    ),
    "nothing for texts": (
        "caption",
        put("text", pa.nulls(6)),
        "eu.parquet: column text: expected string, found null",
    ),
    "turns without roles": (
        "instruction",
        put("turns", pa.array([[{"content": "a"}]] * 6)),
        "eu.parquet: column turns: expected list<item: struct<role: string, content",
    ),
    "no column": (
        "vqa",
        lambda rows: rows.drop_columns(["answers"]),
        "eu.parquet: expected a column answers, found none",
    ),
    "a column twice": (
        "open",
        lambda rows: rows.append_column("question", rows["question"]),
        "eu.parquet: expected a column question, found it twice",
    ),
    "an id less": (
        "open",
        put("id", pa.array(["r0", "r1", "r2", "r3", "r4", "x"])),
        "eu.parquet: row 5: expected id r5 as in en, found x",
    ),
    "a row less": (
        "open",
        lambda rows: rows.slice(1),
        "eu.parquet: expected 6 rows as in en, found 5",
    ),
}


@pytest.mark.parametrize("name", OPENED)
def test_columns_are_checked_when_a_corpus_is_opened(tmp_path: Path, name: str) -> None:
    row_type, change, told = OPENED[name]
    spoil(write(tmp_path / "c", row_type) / "eu.parquet", change)
    with pytest.raises(InputError) as error:
        Corpus.open(tmp_path / "c")
    assert told in str(error.value)
    assert "\n" not in str(error.value)


BOTH: dict[str, tuple[Spoil, str]] = {
    "an id twice": (
        put("id", pa.array(["r0", "r1", "r2", "r1", "r4", "r5"])),
        "en.parquet: row r1: expected a new id, found it twice",
    ),
    "no id": (
        put("id", pa.array(["r0", None, "r2", "r3", "r4", "r5"])),
        "en.parquet: row 1: id: expected text, found None",
    ),
    "a picture that is not there": (
        put("image_id", pa.array([None, "p", "q", None, "p", "p"])),
        "en.parquet: row r2: image_id: expected a stored picture, found q",
    ),
}


@pytest.mark.parametrize("name", BOTH)
def test_names_are_checked_when_a_corpus_is_opened(tmp_path: Path, name: str) -> None:
    change, told = BOTH[name]
    write(tmp_path / "c", "open")
    for code in ("en", "eu"):
        spoil(tmp_path / "c" / f"{code}.parquet", change)
    with pytest.raises(InputError, match=f"c/{told}"):
        Corpus.open(tmp_path / "c")


def test_types_of_other_widths_are_read_as_ours(tmp_path: Path) -> None:
    folder = write(tmp_path / "c", "choice")
    expected = Corpus.open(folder).row("eu", 3)

    def widen(rows: pa.Table) -> pa.Table:
        rows = put("answer", rows["answer"].cast(pa.int64()))(rows)
        rows = put("choices", rows["choices"].cast(pa.large_list(pa.large_string())))(rows)
        rows = put("question", rows["question"].dictionary_encode())(rows)
        return put("flags", pa.nulls(6))(rows).append_column("mine", pa.array(range(6)))

    spoil(folder / "eu.parquet", widen)
    corpus = Corpus.open(folder)
    assert corpus.row("eu", 3) == expected
    assert corpus.rows("eu", 1, 4).schema.field("answer").type == pa.int32()


READS: dict[str, Callable[[Corpus], Any]] = {
    "row": lambda corpus: corpus.row("eu", 4),
    "take": lambda corpus: corpus.take("eu", [4, 3]),
    "rows": lambda corpus: corpus.rows("eu", 4, 6),
    "table": lambda corpus: corpus.table("eu"),
}


@pytest.mark.parametrize("read", READS)
def test_rows_are_checked_as_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: str
) -> None:
    monkeypatch.setattr(corpora, "ROWS_IN_GROUP", 3)
    folder = write(tmp_path / "c", "open")
    texts = pa.array(["a?", "a?", "a?", "a?", "a?", " "])
    path = folder / "eu.parquet"
    pq.write_table(put("question", texts)(pq.read_table(path)), path, row_group_size=3)
    corpus = Corpus.open(folder)
    assert corpus.row("eu", 2)["question"] == "a?"
    for _ in range(2):
        with pytest.raises(
            InputError, match=r"c/eu\.parquet: row r5: question: expected text, found ' '"
        ):
            READS[read](corpus)


def test_a_text_that_is_no_utf8_is_told(tmp_path: Path) -> None:
    folder = write(tmp_path / "c", "open")
    raw = pa.array([b"a?"] * 5 + [b"a\xff"]).view(pa.string())
    spoil(folder / "eu.parquet", put("question", raw))
    with pytest.raises(InputError, match=r"eu\.parquet: expected a Parquet table, found: .*UTF8"):
        Corpus.open(folder).row("eu", 0)


def test_a_changed_byte_on_disk_is_seen_when_its_rows_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    with CorpusWriter(folder, "caption", ["en"]) as writer:
        for number in range(50):
            writer.add_row(f"r{number}", None, {"en": {"text": f"{number} cats in a row"}})
    path, data = folder / "en.parquet", (folder / "en.parquet").read_bytes()
    column = pq.ParquetFile(path).metadata.row_group(0).column(4)
    page = column.data_page_offset + column.total_compressed_size // 2
    path.write_bytes(data[:page] + bytes([data[page] ^ 1]) + data[page + 1 :])
    with pytest.raises(InputError, match=r"en\.parquet: expected a Parquet table, found: .*CRC"):
        Corpus.open(folder).row("en", 0)


@pytest.mark.parametrize("column", ["bytes", "sha256"])
@pytest.mark.parametrize("value", ["other", None])
def test_a_picture_is_held_to_its_digest(tmp_path: Path, column: str, value: str | None) -> None:
    folder = write(tmp_path / "c", "open")
    kind = IMAGES.field(column).type
    changed = pa.array([value and (picture("blue") if column == "bytes" else "0" * 64)], kind)
    spoil(folder / "images-00000.parquet", put(column, changed))
    with pytest.raises(InputError, match="image p: expected bytes with the SHA-256"):
        Corpus.open(folder).image("p")


@pytest.mark.parametrize("name", ["corpus.json", "eu.parquet", "images-00000.parquet"])
@pytest.mark.parametrize("left", [None, 0, 100])
def test_a_corpus_that_lacks_a_file_or_its_end_is_not_opened(
    tmp_path: Path, name: str, left: int | None
) -> None:
    path = write(tmp_path / "c", "open") / name
    path.write_bytes(path.read_bytes()[: left or 0])
    if left is None:
        path.unlink()
    with pytest.raises(InputError, match=r"c/(corpus\.json|eu\.parquet|images-.*): ") as error:
        Corpus.open(tmp_path / "c")
    assert "\n" not in str(error.value)
