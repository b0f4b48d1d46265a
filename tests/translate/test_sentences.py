"""Texts taken apart and put back whole."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ikusi.errors import InputError
from ikusi.translate.contract import Outcome, Row, Sentence, Verdict
from ikusi.translate.sentences import SentenceTranslator, pieces

MORSELS = [
    "a", "b ", " ", ",", ". ", "! ", "\n", "`", "<image>", "1. ", "- ", "é", "。", "http://x.y ",
    "www.q", "\t", "```", "12", " \n ", "Mr. ", "Hello there.", "\u3000", "\r\n", "*",
]  # fmt: skip


class Echo:
    """Says what it is told in brackets; breaks on sentences with `break` in them."""

    name = "echo"

    def __init__(self, batch: int = 3) -> None:
        self.batch, self.calls = batch, []  # type: tuple[int, list[list[str]]]

    def settings(self) -> dict[str, Any]:
        return {}

    def translate(self, sentences: Sequence[str]) -> list[Sentence]:
        self.calls.append(list(sentences))
        if any("break" in sentence for sentence in sentences):
            raise RuntimeError("out of memory")
        return [Sentence(f"[{text}]", -1.0, cut="long" in text) for text in sentences]

    def close(self) -> None:
        pass


def outcomes(texts: list[list[str]], engine: Echo) -> list[Outcome]:
    rows = [Row(place, str(place), "vqa", some) for place, some in enumerate(texts)]
    return list(SentenceTranslator(engine, "en").translate(rows, lambda row, said: Verdict()))


def said(text: str) -> str:
    found = outcomes([[text]], Echo())[0].texts
    assert found is not None
    return found[0]


@given(st.lists(st.sampled_from(MORSELS), max_size=14).map("".join) | st.text(max_size=60))
def test_the_pieces_of_any_text_are_the_text(text: str) -> None:
    found = pieces(text, "en")
    assert "".join(piece for piece, _ in found) == text
    for piece, is_sentence in found:
        assert not is_sentence or (piece == piece.strip() and piece and "\n" not in piece)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A cat.", "[A cat.]"),
        ("A cat. A dog?", "[A cat.] [A dog?]"),
        ("1. A cat.\n2. A dog.", "1. [A cat.]\n2. [A dog.]"),
        ("- A cat\n\n\n- A dog", "- [A cat]\n\n\n- [A dog]"),
        ("  A cat  \n", "  [A cat]  \n"),
        ("<image>\nWhat is it?", "<image>\n[What is it?]"),
        ("See `a.b()` there", "[See] `a.b()` [there]"),
        ("```\nlet x = 1;\n```\nIt runs.", "```\nlet x = 1;\n```\n[It runs.]"),
        ("Go to https://a.eu/b?c=1 now", "[Go to] https://a.eu/b?c=1 [now]"),
        ("12,5 %", "12,5 %"),
        ("It is 3.5 m tall.", "[It is 3.5 m tall.]"),
        ("", ""),
    ],
)
def test_only_words_go_to_the_engine(text: str, expected: str) -> None:
    assert said(text) == expected


def test_a_sentence_is_asked_for_once_however_often_it_comes() -> None:
    engine = Echo()
    found = outcomes([["is it?", "yes", "no", "yes"] for _ in range(50)], engine)
    assert [sentence for call in engine.calls for sentence in call] == ["is it?", "yes", "no"]
    assert all(outcome.texts == ["[is it?]", "[yes]", "[no]", "[yes]"] for outcome in found)


def test_rows_come_back_in_order_as_soon_as_a_batch_is_full() -> None:
    engine = Echo(batch=2)
    rows = iter([Row(place, str(place), "caption", [f"cat {place}"]) for place in range(9)])
    translated = SentenceTranslator(engine, "en").translate(rows, lambda row, said: Verdict())
    assert next(translated).place == 0
    assert sum(1 for _ in rows) == 7  # only the first two were read
    assert list(map(len, engine.calls)) == [2]


def test_a_sentence_that_breaks_the_engine_costs_itself_alone() -> None:
    found = outcomes([["one"], ["break"], ["three"], ["four"]], Echo(batch=4))
    assert [outcome.texts for outcome in found] == [["[one]"], [""], ["[three]"], ["[four]"]]


def test_an_engine_that_breaks_on_everything_is_told_in_one_line() -> None:
    with pytest.raises(InputError, match="echo: expected translations, found: out of memory"):
        outcomes([["break one"], ["break two"]], Echo())


def test_a_row_is_scored_by_its_sentences_and_flagged_where_one_was_cut() -> None:
    plain, cut = outcomes([["A cat. A dog."], ["A cat. A long dog."]], Echo())
    assert (plain.score, plain.flags, cut.score, cut.flags) == (-1.0, (), -1.0, ("cut",))


def test_what_the_check_refuses_is_kept_as_an_attempt() -> None:
    rows = [Row(0, "0", "caption", ["a cat"])]
    refuse = Verdict("language: expected eu, found en")
    found = list(SentenceTranslator(Echo(), "en").translate(rows, lambda row, said: refuse))
    assert found[0].texts is None
    assert [(tried.raw, tried.reason) for tried in found[0].attempts] == [
        ("[a cat]", "language: expected eu, found en")
    ]
