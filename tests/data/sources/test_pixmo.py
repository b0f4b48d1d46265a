"""PixMo: pictures behind URLs, questions with tags, and the yes/no filter."""

from pathlib import Path
from typing import Any

import pytest
from datasets import List

from data.sources.hub import IMAGE, TEXT, bad, cell, good, jpeg, left_out, parquet, read
from ikusi.data.sources.pixmo import read_conversation
from ikusi.errors import InputError

AMA = {"image_url": TEXT, "image_sha256": TEXT, "question": TEXT, "answer": TEXT}
CAP_QA = {"image_url": TEXT, "question": TEXT, "answer": TEXT, "messages": List(TEXT)}
URL = "https://pictures.example/1.jpg"


def ama(**changes: Any) -> dict[str, Any]:
    row = {"image_url": URL, "image_sha256": "ab" * 32, "question": "What?", "answer": "That."}
    return row | changes


def test_rows_about_one_picture_share_it_and_have_names_that_last(tmp_path: Path) -> None:
    rows = [ama(), ama(question="Where?"), ama(image_url="https://pictures.example/2.jpg")]
    first = good(read("pixmo_ama", parquet(tmp_path / "train.parquet", rows, AMA)))
    shown = [row.picture for row in first]
    assert shown[0] is not None and shown[0] == shown[1] != shown[2]
    assert shown[0].url == URL and shown[0].sha256 == "ab" * 32
    grown = good(
        read("pixmo_ama", parquet(tmp_path / "more.parquet", [ama(answer="It."), *rows], AMA))
    )
    assert [row.id for row in grown[1:]] == [row.id for row in first]
    assert len({row.id for row in grown}) == 4


@pytest.mark.parametrize("url", [None, "", "file:///etc/passwd", "data:image/png;base64,AA"])
def test_what_is_no_web_address_is_set_aside(tmp_path: Path, url: str | None) -> None:
    rows = [ama(image_url=url), ama(question=None)]
    reasons = list(bad(read("pixmo_ama", parquet(tmp_path / "a.parquet", rows, AMA))).values())
    assert reasons[0].startswith("image_url: expected a ")
    assert reasons[1] == "question: expected a value, found none"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"question": "[USER] Is it? [ASSISTANT]", "answer": "Yes"}, ["Is it?", "Yes"]),
        ({"question": "[USER]Is it?", "answer": " Yes\n"}, ["Is it?", "Yes"]),
        ({"question": "Is it?", "answer": "Yes"}, ["Is it?", "Yes"]),
        (
            {"question": "[USER] A\n[ASSISTANT] B\n[USER] C\n[ASSISTANT]", "answer": "D"},
            ["A", "B", "C", "D"],
        ),
        (
            {"question": "[USER] ?", "answer": "no", "messages": ["Is it?", "Yes"]},
            ["Is it?", "Yes"],
        ),
        ({"question": "[USER] Is it?", "answer": "Yes", "messages": []}, ["Is it?", "Yes"]),
    ],
)
def test_both_forms_of_a_conversation_read_alike(row: dict[str, Any], said: list[str]) -> None:
    assert read_conversation(row) == said


@pytest.mark.parametrize("question", ["[ASSISTANT] A [USER] B", "[USER] A [USER] B", "so [USER] A"])
def test_turns_that_do_not_alternate_are_refused(question: str) -> None:
    with pytest.raises(InputError, match="question: expected turns"):
        read_conversation({"question": question, "answer": "Yes"})


ANSWERS = ["Yes", "no.", "YES!", "Yes, it is.", "Nobody", "Yesterday", "It is red.", "No "]


def capqa(question: str, answer: str, **changes: Any) -> dict[str, Any]:
    row = {"image_url": URL, "question": question, "answer": answer, "messages": None}
    return row | changes


@pytest.mark.parametrize(("rule", "kept"), [("strict", [0, 1, 0, 1]), ("loose", [0, 1, 0, 0, 1])])
def test_only_questions_of_yes_or_no_are_kept(tmp_path: Path, rule: str, kept: list[int]) -> None:
    rows = [capqa(f"[USER] {n}? [ASSISTANT]", answer) for n, answer in enumerate(ANSWERS)]
    rows.append(capqa("[USER] Is it? [ASSISTANT] No. [USER] Sure? [ASSISTANT]", "Yes"))
    items = read("pixmo_capqa", parquet(tmp_path / "a.parquet", rows, CAP_QA), answer=rule)
    columns = [row.texts["en"] for row in good(items)]
    assert [texts["answer"] for texts in columns] == kept
    assert all(texts["choices"] == ["Yes", "No"] for texts in columns)
    assert columns[0]["question"] == "0?"
    assert left_out(items).count("several turns") == 1
    assert len(items) == len(rows)


def test_the_same_question_about_a_picture_has_the_same_name(tmp_path: Path) -> None:
    rows = [capqa("[USER] Is it?", "Yes"), capqa("", "", messages=["Is it?", "No"])]
    items = good(read("pixmo_capqa", parquet(tmp_path / "a.parquet", rows, CAP_QA)))
    assert items[0].id == items[1].id
    assert [row.stratum for row in items] == ["Yes", "No"]


def test_a_mirror_with_pictures_in_its_cells_is_read(tmp_path: Path) -> None:
    features = {"image": IMAGE, "image_url": TEXT, "question": TEXT, "answer": TEXT}
    row = {"image": cell(jpeg()), "image_url": URL, "question": "Is it?", "answer": "Yes"}
    picture = good(read("pixmo_capqa", parquet(tmp_path / "a.parquet", [row], features)))[0].picture
    assert picture is not None and picture.url is None
    assert picture.read() == jpeg() and picture.source == URL
