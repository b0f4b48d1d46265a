"""Intervals, paired tests and baselines against closed forms and hand counts."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from ikusi.evaluate import statistics


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
    assert interval == (0.75, 0.0, 1.0)


def test_many_resamples_are_drawn_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).random(40)
    whole = statistics.bootstrap_interval(values, n=100, seed=0)
    monkeypatch.setattr(statistics, "_CELLS", 90)
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
    assert result == (0.0, 0.0, 0.0, 1.0)


def test_runs_of_different_length_cannot_be_paired() -> None:
    for test in (statistics.paired_difference, statistics.mcnemar):
        with pytest.raises(ValueError, match="found 1 and 2 rows"):
            test([1.0], [1.0, 0.0])


def test_equivalence_needs_a_narrow_interval_inside_the_margin() -> None:
    generator = np.random.default_rng(2)
    a = generator.integers(0, 2, 4000).astype(float)
    b = a.copy()
    b[:20] = 1 - b[:20]
    assert statistics.equivalence(a, b, margin=0.02).equivalent
    assert not statistics.equivalence(a[:30], b[:30], margin=0.02).equivalent
    assert not statistics.equivalence(a, 1 - a[::-1], margin=0.001).equivalent
    with pytest.raises(ValueError, match="margin"):
        statistics.equivalence(a, b, margin=0)


def test_mcnemar_counts_discordant_rows_only() -> None:
    a = [1.0] * 8 + [0.0] + [1.0] * 50
    b = [0.0] * 8 + [1.0] + [1.0] * 50
    # 8 against 1 of 9: 2 * (1 + 9) / 2**9
    assert statistics.mcnemar(a, b) == pytest.approx(20 / 512)
    assert statistics.mcnemar(a, a) == 1.0


def test_holm_matches_a_worked_example_and_keeps_order() -> None:
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_lowers_a_p_value_and_is_at_most_bonferroni(p_values: list[float]) -> None:
    for raw, adjusted in zip(p_values, statistics.holm(p_values), strict=True):
        assert raw <= adjusted <= min(1.0, raw * len(p_values)) + 1e-12


def test_majority_answers_per_kind_of_question() -> None:
    gold = [["red"], ["red"], ["blue"], ["2"], ["2", "two"]]

    def exact(answer: str, row: Sequence[str]) -> float:
        return float(answer in row)

    def baseline(kinds: Sequence[str]) -> float:
        return statistics.majority_baseline(lambda: zip(kinds, gold, strict=True), exact)

    assert baseline(["any"] * 5) == pytest.approx(2 / 5)
    assert baseline(["colour"] * 3 + ["count"] * 2) == pytest.approx(4 / 5)
