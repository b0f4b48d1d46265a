"""Intervals of shares of ratings, and the sign test."""

import numpy as np
import pytest
from scipy.stats import binomtest, t

from ikusi.statistics.shares import Estimate, estimate_share, sign_test, wilson_interval


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


ACCEPTED = (0.8, 0.85, 0.9, 0.94, 0.98)  # of rows without a flag; of the others 0.3 fewer


def campaigns(
    flagged: float, accepted: float, repeats: int, seed: int
) -> tuple[float, dict[str, Estimate]]:
    """The true share, and what people find again and again who are asked as in the paper.

    Of 4,000 rows a fifth are flagged; these are drawn ``flagged`` times as often. 20 items are
    rated by four people and 80 by one. Rows differ, by flag and within, and raters err.
    """
    draw, rows = np.random.default_rng(seed), 4000
    flags = np.arange(rows) < rows // 5
    good = draw.random(rows) < np.where(flags, accepted - 0.3, accepted)
    chance = np.where(good, 0.92, 0.25)
    counts = np.array([rows // 5 * flagged, rows - rows // 5])
    asked = np.round(100 * counts / counts.sum()).astype(int)
    bounds = ((0, rows // 5, asked[0]), (rows // 5, rows, asked[1]))
    places = [draw.integers(low, high, (repeats, some)) for low, high, some in bounds]
    drawn = draw.permuted(np.concatenate(places, axis=1), axis=1)
    sizes = np.where(np.arange(100) < 20, 4.0, 1.0)
    sums = draw.binomial(sizes.astype(int), chance[drawn]).astype(float)
    weights = np.where(flags[drawn], rows / 5 / asked[0], rows * 4 / 5 / asked[1])
    parts = {"ratings": slice(None), "shared": slice(20), "own": slice(20, None)}
    found = {
        of: estimate_share(sums[:, part], np.tile(sizes[part], (repeats, 1)), weights[:, part])
        for of, part in parts.items()
    }
    return float(chance.mean()), found


@pytest.mark.parametrize("flagged", [1, 3])
def test_intervals_of_acceptance_hold_the_truth_in_95_of_100_campaigns(flagged: float) -> None:
    """Each denominator, weighted and not, on average over how much is accepted."""
    inside: dict[str, list[float]] = {}
    for seed, accepted in enumerate(ACCEPTED):
        truth, found = campaigns(flagged, accepted, 2000, seed)
        for of, one in found.items():
            covered = (one.low <= truth) & (truth <= one.high)
            inside.setdefault(of, []).append(float(covered.mean()))
            assert one.share.mean() == pytest.approx(truth, abs=0.006), of
    for of, shares in inside.items():
        assert 0.93 <= np.mean(shares) <= 0.97, (of, shares)


def test_a_share_of_weighted_items_is_that_of_weighted_least_squares() -> None:
    """statsmodels' regression on a constant, its errors robust to items, is another road there."""
    api = pytest.importorskip("statsmodels.api")
    draw = np.random.default_rng(4)
    sizes = draw.integers(1, 5, 60)
    items, weights = np.arange(60).repeat(sizes), draw.choice([0.4, 1.0, 2.5], 60)
    ratings = (draw.random(len(items)) < np.where(weights > 1, 0.6, 0.9)[items]).astype(float)
    model = api.WLS(ratings, np.ones(len(items)), weights=weights[items])
    fit = model.fit(cov_type="cluster", cov_kwds={"groups": items, "use_correction": False})
    found = estimate_share(
        np.bincount(items, ratings).astype(np.float64), sizes.astype(float), weights
    )
    assert found.share == pytest.approx(fit.params[0])
    surer = (t.ppf(0.025, len(items) - 1) / t.ppf(0.025, 59)) ** 2
    surer *= (59 / 60) / (1 - 1 / len(items))
    rows = surer * found.share * (1 - found.share) / fit.cov_params()[0, 0]
    assert found.rows == pytest.approx(rows)
    centre = (found.share + 1.96**2 / 2 / rows) / (1 + 1.96**2 / rows)
    assert (found.low + found.high) / 2 == pytest.approx(centre, abs=1e-4)


def test_a_weight_for_all_changes_nothing() -> None:
    draw = np.random.default_rng(5)
    sums, sizes = draw.integers(0, 3, 30).astype(float), np.full(30, 2.0)
    plain, doubled = estimate_share(sums, sizes), estimate_share(sums, sizes, np.full(30, 2.0))
    assert np.array(plain) == pytest.approx(np.array(doubled))


def test_items_are_never_surer_than_as_many_ratings() -> None:
    """Two raters who always say the opposite look surer than chance allows."""
    found = estimate_share(np.r_[np.ones(30), 2.0], np.full(31, 2.0))
    assert found.rows == 62


def test_where_all_is_accepted_unequal_weights_still_cost_certainty() -> None:
    ones = np.ones(100)
    equal = estimate_share(ones, ones)
    unequal = estimate_share(ones, ones, np.r_[np.full(50, 0.5), np.full(50, 1.5)])
    assert equal.rows == 100 and unequal.rows == pytest.approx(80)
    assert unequal.low < equal.low < equal.high == 1.0


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
