"""Answers read back: every nasty one we have met, and any that can be made up."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ikusi.data import rows as row_types
from ikusi.server.objects import UnreadableError
from ikusi.translate.contract import Row
from ikusi.translate.parse import parse
from ikusi.translate.prompt import Format, Labels, write_expected

LABELS = Labels("Galdera", "Erantzuna", "Question", "Answer")
NASTY = yaml.safe_load((Path(__file__).parent / "nasty.yaml").read_text("utf-8"))
CASES = [(layout, case) for layout in ("labels", "json") for case in NASTY[layout]]
WORDS = st.text(
    st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters='"“”«»`'), min_size=1
).map(lambda text: " ".join(text.split()))
TEXTS = st.lists(WORDS.filter(bool), min_size=1, max_size=11)


def row(name: str) -> Row:
    held = NASTY["rows"][name]
    return Row(0, name, row_types.load(held["row_type"]), held["texts"])


def test_there_are_many_of_them() -> None:
    assert len(CASES) >= 60


@pytest.mark.parametrize(("layout", "case"), CASES)
def test_nasty_answers(layout: Format, case: dict[str, Any]) -> None:
    if "refused" in case:
        with pytest.raises(UnreadableError) as error:
            parse(case["answer"], row(case["row"]), LABELS, layout)
        assert str(error.value).startswith(case["refused"])
    else:
        assert parse(case["answer"], row(case["row"]), LABELS, layout) == case["texts"]


@pytest.mark.slow
@given(TEXTS, st.sampled_from(["vqa", "choice", "instruction", "open", "caption"]), st.data())
def test_what_is_laid_out_as_asked_is_read_back_or_refused(
    texts: list[str], row_type: str, data: st.DataObject
) -> None:
    texts = texts[:1] if row_type in ("open", "caption") else texts
    if row_type == "instruction" and len(texts) == 1:
        texts *= 2
    layout: Format = data.draw(st.sampled_from(["labels", "json"]))
    asked = Row(0, "row", row_types.load(row_type), texts)
    answer = write_expected(layout, asked, texts, LABELS)
    try:
        found = parse(answer, asked, LABELS, layout)
        # What ends an item of a list may be a separator.
        assert [text.rstrip(" ,;") for text in found] == [text.rstrip(" ,;") for text in texts]
    except UnreadableError:
        # Only where the texts look like the layout, or have fences in them.
        looks = ("galdera", "erantzuna", "question", "answer", "```", "{", "}")
        lists = any(mark in text for text in texts for mark in ",;.)")
        assert lists or any(mark in text.lower() for text in texts for mark in looks)


@given(
    st.text(max_size=200),
    st.sampled_from(sorted(NASTY["rows"])),
    st.sampled_from(["labels", "json"]),
)
def test_any_answer_gives_as_many_texts_or_a_reason(answer: str, name: str, layout: Format) -> None:
    try:
        found = parse(answer, row(name), LABELS, layout)
    except UnreadableError as error:
        assert str(error)
        assert "\n" not in str(error)
    else:
        assert len(found) == len(row(name).texts)
        assert all(text.strip() for text in found)


@pytest.mark.parametrize("layout", ["labels", "json"])
@pytest.mark.parametrize(
    "morsel",
    ["*", "**", "-", "- ", "```\n", "1.", ", 1.", "Galdera: ", "{", '{"a":', " ", "\n"],
)  # fmt: skip
def test_a_very_long_answer_does_not_hang_the_job(layout: Format, morsel: str) -> None:
    """A tenth of a second if time grows with the length; hours if it grows with its square."""
    began = time.process_time()
    with suppress(UnreadableError):
        parse("**Galdera:** " + morsel * 100_000, row("choice"), LABELS, layout)
    assert time.process_time() - began < 20
