"""The score of the most frequent answer."""

from collections.abc import Iterator, Sequence

import pytest

from ikusi.evaluate.baselines import score_majority


def test_majority_answers_per_kind_of_question() -> None:
    gold = [["red"], ["red"], ["blue"], ["2"], ["2", "two"]]

    def exact(answer: str, row: Sequence[str]) -> float:
        return float(answer in row)

    def rows() -> Iterator[tuple[str, str, Sequence[str]]]:
        for kind, answers in zip(["colour"] * 3 + ["count"] * 2, gold, strict=True):
            yield "reads", kind, answers
            yield "does not", "any", answers

    found = score_majority(rows, exact)
    assert found == {"reads": pytest.approx(4 / 5), "does not": pytest.approx(2 / 5)}
