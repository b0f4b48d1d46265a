"""Differences that numbers of items can show, held to simulations and to statsmodels."""

import numpy as np
import pytest
from scipy.stats import binomtest

from ikusi.statistics import planning
from ikusi.statistics.shares import bound_share, sign_test


@pytest.mark.parametrize(("share", "margin"), [(0.85, 0.05), (0.5, 0.1), (0.98, 0.02)])
def test_the_fewest_rows_for_a_margin_are_the_fewest(share: float, margin: float) -> None:
    rows = planning.count_rows_for_margin(share, margin)
    for count, inside in ((rows, True), (rows - 1, False)):
        low, high = bound_share(share, count, 0.95)
        assert bool(high - low <= 2 * margin) is inside


@pytest.mark.parametrize(("items", "ties", "difference"), [(44, 0.5, 0.3), (120, 0.25, 0.15)])
def test_the_sign_test_finds_as_often_as_it_is_said_to(
    items: int, ties: float, difference: float
) -> None:
    draw = np.random.default_rng(0)
    shares = [(1 - ties + difference) / 2, ties, (1 - ties - difference) / 2]
    counts = draw.multinomial(items, shares, 3000)
    known = {
        pair: sign_test(*pair).p_value <= 0.05 for pair in {(int(a), int(b)) for a, _, b in counts}
    }
    found = np.mean([known[int(a), int(b)] for a, _, b in counts])
    assert planning.compute_sign_power(items, ties, difference) == pytest.approx(found, abs=0.03)


def test_it_does_not_matter_which_model_is_better() -> None:
    one, other = (planning.compute_sign_power(44, 0.5, difference) for difference in (0.3, -0.3))
    assert one == pytest.approx(other) and one > 0.7


def test_without_a_difference_the_sign_test_errs_no_more_often_than_it_may() -> None:
    assert 0.02 < planning.compute_sign_power(264, 0.54, 0.0) <= 0.05


@pytest.mark.parametrize(("items", "ties"), [(44, 0.5), (264, 0.54), (115, 0.0)])
def test_the_least_difference_is_found_in_80_of_100_cases(items: int, ties: float) -> None:
    least = planning.find_least_difference(items, ties)
    assert least is not None and 0 < least < 1 - ties
    assert planning.compute_sign_power(items, ties, least) == pytest.approx(0.8, abs=1e-4)
    assert planning.compute_sign_power(items, ties, least * 0.9) < 0.8


def test_too_few_items_show_no_difference() -> None:
    assert planning.find_least_difference(5, 0.0) is None
    assert binomtest(5, 5).pvalue > 0.05


def test_the_items_for_a_difference_suffice() -> None:
    items = planning.count_items_for_difference(0.12, 0.54)
    assert planning.compute_sign_power(items, 0.54, 0.12) >= 0.8
    least = planning.find_least_difference(items - 5, 0.54)
    assert least is not None and least > 0.119
    assert 250 < items < 275  # the paper's 264 would have found such a difference


def test_the_least_drop_is_that_of_statsmodels() -> None:
    power = pytest.importorskip("statsmodels.stats.power")
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    drop = planning.find_least_drop(0.85, 120)
    effect = proportion.proportion_effectsize(0.85, 0.85 - drop)
    assert power.NormalIndPower().power(effect, 120, 0.05) == pytest.approx(0.8, abs=1e-4)
    assert planning.find_least_drop(0.1, 4) == pytest.approx(0.1)


@pytest.mark.parametrize("shares", [(0.3, 0.5, 0.2), (0.85, 0.15)])
def test_the_error_of_kappa_is_that_of_statsmodels(shares: tuple[float, ...]) -> None:
    inter_rater = pytest.importorskip("statsmodels.stats.inter_rater")
    used = np.array(shares)
    table = (0.6 * np.outer(used, used) + 0.4 * np.diag(used)) * 44
    found = inter_rater.cohens_kappa(table)
    assert found.kappa == pytest.approx(0.4)
    assert planning.estimate_kappa_error(shares, 0.4, 44) == pytest.approx(found.std_kappa)
