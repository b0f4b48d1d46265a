"""Strengths of models from pairwise preferences."""

import numpy as np
import numpy.typing as npt
import pytest

from ikusi.statistics.bradley_terry import bradley_terry, estimate_strengths

Numbers = npt.NDArray[np.int64]


def played(
    seed: int, models: int = 4, games: int = 400
) -> tuple[Numbers, Numbers, npt.NDArray[np.float64]]:
    draw = np.random.default_rng(seed)
    first = draw.integers(models, size=games)
    second = (first + draw.integers(1, models, size=games)) % models
    true = np.linspace(-1, 1, models)
    points = (draw.random(games) < 1 / (1 + np.exp(true[second] - true[first]))).astype(float)
    points[draw.random(games) < 0.3] = 0.5
    return first, second, points


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_strengths_are_those_of_a_logistic_regression(seed: int) -> None:
    api = pytest.importorskip("statsmodels.api")
    first, second, points = played(seed)
    design = np.eye(4)[first] - np.eye(4)[second]
    fit = api.GLM(points, design[:, 1:], family=api.families.Binomial()).fit()
    expected = np.r_[0, fit.params] - np.r_[0, fit.params].mean()
    found = bradley_terry(first, second, points, np.arange(400), 4, resamples=10)
    assert [one.value for one in found] == pytest.approx(expected, abs=1e-6)


def test_two_models_have_the_logarithm_of_their_odds() -> None:
    won = np.array([[[0.0, 30.0], [10.0, 0.0]]])
    assert estimate_strengths(won)[0] == pytest.approx([np.log(3) / 2, -np.log(3) / 2])


def test_the_scores_that_strengths_expect_are_those_that_were_won() -> None:
    won = np.random.default_rng(2).random((3, 5, 5)) * 10 * (1 - np.eye(5))
    found = estimate_strengths(won)
    likely = 1 / (1 + np.exp(found[:, None, :] - found[:, :, None]))
    expected = ((won + won.transpose(0, 2, 1)) * likely).sum(axis=2)
    assert expected == pytest.approx(won.sum(axis=2))
    assert found.sum(axis=1) == pytest.approx(0)


def test_intervals_are_wider_where_comparisons_share_items() -> None:
    first, second, points = played(1)
    alone = bradley_terry(first, second, points, np.arange(400), 4)[3]
    both, items = (np.tile(first, 4), np.tile(second, 4)), np.tile(np.arange(400), 4)
    shared = bradley_terry(*both, np.tile(points, 4), items, 4)[3]
    assert None not in (alone.low, alone.value, alone.high)
    assert shared.value == pytest.approx(alone.value)
    assert (shared.low, shared.high) == pytest.approx((alone.low, alone.high), abs=1e-6)


def test_strengths_that_no_comparison_tells_say_why() -> None:
    pairs = np.array([0, 0, 1, 1]), np.array([1, 1, 2, 2])
    lost = bradley_terry(*pairs, np.array([1.0, 1, 1, 0]), np.arange(4), 3)
    assert {one.value for one in lost} == {None}
    assert "never took a point" in lost[0].why
    apart = np.array([0, 0, 2, 2]), np.array([1, 1, 3, 3])
    told = bradley_terry(*apart, np.array([1.0, 0, 1, 0]), np.arange(4), 4)[0]
    assert told.value is None and "no comparison joins" in told.why


def test_an_interval_needs_values_in_most_resamples() -> None:
    pairs = np.array([0, 1, 2, 0]), np.array([1, 2, 0, 1])
    found = bradley_terry(*pairs, np.array([1.0, 1, 1, 0]), np.arange(4), 3)[0]
    assert found.value is not None and found.low is None
    assert "of resamples have no value" in found.why
