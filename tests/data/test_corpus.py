import hashlib
import json
import os
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from data_rows import instruction, picture
from ikusi.data import corpus as corpora
from ikusi.data import groups as tables
from ikusi.data import parquet
from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.errors import InputError

Make = Callable[..., Corpus]


def test_what_is_written_is_read_back(instructions: Make) -> None:
    corpus = instructions(5)
    assert len(corpus) == 5
    assert corpus.ids == [f"row-{i}" for i in range(5)]
    assert corpus.image_ids == ["image-0", "image-0", "image-1", "image-1", "image-2"]
    assert corpus.row("eu", 3)["turns"][0]["content"] == "zer 3?"
    assert corpus.row("en", 3)["turns"][1] == {"role": "assistant", "content": "3 en"}
    assert corpus.row("en", 3)["task"] == "count"
    assert corpus.image("image-1").size == (8, 8)
    assert corpus.table("eu").num_rows == 5


def test_pictures_are_stored_once_as_their_own_bytes(instructions: Make) -> None:
    corpus = instructions(6)
    stored = pq.read_table(corpus.folder / "images-00000.parquet")
    assert stored["image_id"].to_pylist() == ["image-0", "image-1", "image-2"]
    assert corpus.image_bytes("image-2") == picture()


def test_the_same_rows_make_the_same_bytes(instructions: Make) -> None:
    first, second = instructions(9, "first"), instructions(9, "second")
    for name in ("eu.parquet", "en.parquet", "images-00000.parquet", "corpus.json"):
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes()


def test_rows_are_found_across_row_groups(
    instructions: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpora, "ROWS_IN_GROUP", 3)
    monkeypatch.setattr(corpora, "IMAGES_IN_GROUP", 2)
    monkeypatch.setattr(tables, "BYTES_HELD", 1)
    corpus = instructions(11)
    assert pq.ParquetFile(corpus.folder / "eu.parquet").num_row_groups == 4
    for number in (10, 0, 5, 2, 3, 10):
        assert corpus.row("en", number)["id"] == f"row-{number}"
        assert corpus.image_bytes(f"image-{number // 2}") == picture()
    with pytest.raises(IndexError, match="row 11 of 11"):
        corpus.row("en", 11)


def test_slices_in_order_read_each_row_group_once(
    instructions: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpora, "ROWS_IN_GROUP", 4)
    corpus = instructions(12)
    read: list[int] = []
    groups = corpus.row_groups("en")
    inner = groups._read

    def note(numbers: Sequence[int]) -> Any:
        read.extend(numbers)
        return inner(numbers)

    monkeypatch.setattr(groups, "_read", note)
    for start in (*range(0, 12, 2), 0, 3):  # the last lies in two of them
        ids = corpus.rows("en", start, start + 2)["id"].to_pylist()
        assert ids == [f"row-{start}", f"row-{start + 1}"]
    assert read == [0, 1, 2, 0, 0, 1]


def test_what_is_held_in_memory_is_bounded_by_bytes(
    instructions: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpora, "IMAGES_IN_GROUP", 2)
    monkeypatch.setattr(tables, "BYTES_HELD", 500)
    corpus = instructions(40)
    for number in range(20):
        corpus.image_bytes(f"image-{number}")
        groups = corpus._pictures.parts[0]._held.values()
        assert len(groups) == 1 or sum(group.nbytes for group in groups) <= 500


def test_less_is_held_of_what_is_read_from_front_to_back(
    instructions: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpora, "IMAGES_IN_GROUP", 2)
    corpus = instructions(40)
    corpus.hold(500)
    for number in range(20):
        corpus.image_bytes(f"image-{number}")
    assert sum(group.nbytes for group in corpus._pictures.parts[0]._held.values()) <= 500


def test_pictures_are_told_apart_by_what_they_show(instructions: Make) -> None:
    corpus = instructions(6)
    names = dict.fromkeys(name for name in corpus.image_ids if name)
    expected = {n: hashlib.sha256(corpus.image_bytes(n)).hexdigest()[:32] for n in names}
    assert {name: corpus.image_digest(name) for name in names} == expected
    told = ["" if name is None else expected[name] for name in corpus.image_ids]
    assert [digest.decode() for digest in corpus.row_digests()] == told
    with pytest.raises(InputError, match="expected picture no-such, found none"):
        corpus.image_digest("no-such")


def test_a_corpus_travels_to_another_process(instructions: Make) -> None:
    corpus = instructions(4)
    again = pickle.loads(pickle.dumps(corpus))
    assert again.row("eu", 2) == corpus.row("eu", 2)


BAD = {
    "an unknown picture": ("image-9", instruction(0), "image_id: expected a stored picture"),
    "a missing language": (
        None,
        {"eu": instruction(0)["eu"]},
        "expected texts in eu, en, found eu",
    ),
    "an unknown column": (
        None,
        {code: {**one, "text": "x"} for code, one in instruction(0).items()},
        "eu: text: expected one of turns, found text",
    ),
    "no turns": (None, {code: {"turns": []} for code in ("eu", "en")}, "expected a list of turns"),
    "a role that is none": (
        None,
        {code: {"turns": [{"role": "bot", "content": "x"}]} for code in ("eu", "en")},
        "expected turn 0 to be of system, user, assistant, found 'bot'",
    ),
    "no user": (
        None,
        {code: {"turns": [{"role": "assistant", "content": "x"}]} for code in ("eu", "en")},
        "turns: expected the user to have the first turn after any system's, found assistant",
    ),
    "a beginning by the assistant": (
        None,
        {
            code: {"turns": [{"role": "assistant", "content": "x"}, *one["turns"]]}
            for code, one in instruction(0).items()
        },
        "turns: expected the user to have the first turn after any system's, found assistant",
    ),
    "half a character": (
        None,
        {
            code: {"turns": [{"role": "user", "content": "\ud83d\n"}, *one["turns"][1:]]}
            for code, one in instruction(0).items()
        },
        r"turns: expected turn 0 to say something, found '\ud83d\n'",
    ),
    "flags that are no list": (
        None,
        {code: {**one, "flags": "short"} for code, one in instruction(0).items()},
        "eu: flags: expected a list of texts, found 'short'",
    ),
    "a score that is no number": (
        None,
        {code: {**one, "score": "high"} for code, one in instruction(0).items()},
        "eu: score: expected a number, found 'high'",
    ),
    "a score that is not finite": (
        None,
        {code: {**one, "score": float("nan")} for code, one in instruction(0).items()},
        "eu: score: expected a number, found nan",
    ),
    "the user's last word": (
        None,
        {code: {"turns": [{"role": "user", "content": "x"}]} for code in ("eu", "en")},
        "expected the assistant to have the last turn, found user",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_row_is_told_in_one_line_with_its_id(tmp_path: Path, case: str) -> None:
    image_id, texts, told = BAD[case]
    writer = CorpusWriter(tmp_path, "instruction", ["eu", "en"])
    with pytest.raises(InputError) as error:
        writer.add_row("bad", image_id, texts)
    assert "row bad: " in str(error.value) and told in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("row_type", "columns", "told"),
    [
        ("caption", {"text": " "}, "text: expected text, found ' '"),
        ("vqa", {"question": "?", "answers": []}, "answers: expected a list of texts, found []"),
        ("vqa", {"question": "?"}, "answers: expected a value, found none"),
        (
            "choice",
            {"question": "?", "choices": ["a", "b"], "answer": 2},
            "answer: expected a number from 0 to 1, found 2",
        ),
        (
            "choice",
            {"question": "?", "choices": ["a", "b"], "answer": True},
            "answer: expected a number from 0 to 1, found True",
        ),
        (
            "choice",
            {"question": "?", "choices": ["a", ""], "answer": 0},
            "choices: expected every choice to say something, found ['a', '']",
        ),
        (
            "vqa",
            {"question": "?", "answers": ["", "a"]},
            "answers: expected the first answer to say something, found ''",
        ),
        ("open", {"question": None}, "question: expected text, found None"),
    ],
)
def test_each_type_checks_its_columns(
    tmp_path: Path, row_type: str, columns: dict[str, Any], told: str
) -> None:
    with pytest.raises(InputError, match="row r: en: ") as error:
        CorpusWriter(tmp_path, row_type, ["en"]).add_row("r", None, {"en": columns})
    assert told in str(error.value)


def test_vqa_answers_keep_order_and_duplicates(tmp_path: Path) -> None:
    with CorpusWriter(tmp_path, "vqa", ["en"]) as writer:
        writer.add_row("q", None, {"en": {"question": "?", "answers": ["b", "a", "b"]}})
    assert Corpus.open(tmp_path).row("en", 0)["answers"] == ["b", "a", "b"]


def test_bad_rows_go_to_quarantine_and_counts_add_up(tmp_path: Path) -> None:
    kept = 0
    with CorpusWriter(tmp_path, "instruction", ["eu", "en"], quarantine=True) as writer:
        for number in range(10):
            image_id = "missing" if number % 4 == 0 else None
            kept += writer.add_row(f"row-{number}", image_id, instruction(number))
        kept += writer.add_row("row-1", None, instruction(1))
    about = json.loads((tmp_path / "corpus.json").read_text())
    bad = pq.read_table(tmp_path / "quarantine.parquet").to_pylist()
    assert kept == about["rows"] == 7
    assert about["rows"] + about["quarantined"] == 11 and len(bad) == 4
    assert bad[0]["reason"] == "image_id: expected a stored picture, found missing"
    assert bad[-1]["reason"] == "expected a new id, found it twice"
    assert json.loads(bad[0]["row"])["texts"]["eu"] == instruction(0)["eu"]


def test_rows_that_no_table_can_hold_go_to_quarantine(tmp_path: Path) -> None:
    with CorpusWriter(tmp_path, "open", ["en"], quarantine=True) as writer:
        good = {"en": {"question": "?"}}
        for id, group in ((7, None), ("", None), ("\ud83d", None), ("b", 3)):
            assert not writer.add_row(id, None, good, group=group)  # type: ignore[arg-type]
        assert not writer.add_row("c", None, {"en": {"question": "\ud83d"}}, task="t")
    bad = pq.read_table(tmp_path / "quarantine.parquet").to_pylist()
    assert [row["id"] for row in bad] == ["7", "", "\\ud83d", "b", "c"]
    assert bad[3]["reason"] == "group: expected text or nothing, found 3"
    assert json.loads(bad[4]["row"])["task"] == "t"


def test_translations_say_where_they_come_from(tmp_path: Path) -> None:
    told = {"translator": "nmt", "flags": ["short"], "score": 0.5}
    with CorpusWriter(tmp_path, "caption", ["en", "eu"]) as writer:
        writer.add_row("r", None, {"en": {"text": "cat"}, "eu": {"text": "katua", **told}})
    corpus = Corpus.open(tmp_path)
    assert corpus.row("eu", 0).items() >= told.items()
    assert corpus.row("en", 0)["translator"] is None


def test_big_pictures_are_kept_in_small_row_groups(
    instructions: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "BYTES_IN_GROUP", 3 * len(picture()))
    corpus = instructions(14)
    assert pq.ParquetFile(corpus.folder / "images-00000.parquet").num_row_groups == 3
    assert corpus.image_bytes("image-6") == picture()


def test_what_an_earlier_attempt_left_is_not_taken_in(tmp_path: Path) -> None:
    (tmp_path / "images-00000.parquet").write_bytes(b"half")
    (tmp_path / "quarantine.parquet").write_bytes(b"half")
    with CorpusWriter(tmp_path, "open", ["en"]) as writer:
        writer.add_row("r", None, {"en": {"question": "?"}})
    assert {path.name for path in tmp_path.iterdir()} == {"corpus.json", "en.parquet"}


def test_an_empty_corpus_can_be_opened(tmp_path: Path) -> None:
    CorpusWriter(tmp_path, "open", ["en"]).close()
    assert len(Corpus.open(tmp_path)) == 0


def test_languages_that_do_not_match_are_told_by_the_first_row(instructions: Make) -> None:
    corpus = instructions(4)
    table = pq.read_table(corpus.folder / "en.parquet")
    pq.write_table(table.take([0, 2, 1, 3]), corpus.folder / "en.parquet")
    with pytest.raises(InputError, match=r"en.parquet: row 1: expected id row-1 as in eu"):
        Corpus.open(corpus.folder)
    pq.write_table(table.slice(0, 3), corpus.folder / "en.parquet")
    with pytest.raises(InputError, match=r"en.parquet: expected 4 rows as in eu, found 3"):
        Corpus.open(corpus.folder)
    other = table.set_column(1, "image_id", [["image-0", "image-0", "image-0", "image-1"]])
    pq.write_table(other, corpus.folder / "en.parquet")
    with pytest.raises(InputError, match=r"row 2: expected image_id image-1 as in eu, found ima"):
        Corpus.open(corpus.folder)


def about(**other: Any) -> str:
    held = {"row_type": "instruction", "languages": ["eu", "en"], "rows": 2, "images": 1}
    return json.dumps({**held, **other})


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("corpus.json", "[]", "corpus.json: expected keys and values, found a list of 0"),
        ("corpus.json", '{"row_type": "open"}', "languages: expected a value, found nothing"),
        ("corpus.json", about(languages=["cy"]), "cy.parquet: expected a table, found no such"),
        ("corpus.json", about(languages=["../en"]), "languages: expected different codes"),
        ("corpus.json", about(rows=3), "expected 3 rows, as corpus.json says, found 2"),
        ("corpus.json", about(images=3), "expected 3 pictures, as corpus.json says, found 1"),
        ("corpus.json", "{", "corpus.json: expected a corpus, found no JSON"),
        ("corpus.json", "", "corpus.json: expected a corpus, found an empty file"),
        ("en.parquet", "half a table", "en.parquet: expected a Parquet table, found: "),
    ],
)
def test_a_damaged_corpus_is_told_in_one_line(
    instructions: Make, name: str, content: str, told: str
) -> None:
    folder = instructions(2).folder
    (folder / name).write_text(content)
    with pytest.raises(InputError, match=told) as error:
        Corpus.open(folder)
    assert "\n" not in str(error.value)


def test_what_is_no_corpus_is_told(tmp_path: Path, instructions: Make) -> None:
    with pytest.raises(InputError, match=r"corpus\.json: expected a corpus, found no such file"):
        Corpus.open(tmp_path)
    corpus = instructions(2)
    with pytest.raises(InputError, match="expected a language of eu, en, found cy"):
        corpus.row("cy", 0)
    with pytest.raises(InputError, match="expected picture nowhere, found none"):
        corpus.image_bytes("nowhere")
    with pytest.raises(InputError, match="row_type: expected one of caption, choice, "):
        CorpusWriter(tmp_path, "captions", ["en"])
    with pytest.raises(InputError, match="expected different languages, found en, en"):
        CorpusWriter(tmp_path, "caption", ["en", "en"])


@pytest.mark.parametrize("code", ["../eu", "a/b", "", ".", "e\0u"])
def test_a_language_that_would_lie_outside_is_refused(tmp_path: Path, code: str) -> None:
    with pytest.raises(InputError, match="languages: expected a name of letters"):
        CorpusWriter(tmp_path / "corpus", "caption", [code])
    assert not list(tmp_path.iterdir())
    with CorpusWriter(tmp_path / "corpus", "caption", ["en"]):
        pass
    about = json.loads((tmp_path / "corpus" / "corpus.json").read_text("utf-8"))
    (tmp_path / "corpus" / "corpus.json").write_text(json.dumps(about | {"languages": [code]}))
    with pytest.raises(InputError, match=r"corpus.json: languages: expected different codes"):
        Corpus.open(tmp_path / "corpus")


def test_a_pipe_in_a_corpus_is_refused_at_once(tmp_path: Path) -> None:
    with CorpusWriter(tmp_path / "corpus", "caption", ["en"]):
        pass
    for name in ("en.parquet", "corpus.json"):
        (tmp_path / "corpus" / name).unlink()
        os.mkfifo(tmp_path / "corpus" / name)
        with pytest.raises(
            InputError,
            match=rf"{name}: expected a (file or folder, found a pipe|table, found no such file)",
        ):
            Corpus.open(tmp_path / "corpus")
