"""Answers that come in pieces: what is shown of them on the way, and what they are in the end."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from ikusi.server import pieces
from ikusi.server.answer import Answer, NotACompletionError, read
from ikusi.server.keys import MARK, Secrets

KEY = "sesame-opens-all"


class Chunks:
    """The pieces of an answer, as the SDK yields them."""

    def __init__(self, *texts: str, ended: str | None = "stop", thought: str = "") -> None:
        self.texts, self.ended, self.thought, self.closed = texts, ended, thought, False

    async def __aiter__(self) -> AsyncIterator[Any]:
        for place, text in enumerate(self.texts):
            last = place == len(self.texts) - 1
            delta = SimpleNamespace(content=text, reasoning_content=self.thought or None)
            choice = SimpleNamespace(delta=delta, finish_reason=self.ended if last else None)
            yield SimpleNamespace(choices=[choice])
        yield SimpleNamespace(choices=[])  # what it has cost

    async def close(self) -> None:
        self.closed = True


def collect(chunks: Chunks, most: int = 100, own: str = "") -> tuple[Answer, list[str]]:
    """The answer, and what was shown of it."""
    seen: list[str] = []

    def say(text: str) -> bool:
        seen.append(text)
        return len(seen) < most

    made = asyncio.run(pieces.collect(chunks, say, Secrets([KEY]), own))
    assert chunks.closed
    return read(made, 100, own), seen


def test_pieces_make_up_the_answer() -> None:
    answer, seen = collect(Chunks("A ", "red ", "house."))
    assert (answer.text, answer.torn, seen) == ("A red house.", None, ["A", "A red"])


def test_who_wants_no_more_gets_what_there_is() -> None:
    answer, seen = collect(Chunks("A ", "red ", "house."), most=1)
    assert (answer.text, answer.torn, seen) == ("A ", None, ["A"])


def test_thoughts_are_shown_to_nobody() -> None:
    thinks = ("<think>A dog", " is blue.</think>", "Red", ".")
    answer, seen = collect(Chunks(*thinks))
    assert (answer.text, answer.thought, seen) == ("Red.", "A dog is blue.", ["", "", "Red"])
    answer, seen = collect(Chunks("Red", ".", thought="hm"))
    assert (answer.text, answer.thought, seen) == ("Red.", "hmhm", ["Red"])
    assert collect(Chunks("<think>", "x"), own="what is <think> ?")[1] == ["<think>"]


def test_a_key_is_shown_in_no_piece() -> None:
    answer, seen = collect(Chunks("My key is ", *KEY, " , is it?", "", ended="stop"))
    assert not any(KEY[:2] in text for text in seen) and seen[-1] == f"My key is {MARK} , is it?"
    assert MARK in answer.raw and answer.torn is not None


def test_an_answer_that_is_torn_or_nothing_is_none() -> None:
    assert collect(Chunks("A ", "red", ended=None))[0].torn is not None
    assert collect(Chunks("A ", "red", ended="length"))[0].is_limited
    with pytest.raises(NotACompletionError):
        collect(Chunks("", ended=None))
