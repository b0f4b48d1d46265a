"""The data sets that come in two languages: text alone, and the published Basque benchmarks."""

from pathlib import Path
from typing import Any

import pytest
from datasets import List

from data.sources.hub import (
    IMAGE,
    TEXT,
    Value,
    bad,
    card,
    cell,
    good,
    jpeg,
    left_out,
    lines,
    parquet,
    read,
)
from ikusi.errors import InputError

TURNS = {"conversation_id": TEXT, "conversations": List({"role": TEXT, "content": TEXT})}
ENGLISH = "Magpie-Llama-3.1-8B-Instruct-Filtered-1M"
BASQUE = "Magpie-Llama-3.1-8B-Instruct-Filtered-translated-1M"


def said(id: str, *contents: str) -> dict[str, Any]:
    turns = [
        {"role": "assistant" if place % 2 else "user", "content": text}
        for place, text in enumerate(contents)
    ]
    return {"conversation_id": id, "conversations": turns}


@pytest.fixture
def magpie(tmp_path: Path) -> Path:
    english = [said("a", "Hi", "Hello"), said("translation_1", "x", "y"), said("b", "Go", "Gone")]
    english += [said("c", "1", "2"), said("only", "1", "2")]
    basque = [
        said("b", "Joan", "Joana"),
        said("a", "Kaixo", "Aupa"),
        said("translation_1", "x", "y"),
    ]
    basque += [said("c", "1", "2", "3", "4"), said("a", "Kaixo", "Aupa")]
    parquet(tmp_path / ENGLISH / "data/train-00000-of-00001.parquet", english, TURNS)
    parquet(tmp_path / BASQUE / "data/train-00000-of-00001.parquet", basque, TURNS)
    return tmp_path


def test_magpie_joins_conversations_and_drops_those_about_translation(magpie: Path) -> None:
    items = read("magpie", magpie)
    assert [row.id for row in good(items)] == ["a", "b"]
    texts = good(items)[0].texts
    assert texts["en"]["turns"][0] == {"role": "user", "content": "Hi"}
    assert texts["eu"]["turns"][1] == {"role": "assistant", "content": "Aupa"}
    assert left_out(items) == ["a conversation about translation"] * 2
    assert bad(items) == {
        "a": "eu: expected a new id, found it twice",
        "c": "turns: expected as many in both languages, found 2 and 4",
        "only": "eu: expected the same id, found none",
    }
    assert len(items) == 10 - 3  # three pairs became a row each


def test_magpie_in_one_language_needs_no_other(magpie: Path) -> None:
    rows = good(read("magpie", magpie, languages=["eu"]))
    assert [row.id for row in rows] == ["b", "a", "c", "a"]
    with pytest.raises(InputError, match="languages: expected en or eu, found fr"):
        read("magpie", magpie, languages=["fr"])


def trivia(id: int, group: str, answer: Any = 1) -> dict[str, Any]:
    return {
        "id": id,
        "category": "Sports",
        "group": group,
        "difficulty": 2,
        "question": f"{id}?",
        "answer": answer,
        "candidates": ["a", "b", "c"],
    }


@pytest.mark.parametrize("carded", [True, False])
def test_bertaqa_is_parallel_with_local_and_global_groups(tmp_path: Path, carded: bool) -> None:
    basque = [trivia(1, "Euskal gaiak"), trivia(2, "Gai orokorrak"), trivia(3, "Gai orokorrak", 0)]
    english = [trivia(2, "Global Topics"), trivia(1, "Basque and Local Topics"), trivia(3, "")]
    lines(tmp_path / "eu" / "test.jsonl", basque)
    lines(tmp_path / "en" / "test.jsonl", english)
    if carded:
        card(tmp_path, {code: {"test": f"{code}/test.jsonl"} for code in ("eu", "en")})
    items = read("bertaqa", tmp_path)
    assert [(row.id, row.group, row.task) for row in good(items)] == [
        ("1", "local", "Sports"),
        ("2", "global", "Sports"),
    ]
    assert list(good(items)[0].texts) == ["eu", "en"] and good(items)[0].picture is None
    assert bad(items) == {"3": "answer: expected the same in both languages, found 0 and 1"}


CHOICES = {
    "image": IMAGE,
    "question": TEXT,
    "choices": TEXT,
    "correct_choice_idx": TEXT,
    "question_id": TEXT,
}


def choice(id: str, choices: str, answer: str) -> dict[str, Any]:
    row = {"image": cell(jpeg(1)), "question": "Zer?", "choices": choices}
    return row | {"correct_choice_idx": answer, "question_id": id}


def splits(folder: Path, features: dict[str, Any], **rows: list[dict[str, Any]]) -> Path:
    for split, own in rows.items():
        parquet(folder / f"data/{split}-00000-of-00001.parquet", own, features)
    return folder


def test_published_choices_are_text_in_several_forms(tmp_path: Path) -> None:
    forms = ["['a', 'b', 'c', 'd']", "['a' 'b'\n 'c' 'd']", '["a", "b", "c", "d"]']
    rows = [choice(str(number), form, "2") for number, form in enumerate(forms)]
    wrong = [choice("3", "a, b", "2"), choice("4", forms[0], "third")]
    splits(tmp_path, CHOICES, en=[*rows, *wrong, choice("5", forms[0], "0")], eu=[*rows, *wrong])
    items = read("aokvqa_eu", tmp_path)
    texts = [row.texts for row in good(items)]
    assert [columns["eu"]["choices"] for columns in texts] == [["a", "b", "c", "d"]] * 3
    assert [columns["en"]["answer"] for columns in texts] == [2, 2, 2]
    assert bad(items) == {
        "3": "choices: expected a list of texts, found 'a, b'",
        "4": "correct_choice_idx: expected a whole number, found 'third'",
        "5": "eu: expected the same id, found none",
    }


def test_a_published_set_may_have_one_language_only(tmp_path: Path) -> None:
    splits(tmp_path, CHOICES, eu=[choice("1", "['a', 'b']", "1")])
    assert [row.id for row in good(read("aokvqa_eu", tmp_path, languages=["eu"]))] == ["1"]
    assert len(read("aokvqa_eu", tmp_path, "eu", languages=["eu"])) == 1
    with pytest.raises(InputError, match="split: expected eu, found en"):
        read("aokvqa_eu", tmp_path)
    with pytest.raises(InputError, match="split: expected none where languages are joined"):
        read("aokvqa_eu", tmp_path, "eu")


def test_published_vqa_and_open_questions_are_parallel(tmp_path: Path) -> None:
    features = {"image": IMAGE, "question": TEXT, "answers": TEXT, "question_id": Value("int64")}
    row = {"image": cell(jpeg(2)), "question": "Zer?", "question_id": 7}
    vqa = splits(
        tmp_path / "vqa",
        features,
        en=[row | {"answers": "[{'answer': 'no'}]"}, row | {"answers": "['cat', 'cat']"}],
        eu=[row | {"answers": '["katua", "katua"]'}],
    )
    items = read("vqav2_eu", vqa)
    assert good(items)[0].texts["eu"]["answers"] == ["katua", "katua"]
    assert bad(items)["7"].startswith("answers: expected a list of texts")
    asked = {"image": IMAGE, "instruction": TEXT, "question_id": TEXT}
    one = {"image": cell(jpeg(3)), "instruction": "Tell.", "question_id": "w"}
    path = splits(tmp_path / "wild", asked, en=[one], eu=[one | {"instruction": "Esan."}])
    assert good(read("wildvision_eu", path))[0].texts["eu"] == {"question": "Esan."}


def test_published_yes_and_no_are_told_apart_by_picture(tmp_path: Path) -> None:
    features = {"image": IMAGE, "question": TEXT, "answer": TEXT}

    def row(shade: int, question: str, answer: str) -> dict[str, Any]:
        return {"image": cell(jpeg(shade)), "question": question, "answer": answer}

    english = [row(1, "A?", "Yes"), row(1, "B?", "No"), row(2, "C?", "Yes"), row(3, "D?", "Maybe")]
    basque = [row(2, "C eu?", "No"), row(1, "A eu?", "Bai"), row(1, "B eu?", "no.")]
    items = read("pixmo_capqa_eu", splits(tmp_path, features, en=english, eu=basque))
    texts = [row.texts for row in good(items)]
    assert [columns["eu"]["question"] for columns in texts] == ["A eu?", "B eu?"]
    assert texts[1]["eu"] == {"question": "B eu?", "choices": ["Bai", "Ez"], "answer": 1}
    reasons = sorted(bad(items).values())
    assert reasons[0] == "answer: expected Yes or No, found 'maybe'"
    assert reasons[1] == "answer: expected the same in both languages, found 0 and 1"


def test_published_instructions_have_pictures_behind_urls(tmp_path: Path) -> None:
    features = {"image_url": TEXT, "image_sha256": TEXT, "question": TEXT, "answer": TEXT}
    row = {"image_url": "https://p.example/1.png", "question": "Zer?", "answer": "Hori."}
    rows = [row | {"image_sha256": None}]
    parquet(tmp_path / "data/train-00000-of-00001.parquet", rows, features)
    found = good(read("pixmo_ama_eu", tmp_path))[0]
    assert found.picture is not None and found.picture.url == "https://p.example/1.png"
    assert found.texts["eu"]["turns"][1]["content"] == "Hori."
