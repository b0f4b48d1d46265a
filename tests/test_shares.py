"""Intervals of shares of ratings, and the sign test."""

import numpy as np
import pytest
from scipy.stats import binomtest

from ikusi.statistics.shares import sign_test, wilson_interval


@pytest.mark.parametrize(
    ("accepted", "low", "high"), [(67, 0.742, 0.903), (69, 0.770, 0.921), (78, 0.913, 0.993)]
)
def test_the_papers_acceptance_has_wilsons_interval(accepted: int, low: float, high: float) -> None:
    found = wilson_interval([1] * accepted + [0] * (80 - accepted))
    assert found == pytest.approx((accepted / 80, low, high), abs=5e-4)
    reference = binomtest(accepted, 80).proportion_ci(method="wilson")
    assert found[1:] == pytest.approx((reference.low, reference.high))


def test_ratings_of_one_item_count_as_one_where_they_are_the_same() -> None:
    items = np.random.default_rng(0).random(40) < 0.7
    ratings, clusters = items.repeat(4).astype(float), np.arange(40).repeat(4)
    clustered, alone = wilson_interval(ratings, clusters), wilson_interval(items.astype(float))
    assert clustered.low == pytest.approx(alone.low, abs=0.01)
    assert wilson_interval(ratings).low > clustered.low + 0.05
    everything = wilson_interval(np.ones(160), clusters)
    assert everything == pytest.approx(wilson_interval(np.ones(40)))


@pytest.mark.parametrize("alike", [0.0, 0.5])
def test_intervals_of_ratings_hold_the_truth_in_95_of_100_samples(alike: float) -> None:
    """20 items rated by four people and 80 by one, as in the paper; `alike`: one item's raters."""
    draw, inside, share, repeats = np.random.default_rng(1), 0, 0.85, 600
    clusters = np.r_[np.arange(20).repeat(4), np.arange(20, 100)]
    for _ in range(repeats):
        item, own = draw.random(100)[clusters], draw.random(160)
        follows = draw.random(160) < np.sqrt(alike)
        ratings = np.where(follows, item < share, own < share).astype(float)
        found = wilson_interval(ratings, clusters)
        inside += found.low <= share <= found.high
    assert 0.93 <= inside / repeats <= 0.98


@pytest.mark.parametrize(
    ("wins", "losses", "p_value", "needed"),
    [(61, 54, 0.576, 69), (83, 84, 1.0, 97), (250, 250, 1.0, 273), (3, 2, 1.0, None)],
)
def test_the_sign_test_says_what_would_have_been_significant(
    wins: int, losses: int, p_value: float, needed: int | None
) -> None:
    found = sign_test(wins, losses)
    assert found.p_value == pytest.approx(p_value, abs=5e-4)
    assert found.needed == needed
    if needed:
        total = wins + losses
        assert binomtest(needed, total).pvalue <= 0.05 < binomtest(needed - 1, total).pvalue


def test_without_wins_nothing_is_shown() -> None:
    assert sign_test(0, 0) == (0, 0, 1.0, None)
