"""Intervals and paired tests against closed forms and hand counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, bootstrap, sem

from ikusi import statistics
from ikusi.statistics import resampling


def test_interval_is_deterministic_and_contains_the_mean() -> None:
    values = np.random.default_rng(1).random(200)
    first = statistics.bootstrap_interval(values, n=500, seed=3)
    assert first == statistics.bootstrap_interval(values, n=500, seed=3)
    assert first != statistics.bootstrap_interval(values, n=500, seed=4)
    assert first.low < first.mean < first.high
    assert first.mean == pytest.approx(values.mean())


def test_interval_of_independent_rows_matches_the_binomial_quantiles() -> None:
    values = [1.0] * 60 + [0.0] * 140
    _, low, high = statistics.bootstrap_interval(values, n=20_000, seed=0)
    expected = binom.ppf([0.025, 0.975], 200, 0.3) / 200
    assert (low, high) == pytest.approx(tuple(expected), abs=0.006)


def test_rows_of_one_picture_widen_the_interval_as_the_picture_is_the_unit() -> None:
    per_picture = np.random.default_rng(0).integers(0, 2, 50).astype(float)
    rows = np.repeat(per_picture, 8)
    pictures = np.repeat(np.arange(50), 8)
    clustered = statistics.bootstrap_interval(rows, pictures, seed=5)
    assert clustered == statistics.bootstrap_interval(per_picture, seed=5)
    naive = statistics.bootstrap_interval(rows, seed=5)
    assert clustered.high - clustered.low > 2 * (naive.high - naive.low)


def test_clusters_of_unequal_size_give_the_mean_over_rows() -> None:
    interval = statistics.bootstrap_interval([1.0, 1.0, 1.0, 0.0], ["a", "a", "a", "b"], seed=0)
    assert interval == pytest.approx((0.75, 0.0, 1.0))


def test_many_resamples_are_drawn_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).random(40)
    whole = statistics.bootstrap_interval(values, n=100, seed=0)
    monkeypatch.setattr(resampling, "_CELLS", 90)
    assert statistics.bootstrap_interval(values, n=100, seed=0) == whole


@pytest.mark.parametrize(
    ("values", "clusters", "message"),
    [([], None, "at least one score"), ([1.0, 0.0], ["a"], "expected 2 clusters, found 1")],
)
def test_impossible_samples_are_refused(
    values: list[float], clusters: list[str] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        statistics.bootstrap_interval(values, clusters)


def test_paired_difference_sees_what_unpaired_intervals_hide() -> None:
    generator = np.random.default_rng(0)
    hard = generator.integers(0, 2, 300).astype(float)
    better = hard.copy()
    better[np.flatnonzero(hard == 0)[:15]] = 1.0
    result = statistics.paired_difference(better, hard, seed=0)
    assert result.mean == pytest.approx(0.05)
    assert result.low > 0 and result.p_value == pytest.approx(2 / 1001)
    apart = [statistics.bootstrap_interval(run) for run in (better, hard)]
    assert apart[0].low < apart[1].high


def test_equal_runs_have_no_difference() -> None:
    result = statistics.paired_difference([1.0, 0.0, 1.0], [1.0, 0.0, 1.0])
    assert (result.mean, result.p_value) == (0.0, 1.0)
    assert result.low == -result.high < 0, "three rows show little"


def test_runs_of_different_length_cannot_be_paired() -> None:
    for test in (statistics.paired_difference, statistics.mcnemar):
        with pytest.raises(ValueError, match="found 1 and 2 rows"):
            test([1.0], [1.0, 0.0])


def test_a_paired_difference_without_clusters_is_scipys_bootstrap() -> None:
    generator = np.random.default_rng(7)
    a = (generator.random(150) < 0.6).astype(float)
    b = (generator.random(150) < 0.5).astype(float)
    ours = statistics.paired_difference(a, b, n=20_000, seed=1)
    theirs = bootstrap((a - b,), np.mean, n_resamples=20_000, method="percentile", rng=2)
    assert (ours.low, ours.high) == pytest.approx(theirs.confidence_interval, abs=0.008)
    shares = theirs.bootstrap_distribution
    p_value = 2 * min((shares <= 0).mean(), (shares >= 0).mean())
    assert ours.p_value == pytest.approx(p_value, abs=0.01)


def test_a_paired_difference_of_pictures_is_scipys_bootstrap_of_their_totals() -> None:
    generator = np.random.default_rng(8)
    pictures = np.repeat(np.arange(60), generator.integers(1, 6, 60))
    gap = generator.integers(-1, 2, len(pictures)) + generator.random(60)[pictures] - 0.4
    totals, sizes = np.bincount(pictures, gap), np.bincount(pictures)

    def mean(total: np.ndarray, size: np.ndarray, axis: int) -> np.ndarray:
        return np.asarray(total.sum(axis) / size.sum(axis))

    theirs = bootstrap(
        (totals, sizes), mean, paired=True, n_resamples=20_000, method="percentile", rng=3
    )
    ours = statistics.paired_difference(gap, np.zeros_like(gap), list(pictures), n=20_000)
    assert (ours.low, ours.high) == pytest.approx(theirs.confidence_interval, abs=0.008)


def test_the_standard_error_of_single_rows_is_scipys() -> None:
    values = np.random.default_rng(4).random(50)
    assert statistics.standard_error(values) == pytest.approx(sem(values))


def test_the_standard_error_over_pictures_is_that_of_statsmodels() -> None:
    """OLS on a constant, cov_type="cluster" with its correction, statsmodels 0.15."""
    values = [0.0, 1.0, 1.0, 0.5, -1.0, 0.0, 1.0, 0.0, 0.25, 1.0, -1.0, 1.0]
    pictures = [0, 0, 1, 1, 1, 2, 3, 3, 4, 4, 4, 4]
    error = statistics.standard_error(values, pictures)
    assert error == pytest.approx(0.07036070878180366, rel=1e-12)
    with pytest.raises(ValueError, match="at least two clusters, found 1"):
        statistics.standard_error([1.0, 0.0], ["a", "a"])


@pytest.mark.slow
def test_the_detectable_difference_is_found_in_four_studies_of_five() -> None:
    """Studies are simulated at exactly that difference: questions come in pairs about a picture
    and half of the pairs share their fate."""

    def study(
        generator: np.random.Generator, pictures: int, shift: float
    ) -> tuple[np.ndarray, list[int]]:
        luck = generator.random((pictures, 2))
        luck[: pictures // 2, 1] = luck[: pictures // 2, 0]
        gap = (luck < 0.15 + shift / 2).astype(float) - (luck > 0.85 + shift / 2)
        return gap.ravel(), list(np.repeat(np.arange(pictures), 2))

    large = statistics.standard_error(*study(np.random.default_rng(0), 40_000, 0.1))
    shift = statistics.compute_detectable(large * np.sqrt(40_000 / 200))
    found = 0
    for seed in range(400):
        gap, pictures = study(np.random.default_rng(seed), 200, shift)
        test = statistics.paired_difference(gap, np.zeros_like(gap), pictures, n=600, seed=seed)
        found += test.p_value <= 0.05
    assert shift == pytest.approx(0.09, abs=0.02)
    assert found / 400 == pytest.approx(0.8, abs=0.06)  # three standard errors


def test_few_pictures_that_differ_cannot_give_a_smaller_p_value_than_their_signs() -> None:
    gap = [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    assert statistics.compute_least_p_value(gap) == 2 * binom.pmf(3, 3, 0.5)
    assert statistics.compute_least_p_value(gap, ["a", "a", "b", "b", "c", "d"]) == 0.5
    assert statistics.compute_least_p_value([1.0, -1.0, 0.0], ["a", "a", "b"]) == 1.0
    assert statistics.compute_least_p_value(np.ones(5000)) == 0.0


def test_a_difference_is_tested_against_a_bound_as_against_zero() -> None:
    a, b = np.random.default_rng(9).random((2, 80))
    plain = statistics.paired_difference(a + 0.2, b, seed=4)
    moved = statistics.exceeds(a + 0.3, b, 0.1, seed=4)
    assert moved.p_value == plain.p_value
    assert moved[:3] == pytest.approx([value + 0.1 for value in plain[:3]])
    assert statistics.exceeds(b, a + 0.3, 0.1).p_value == 1.0


def test_equivalence_needs_a_narrow_interval_inside_the_margin() -> None:
    generator = np.random.default_rng(2)
    a = generator.integers(0, 2, 4000).astype(float)
    b = a.copy()
    b[:20] = 1 - b[:20]
    assert statistics.equivalence(a, b, margin=0.02).equivalent
    assert not statistics.equivalence(a[:30], b[:30], margin=0.02).equivalent
    assert not statistics.equivalence(a, 1 - a[::-1], margin=0.001).equivalent
    within = statistics.equivalence(a, b, margin=0.02)
    assert within.p_value <= 0.05 < statistics.equivalence(a[:30], b[:30], margin=0.02).p_value
    with pytest.raises(ValueError, match="margin"):
        statistics.equivalence(a, b, margin=0)


def test_mcnemar_counts_discordant_rows_only() -> None:
    a = [1.0] * 8 + [0.0] + [1.0] * 50
    b = [0.0] * 8 + [1.0] + [1.0] * 50
    # 8 against 1 of 9: 2 * (1 + 9) / 2**9
    assert statistics.mcnemar(a, b) == (8, 1, pytest.approx(20 / 512))
    assert statistics.mcnemar(a, a) == (0, 0, 1.0)


def test_holm_matches_a_worked_example_and_keeps_order() -> None:
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([]) == []
    # multipletests(..., method="holm") of statsmodels 0.15
    p_values = [0.0004, 0.021, 0.012, 0.3, 0.0131, 0.049, 0.8]
    expected = [0.0028, 0.084, 0.072, 0.6, 0.072, 0.147, 0.8]
    assert statistics.holm(p_values) == pytest.approx(expected)


@pytest.mark.slow
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_lowers_a_p_value_and_is_at_most_bonferroni(p_values: list[float]) -> None:
    for raw, adjusted in zip(p_values, statistics.holm(p_values), strict=True):
        assert raw <= adjusted <= min(1.0, raw * len(p_values)) + 1e-12


@pytest.mark.parametrize(("right", "rows"), [(0, 20), (72, 72), (1, 20), (4, 40), (37, 40)])
def test_near_the_borders_the_interval_of_single_rows_is_the_exact_one(
    right: int, rows: int
) -> None:
    values = [1.0] * right + [0.0] * (rows - right)
    mean, low, high = statistics.bootstrap_interval(values, n=100)
    exact = binomtest(right, rows).proportion_ci(method="exact")
    assert (mean, low, high) == pytest.approx((right / rows, exact.low, exact.high))


def test_away_from_the_borders_the_interval_is_the_bootstraps() -> None:
    values = np.array([1.0] * 6 + [0.0] * 34)
    _, low, high = statistics.bootstrap_interval(values, n=500, seed=1)
    means = resampling.resample_means(values, None, 500, 1)
    assert (low, high) == tuple(np.quantile(means, [0.025, 0.975]))


def test_at_a_border_the_pictures_count_and_not_their_rows() -> None:
    pictures = np.repeat(np.arange(12), 6)
    exact = binomtest(0, 12).proportion_ci(method="exact")
    found = statistics.bootstrap_interval(np.zeros(72), pictures)
    assert found == pytest.approx((0.0, 0.0, exact.high))
    one = np.zeros(72)
    one[:6] = 1  # one picture of twelve
    low, high = statistics.bootstrap_interval(one, pictures)[1:]
    exact = binomtest(1, 12).proportion_ci(method="exact")
    assert low <= exact.low * 1.1 and high >= exact.high * 0.95


@pytest.mark.parametrize("share", [0.01, 0.03, 0.1, 0.97])
def test_the_interval_covers_small_and_large_shares_of_clustered_rows(share: float) -> None:
    """Rows of a picture agree more often than not (beta-binomial, correlation 0.5)."""
    generator, pictures = np.random.default_rng(int(share * 100)), 40
    covered = 0
    for _ in range(300):
        chances = generator.beta(share, 1 - share, pictures)
        rows = generator.random((pictures, 3)) < chances[:, None]
        _, low, high = statistics.bootstrap_interval(
            rows.ravel().astype(float), np.repeat(np.arange(pictures), 3), n=200
        )
        covered += low <= share <= high
    assert covered / 300 > 0.92


def test_many_rows_of_few_pictures_do_not_make_the_interval_too_narrow() -> None:
    """The agreement of a picture's rows is itself known from four pictures only."""
    generator, pictures, rows, share = np.random.default_rng(0), 4, 20, 0.08
    covered = 0
    for _ in range(300):
        chances = generator.beta(9 * share, 9 * (1 - share), (pictures, 1))  # correlation 0.1
        values = (generator.random((pictures, rows)) < chances).astype(float).ravel()
        found = statistics.bootstrap_interval(values, np.repeat(np.arange(pictures), rows), n=100)
        covered += found.low <= share <= found.high
    assert covered / 300 > 0.96


def test_runs_that_agree_on_every_picture_may_differ_on_the_next() -> None:
    same = np.zeros(20)
    found = statistics.paired_difference(same, same)
    unseen = binomtest(0, 20).proportion_ci(method="exact").high
    assert found == pytest.approx((0.0, -unseen, unseen, 1.0))
    few, many = (statistics.equivalence(np.ones(n), np.ones(n), 0.05) for n in (40, 100))
    assert not few.equivalent and few.p_value > 0.05
    assert many.equivalent and many.p_value < 0.05
    assert few.p_value == pytest.approx(0.95**40)


def test_a_run_that_is_always_better_is_better_by_what_its_pictures_can_show() -> None:
    right, wrong = np.ones(8), np.zeros(8)
    found = statistics.exceeds(right, wrong, 0.0, np.repeat([0, 1, 2, 3], 2))
    assert found.mean == found.high == 1.0
    assert found.low == pytest.approx(1 - 2 * (1 - 0.025**0.25))
    assert found.p_value == pytest.approx(2 * 0.5**4), "four pictures decide nothing"
    assert statistics.exceeds(wrong, right, 0.0).p_value == 1.0
