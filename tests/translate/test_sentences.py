"""Texts taken apart and put back whole."""

import threading
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ikusi.data import rows as row_types
from ikusi.errors import InputError
from ikusi.translate.contract import Outcome, Row, Sentence, Verdict
from ikusi.translate.sentences import SentenceTranslator, split_pieces

MORSELS = [
    "a", "b ", " ", ",", ". ", "! ", "\n", "`", "<image>", "1. ", "- ", "é", "。", "http://x.y ",
    "www.q", "\t", "```", "12", " \n ", "Mr. ", "Hello there.", "\u3000", "\r\n", "*",
    "2 ", "(", '"', "'s ", "-", "?", "\u2028", "• ",
]  # fmt: skip


ANY_TEXT = st.lists(st.sampled_from(MORSELS), max_size=14).map("".join) | st.text(max_size=60)


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
    rows = [Row(place, str(place), row_types.load("vqa"), some) for place, some in enumerate(texts)]
    return list(SentenceTranslator(engine, "en").translate(rows, lambda row, said: Verdict()))


def said(text: str) -> str:
    found = outcomes([[text]], Echo())[0].texts
    assert found is not None
    return found[0]


@given(ANY_TEXT)
def test_the_pieces_of_any_text_are_the_text(text: str) -> None:
    found = split_pieces(text, "en")
    assert "".join(piece for piece, _ in found) == text
    for piece, is_sentence in found:
        assert not is_sentence or (piece == piece.strip() and len(piece.splitlines()) == 1)


@given(ANY_TEXT)
def test_a_text_told_at_a_glance_is_what_a_closer_look_finds(text: str) -> None:
    """A line break always asks for the closer look."""
    plain, looked_at = (
        [piece for piece, is_sentence in split_pieces(some, "en") if is_sentence]
        for some in (text, text + "\n")
    )
    assert plain == looked_at


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
        ("A cat\u2028A dog\rA cow", "[A cat]\u2028[A dog]\r[A cow]"),
        ('2 dogs, "big" ones', '[2 dogs, "big" ones]'),
        ("", ""),
    ],
)
def test_only_words_go_to_the_engine(text: str, expected: str) -> None:
    assert said(text) == expected


def test_sentences_end_as_the_language_has_it() -> None:
    assert split_pieces("你好。你好吗？", "zh") == [("你好。", True), ("你好吗？", True)]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Gure 2. mailakoa da. Ederra.", ["Gure 2. mailakoa da.", "Ederra."]),
        ("Maiatzaren 2. astean etorri zen.", ["Maiatzaren 2. astean etorri zen."]),
        ("1. eta 2. mailakoak dira.", ["1. eta 2. mailakoak dira."]),
        ("XX. mendean egin zen.", ["XX. mendean egin zen."]),
        ("Bi dira: 1 eta 2. Ederrak.", ["Bi dira: 1 eta 2.", "Ederrak."]),
        ("1. katu bat\n2. txakur bat", ["katu bat", "txakur bat"]),
        ("1. Katu bat.", ["Katu bat."]),
        ("- 2. mailakoa", ["2. mailakoa"]),
    ],
)
def test_an_ordinal_number_ends_no_sentence(text: str, sentences: list[str]) -> None:
    assert [piece for piece, is_sentence in split_pieces(text, "eu") if is_sentence] == sentences


def test_a_sentence_is_asked_for_once_however_often_it_comes() -> None:
    engine = Echo()
    found = outcomes([["is it?", "yes", "no", "yes"] for _ in range(50)], engine)
    assert [sentence for call in engine.calls for sentence in call] == ["is it?", "yes", "no"]
    assert all(outcome.texts == ["[is it?]", "[yes]", "[no]", "[yes]"] for outcome in found)


def test_sentences_are_forgotten_before_memory_fills(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ikusi.translate.sentences.REMEMBERED", 4)
    engine = Echo()
    numbers = [*range(12), *range(12)]
    found = outcomes([[f"cat {number}", "yes"] for number in numbers], engine)
    assert [outcome.texts for outcome in found] == [[f"[cat {n}]", "[yes]"] for n in numbers]
    assert sum(map(len, engine.calls)) > 13


def test_rows_come_back_in_order_reading_one_batch_ahead() -> None:
    engine = Echo(batch=2)
    rows = iter(
        [Row(place, str(place), row_types.load("caption"), [f"cat {place}"]) for place in range(9)]
    )
    translated = SentenceTranslator(engine, "en").translate(rows, lambda row, said: Verdict())
    assert next(translated).place == 0
    assert sum(1 for _ in rows) == 5  # four were read
    assert [outcome.place for outcome in translated] == [1, 2, 3]
    assert list(map(len, engine.calls)) == [2, 2]


def test_the_engine_works_while_rows_are_checked() -> None:
    began = threading.Event()

    class Telling(Echo):
        def translate(self, sentences: Sequence[str]) -> list[Sentence]:
            if "cat 1" in sentences:
                began.set()
            return super().translate(sentences)

    def check(row: Row, said: Sequence[str]) -> Verdict:
        assert began.wait(10), "the second batch waits for the check of the first"
        return Verdict()

    rows = [
        Row(place, str(place), row_types.load("caption"), [f"cat {place}"]) for place in range(2)
    ]
    assert len(list(SentenceTranslator(Telling(batch=1), "en").translate(rows, check))) == 2


def test_sentences_that_break_the_engine_cost_themselves_alone() -> None:
    found = outcomes([["one"], ["break"], ["break too"], ["four"], ["break 5"]], Echo(batch=4))
    assert [outcome.texts for outcome in found] == [["[one]"], None, None, ["[four]"], None]
    reason = "engine: expected a translation, found: out of memory"
    assert {tried.reason for outcome in found for tried in outcome.attempts} == {reason}


def test_an_engine_that_breaks_on_everything_is_told_in_one_line() -> None:
    with pytest.raises(InputError, match="echo: expected translations, found: out of memory"):
        outcomes([["break one"], ["break two"]], Echo())


def test_an_engine_that_dies_on_the_way_stops_the_job_soon() -> None:
    engine = Echo(batch=1000)
    texts = [["break" if place >= 1000 else "cat", str(place) + "a"] for place in range(2000)]
    texts = [[" ".join(text)] for text in texts]
    rows = [
        Row(place, str(place), row_types.load("caption"), text) for place, text in enumerate(texts)
    ]
    found: list[Outcome] = []
    with pytest.raises(InputError, match="out of memory"):
        found.extend(SentenceTranslator(engine, "en").translate(rows, lambda row, said: Verdict()))
    assert len(engine.calls) < 60


def test_long_sentences_weigh_more_in_a_score_and_one_that_was_cut_is_flagged() -> None:
    class Scored(Echo):
        def translate(self, sentences: Sequence[str]) -> list[Sentence]:
            return [Sentence(text, -float(len(text)), "long" in text) for text in sentences]

    plain, cut = outcomes([["A cat. A big dog."], ["A long dog."]], Scored())
    assert (plain.score, plain.flags) == (pytest.approx(-(36 + 100) / 16), ())
    assert (cut.score, cut.flags) == (-11.0, ("cut",))


def test_what_the_check_refuses_is_kept_as_an_attempt() -> None:
    rows = [Row(0, "0", row_types.load("caption"), ["a cat"])]
    refuse = Verdict("language: expected eu, found en")
    found = list(SentenceTranslator(Echo(), "en").translate(rows, lambda row, said: refuse))
    assert found[0].texts is None
    assert [(tried.raw, tried.reason) for tried in found[0].attempts] == [
        ("[a cat]", "language: expected eu, found en")
    ]
