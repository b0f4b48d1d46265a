"""Weaknesses that a card says of a model, read off its scores."""

import pytest

from ikusi.evaluate import benchmark
from ikusi.publish.scores import Score, list_limits


@pytest.mark.parametrize(
    ("fidelity", "share"), [(None, None), (1.0, None), (0.96, None), (0.9, 10), (0.0, 100)]
)
def test_a_card_says_how_many_answers_are_in_another_language(
    fidelity: float | None, share: int | None
) -> None:
    figures = {"score": 0.9, "low": 0.8, "fidelity": fidelity, "language_told": 50}
    limits = list(list_limits([Score(benchmark.load("miniature/vqa"), "eu", figures, None, None)]))
    said = [line for line in limits if "in another language" in line]
    assert len(said) == (share is not None) == len(limits)
    assert all(f"{share} % of the 50 answers" in line for line in said)
