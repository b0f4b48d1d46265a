"""A project is planned from a corpus of any row type, frozen, and read back whole."""

import json
import stat
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from data_rows import coloured, picture
from ikusi import artifact
from ikusi.annotate import plan, project
from ikusi.data.corpus import CorpusWriter
from ikusi.errors import InputError

ROWS: dict[str, Any] = {
    "caption": lambda code, n: {"text": f"{code} {n}"},
    "open": lambda code, n: {"question": f"{code} {n}?"},
    "choice": lambda code, n: {
        "question": f"{code} {n}?",
        "choices": [f"{code} yes", f"{code} no"],
        "answer": 1,
    },
    "vqa": lambda code, n: {
        "question": f"{code} {n}?",
        "answers": [f"{code} red", f"{code} red", f"{code} blue", f"{code} red"],
    },
    "instruction": lambda code, n: {
        "turns": [
            {"role": role, "content": f"{code} {n} {place}"}
            for place, role in enumerate(["user", "assistant", "user", "assistant"])
        ]
    },
}
NAMES = {
    "caption": ["text"],
    "open": ["question"],
    "choice": ["question", "choice 1", "choice 2"],
    "vqa": ["question", "answer 1", "answer 2"],
    "instruction": ["user 1", "assistant 1", "user 2", "assistant 2"],
}


def corpus_of(
    folder: Path, row_type: str, count: int, languages: Sequence[str] = ("en", "eu")
) -> Path:
    """A corpus of rows, of which each two show the same picture, and every fifth shows none."""
    with CorpusWriter(folder, row_type, languages) as writer:
        for number in range(count):
            image_id = f"picture-{number // 2}"
            if number % 2 == 0:
                data = picture(side=8 + number % 16)
                writer.add_image(image_id, data, "png", 8, 8, "test")
            texts = {code: ROWS[row_type](code, number) for code in languages}
            writer.add_row(f"row-{number}", None if number % 5 == 4 else image_id, texts)
    return folder


def planned(folder: Path, corpus: Path, *asked: int, **more: Any) -> project.Project:
    return plan.plan_validation(corpus, "eu", plan.Asked(*asked), **more).make(folder).project


@pytest.mark.parametrize("row_type", ROWS)
def test_rows_of_every_type_stand_beside_their_source(tmp_path: Path, row_type: str) -> None:
    corpus = corpus_of(tmp_path / "rows", row_type, 6)
    found = planned(tmp_path / "project", corpus, 2, 2, 2)
    item = found.items["row-3"]
    assert list(item.texts) == list(item.source) == NAMES[row_type]
    assert all(text.startswith("eu ") for text in item.texts.values())
    assert [text.replace("eu ", "en ") for text in item.texts.values()] == [*item.source.values()]
    assert item.right == (("choice 2",) if row_type == "choice" else ())
    assert (found.task, found.benchmark, found.language) == ("validate", "rows", "eu")
    assert found.source_language == "en"


def test_shared_items_are_for_all_and_own_items_for_one(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "rows", "caption", 40)
    found = planned(tmp_path / "project", corpus, 4, 3, 5)
    seen = Counter(turn.item for seat in found.seats for turn in seat.turns)
    assert sorted(seen.values()) == [1] * 20 + [4] * 3 and set(seen) == set(found.items)
    for seat in found.seats:
        assert [seen[turn.item] == 4 for turn in seat.turns] == [t.shared for t in seat.turns]
    assert [seat.code for seat in found.seats] == [f"annotator-{n}" for n in (1, 2, 3, 4)]
    orders = {tuple(turn.item for turn in seat.turns if turn.shared) for seat in found.seats}
    assert len(orders) > 1


def test_a_seed_says_what_is_drawn_and_in_which_order(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "rows", "caption", 40)
    one, same, other = (
        planned(tmp_path / name, corpus, 2, 3, 5, seed=seed)
        for name, seed in (("one", 1), ("same", 1), ("other", 2))
    )
    assert one.seats == same.seats and one.items == same.items
    assert set(one.items) != set(other.items)
    assert project.read_links(one.folder) != project.read_links(same.folder)


def test_a_project_needs_no_corpus_once_it_is_made(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "rows", "vqa", 10)
    found = planned(tmp_path / "project", corpus, 1, 10, 0)
    corpus.rename(tmp_path / "gone")
    again = project.read(found.folder)
    assert again == found
    shown = [again.picture(again.items[f"row-{number}"]) for number in range(5)]
    assert shown[0] == shown[1] and shown[2] == shown[3] != shown[0] and shown[4] is None
    assert shown[0] and shown[0].read_bytes() == picture(side=8)


def test_links_are_secret_and_stay_as_they_are(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "rows", "caption", 10)
    asked = plan.Asked(2, 1, 1)
    made = plan.plan_validation(corpus, "eu", asked).make(tmp_path / "project")
    links = tmp_path / "project" / "links.json"
    assert stat.S_IMODE(links.stat().st_mode) == 0o600
    assert project.read_links(tmp_path / "project") == {
        word: code for code, word in made.words.items()
    }
    assert set(made.words) == {"annotator-1", "annotator-2", "admin"}
    assert all(len(word) >= 22 for word in made.words.values())
    again = plan.plan_validation(corpus, "eu", asked).make(tmp_path / "project")
    assert again.words == {} and again.project == made.project
    assert project.read_links(tmp_path / "project") == {
        word: code for code, word in made.words.items()
    }


def test_a_corpus_that_moved_is_the_same(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "rows", "caption", 10)
    first = planned(tmp_path / "project", corpus, 2, 1, 1)
    (tmp_path / "elsewhere").mkdir()
    moved = corpus.rename(tmp_path / "elsewhere" / "rows")
    assert planned(tmp_path / "project", moved, 2, 1, 1) == first


def test_a_project_is_never_made_anew_over_another(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "rows", "caption", 10)
    planned(tmp_path / "project", corpus, 2, 1, 1)
    with pytest.raises(InputError, match="not changed once it is made"):
        planned(tmp_path / "project", corpus, 2, 1, 1, seed=1)
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "note.txt").write_text("mine")
    with pytest.raises(InputError, match="expected a new or empty folder"):
        planned(tmp_path / "theirs", corpus, 2, 1, 1)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ((0, 1, 1), "annotators: expected 1 or more, found 0"),
        ((2, -1, 1), "shared: expected 0 or more, found -1"),
        ((2, 0, 0), "items: expected shared or own items, found 0 of both"),
        (
            (3, 2, 3),
            "expected 11 rows for 2 shared items and 3 own items of 3 annotators, found 10",
        ),
    ],
)
def test_numbers_that_cannot_be_are_refused(
    tmp_path: Path, asked: tuple[int, int, int], told: str
) -> None:
    corpus = corpus_of(tmp_path / "rows", "caption", 10)
    with pytest.raises(InputError, match=told):
        planned(tmp_path / "project", corpus, *asked)
    assert not (tmp_path / "project").exists()


def test_a_language_that_is_not_there_is_refused(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "rows", "caption", 10)
    with pytest.raises(InputError, match="expected a language of en, eu, found gl"):
        plan.plan_validation(corpus, "gl", plan.Asked(1, 1, 1))


def test_a_picture_that_nobody_could_see_is_told_before_people_come(tmp_path: Path) -> None:
    with CorpusWriter(tmp_path / "rows", "caption", ["en", "eu"]) as writer:
        writer.add_image("cut", picture()[:40], "png", 8, 8, "test")
        writer.add_row("1", "cut", {code: {"text": code} for code in ("en", "eu")})
    with pytest.raises(InputError, match="rows: image cut: expected a picture"):
        planned(tmp_path / "project", tmp_path / "rows", 1, 1, 0)
    assert not (tmp_path / "project").exists()


def test_a_language_alone_has_no_source_beside_it(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "rows", "vqa", 4, languages=["eu"])
    found = planned(tmp_path / "project", corpus, 1, 4, 0)
    assert found.source_language == "" and found.items["row-0"].source == {}


def test_a_language_with_fewer_texts_keeps_names_of_its_own(tmp_path: Path) -> None:
    with CorpusWriter(tmp_path / "rows", "vqa", ["en", "eu"]) as writer:
        texts = {"en": ["big", "large", "big"], "eu": ["handi"]}
        rows = {code: {"question": code, "answers": said} for code, said in texts.items()}
        writer.add_row("1", None, rows)
    item = planned(tmp_path / "project", tmp_path / "rows", 1, 1, 0).items["1"]
    assert item.texts == {"question": "eu", "answer": "handi"}
    assert item.source == {"question": "en", "answer 1": "big", "answer 2": "large"}


DAMAGE = {
    "project.json": ('"seed": 0', '"seed": "x"', "project.json: seed: expected a whole number"),
    "items.jsonl": ('"weight":1.0', '"weight":0', "items.jsonl:1: weight: expected"),
    "turns.jsonl": ('"seat":"annotator-1"', '"seat":"x"', "turns.jsonl:1: seat: expected one of"),
    "links.json": ("annotator-1", 'annotator-1", "x', "links.json: expected"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_what_is_damaged_is_told_in_a_line(tmp_path: Path, name: str) -> None:
    corpus = corpus_of(tmp_path / "rows", "caption", 4)
    path = planned(tmp_path / "project", corpus, 1, 1, 0).folder / name
    before, after, told = DAMAGE[name]
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
    with pytest.raises(InputError, match=told) as error:
        project.read(tmp_path / "project")
        project.read_links(tmp_path / "project")
    assert "\n" not in str(error.value)


def test_lines_that_name_what_is_not_there_are_told(tmp_path: Path) -> None:
    found = planned(tmp_path / "project", corpus_of(tmp_path / "rows", "caption", 4), 1, 1, 0)
    turns, items = found.folder / "turns.jsonl", found.folder / "items.jsonl"
    text, said = turns.read_text(), items.read_text()
    asked = json.loads(text)
    for change, told in (
        ({"item": "row-99"}, "expected an item of items.jsonl, found row-99"),
        ({"left": "llama"}, "expected an answer of no model, found llama"),
    ):
        turns.write_text(json.dumps(asked | change) + "\n")
        with pytest.raises(InputError, match=told):
            project.read(found.folder)
    turns.write_text(text * 2)
    with pytest.raises(InputError, match=r"turns.jsonl:2: item: .* twice"):
        project.read(found.folder)
    turns.write_text(text)
    items.write_text(said * 2)
    with pytest.raises(InputError, match=r"items.jsonl:2: id: .* twice"):
        project.read(found.folder)
    items.write_text(said.replace('"picture":"', '"picture":"../'))
    with pytest.raises(InputError, match=r"items.jsonl:1: picture: expected a name"):
        project.read(found.folder)
    items.write_text(said)
    for path in (found.folder / "pictures").iterdir():
        path.unlink()
    with pytest.raises(InputError, match="expected the picture of item"):
        project.read(found.folder)


def test_no_other_folder_is_taken_for_a_project(tmp_path: Path) -> None:
    corpus = coloured(tmp_path / "rows", "vqa", ["red"])
    with pytest.raises(
        InputError, match=r"expected a project of annotation, found no project.json"
    ):
        project.read(corpus)


def test_the_manifest_says_what_it_was_made_of(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "rows", "caption", 4)
    found = planned(tmp_path / "project", corpus, 1, 1, 1)
    manifest = artifact.read_manifest(found.folder) or {}
    assert manifest["kind"] == "annotation" and manifest["inputs"] == {"corpus": str(corpus)}
    assert {"project.json", "items.jsonl", "turns.jsonl", "links.json"} <= set(manifest["files"])
