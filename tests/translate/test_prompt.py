"""Prompts are data; the paper's are the paper's."""

import json
from pathlib import Path
from typing import Any

import pytest

from ikusi import language
from ikusi.data import rows as row_types
from ikusi.errors import InputError
from ikusi.translate import prompt
from ikusi.translate.contract import Row
from ikusi.translate.engines.chat import Chat
from ikusi.translate.parse import parse

EN, EU, GL = (language.load(code) for code in ("en", "eu", "gl"))
CHOICE = Row(0, "row", row_types.load("choice"), ["What is {answer}?", "a cat", "a dog"])
ROWS = [
    CHOICE,
    Row(0, "row", row_types.load("vqa"), ["What?", *["red"] * 10]),
    Row(0, "row", row_types.load("open"), ["What is it?"]),
    Row(0, "row", row_types.load("instruction"), ["Describe it.", "A cat."]),
    Row(0, "row", row_types.load("instruction"), ["Hi.", "Hello.", "And it?", "A cat."]),
    Row(0, "row", row_types.load("caption"), ["A cat."]),
]


def writer(name: str = "any", format: prompt.Format = "labels", target: Any = EU) -> prompt.Writer:
    return prompt.Writer(prompt.load(name, target.code), format, EN, target)


def test_the_papers_prompt_for_aokvqa_is_sent_word_for_word() -> None:
    """Figure 4 of arXiv 2511.09396."""
    row = Row(0, "row", row_types.load("choice"), ["Where?", "office", "cafe", "motel", "outside"])
    system, *shots, request = writer("aokvqa").messages(row)
    assert system["content"].startswith(
        "You are a helpful AI assistant that specializes in English"
    )
    assert system["content"].endswith("provide accurate Basque translations for all text fields.")
    assert [shot["role"] for shot in shots] == ["user", "assistant"] * 2
    assert shots[1]["content"] == (
        "**Galdera:** Zer ari da poltsekin dagoen gizona itxaroten? "
        "**Erantzuna:** 1.skaterra, 2.trena, 3.Deliveria, 4.Taxia"
    )
    assert request["content"] == (
        "Translate the following question and answers to Basque \n \n \n "
        "**Question:** Where? **Answer:** 1.office, 2.cafe, 3.motel, 4.outside"
    )


def test_the_papers_prompt_for_vqav2_numbers_its_ten_answers() -> None:
    """Figure 6."""
    *_, shot, _ = writer("vqav2").messages(ROWS[1])
    assert shot["content"].endswith("9.foodiebakercom, 10.foodiebaker")


def test_wildvision_has_no_examples() -> None:
    assert [message["role"] for message in writer("wildvision").messages(ROWS[2])] == [
        "system",
        "user",
    ]


@pytest.mark.parametrize("format", ["labels", "json"])
@pytest.mark.parametrize("name", prompt.open_prompts("eu").names())
def test_every_example_is_read_back_as_its_texts(name: str, format: prompt.Format) -> None:
    """An example that we could not read would teach the model to be refused."""
    found = prompt.load(name, "eu")
    answers = [message["content"] for message in writer(name, format)._beginning[2::2]]
    for shot, answer in zip(found.shots, answers, strict=True):
        row = Row(0, "shot", row_types.load(shot.row_type), shot.source)
        assert parse(answer, row, writer(name).labels, format) == shot.target


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.row_type}-{len(row.texts)}")
@pytest.mark.parametrize("name", prompt.open_prompts("eu").names())
def test_everything_but_the_row_comes_first_and_stays_the_same(name: str, row: Row) -> None:
    other = Row(1, "other", row.row_type, [text.upper() for text in row.texts])
    for format in ("labels", "json"):
        one, two = (writer(name, format).messages(some) for some in (row, other))
        assert one[:-1] == two[:-1]
        for text in row.texts:
            assert json.dumps(text, ensure_ascii=False)[1:-1] in one[-1]["content"]


def test_a_field_inside_a_question_is_not_filled_in() -> None:
    assert "What is {answer}?" in writer().request(CHOICE)


def test_other_languages_are_named_and_labelled_by_their_packs() -> None:
    told = "\n".join(message["content"] for message in writer(target=GL).messages(CHOICE))
    assert "from English into Galician" in told
    assert "**Pregunta:**" in told
    assert "Basque" not in told
    assert "{" not in told.replace("{answer}", "")


def test_a_persons_own_prompt_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "prompts/gl").mkdir(parents=True)
    own = "system: Mine.\nrequest: '{question} {answer}'\nquestion_request: '{question}'\n"
    (tmp_path / "prompts/gl/any.yaml").write_text(own)
    monkeypatch.chdir(tmp_path)
    assert prompt.load("any", "gl").system == "Mine."
    assert prompt.load(str(tmp_path / "prompts/gl/any.yaml"), "eu").system == "Mine."
    assert prompt.load("any", "eu").system != "Mine."


def test_an_unknown_prompt_is_told_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"found aokvq \(did you mean aokvqa\?\)"):
        prompt.load("aokvq", "eu")


def test_a_schema_holds_a_row_to_its_counts() -> None:
    schema = prompt.make_json_schema(ROWS[1])
    assert schema["properties"]["answers"]["minItems"] == 10
    assert schema["properties"]["answers"]["maxItems"] == 10
    assert schema["required"] == ["question", "answers"]


def test_what_would_be_sent_can_be_looked_at() -> None:
    chat = Chat(kind="chat", url="http://x", model="m", prompt="aokvqa", format="labels")
    shown = prompt.show_messages(chat, CHOICE, EN, EU)
    assert shown.startswith("[system]\nYou are a helpful AI assistant")
    assert shown.endswith("**Answer:** 1.a cat, 2.a dog")


def test_ones_own_prompt_may_extend_a_packaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "prompts" / "eu" / "mine.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("extends: any.yaml\nquestion_request: 'Say it: {question}'\n")
    changed = {"question_request": "Say it: {question}"}
    assert prompt.load("mine", "eu") == prompt.load("any", "eu").model_copy(update=changed)
