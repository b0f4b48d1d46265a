"""Agreement of raters against published values and, where they are installed, other libraries."""

from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ikusi.statistics.agreement import MISSING, MOST_RATERS, Figure, Ratings, measure_agreement

Table = npt.NDArray[np.int64]

X = np.array([[0, 0, 1, 1, 2, 2, 0, 1, 2, 0], [0, 0, 1, 2, 2, 2, 0, 1, 1, 0]]).T
NEIGHBOURS = np.array([[0, 0, 0, 1, 1, 1, 2, 2, 2, 2], [0, 0, 1, 1, 1, 2, 2, 2, 2, 1]]).T
GAPS = np.array([[0, 1, 2, -1, 2], [0, 1, 2, 1, -1], [-1, 1, 2, 1, 2], [0, -1, 1, 1, 2]]).T


def paper() -> Table:
    """Four raters, 20 items: seven with one rejection and one of two each, 71 of 80."""
    said = np.ones((20, 4), dtype=np.int64)
    said[:7, 0] = 0
    said[7, :2] = 0
    return said


def one_rejection() -> Table:
    said = np.ones((20, 4), dtype=np.int64)
    said[0, 0] = 0
    return said


def figures(codes: Table, classes: int, **settings: Any) -> dict[str, Figure]:
    return {one.name: one for one in measure_agreement(Ratings(codes, classes), **settings)}


# Computed with scikit-learn 1.9.1, statsmodels 0.15.0, krippendorff 0.9.0 and irrCAC 0.4.4.
PUBLISHED = {
    "X": (X, 3, {"percent": 0.8, "majority_share": 0.9, "cohen_kappa": 0.69697}),
    "X beyond": (X, 3, {"fleiss_kappa": 0.69697, "krippendorff_alpha": 0.71212}),
    "X AC1": (X, 3, {"gwet_ac1": 0.70149}),
    "paper": (paper(), 2, {"percent": 0.79167, "majority_share": 0.8875}),
    "paper beyond": (paper(), 2, {"fleiss_kappa": -0.04330, "krippendorff_alpha": -0.03026}),
    "paper AC1": (paper(), 2, {"gwet_ac1": 0.73969}),
    "one": (one_rejection(), 2, {"percent": 0.975, "majority_share": 0.9875, "cohen_kappa": 0}),
    "one beyond": (one_rejection(), 2, {"fleiss_kappa": -0.01266, "krippendorff_alpha": 0}),
    "one AC1": (one_rejection(), 2, {"gwet_ac1": 0.97437}),
    "gaps": (GAPS, 3, {"percent": 0.9, "majority_share": 0.95}),
    "gaps beyond": (GAPS, 3, {"krippendorff_alpha": 0.81481, "gwet_ac1": 0.85348}),
    "neighbours": (NEIGHBOURS, 3, {"cohen_kappa": 0.54545, "cohen_kappa_linear": 0.65116}),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_figures_are_those_of_other_libraries(name: str) -> None:
    codes, classes, expected = PUBLISHED[name]
    found = figures(codes, classes, ordered=True, resamples=50)
    assert {key: found[key].value for key in expected} == pytest.approx(expected, abs=6e-6)


def random_table(seed: int, gaps: bool) -> tuple[Table, int]:
    """Ratings of 2 to 5 raters who mostly say what an item is, perhaps with some missing."""
    draw = np.random.default_rng(seed)
    raters, classes = int(draw.integers(2, 6)), int(draw.integers(2, 5))
    truth = draw.integers(classes, size=(int(draw.integers(20, 60)), 1))
    codes = np.where(
        draw.random((len(truth), raters)) < 0.7,
        truth,
        draw.integers(classes, size=(len(truth), raters)),
    )
    if gaps:
        codes[draw.random(codes.shape) < 0.25] = MISSING
    return codes, classes


@pytest.mark.parametrize("seed", range(20))
def test_cohen_is_scikit_learns_mean_over_pairs(seed: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    codes, classes = random_table(seed, gaps=seed % 2 == 1)
    found = figures(codes, classes, ordered=True, resamples=20)
    for name, weights in (("cohen_kappa", None), ("cohen_kappa_linear", "linear")):
        kappas = []
        for one, other in combinations(codes.T, 2):
            both = (one != MISSING) & (other != MISSING)
            pair = metrics.cohen_kappa_score(
                one[both], other[both], labels=list(range(classes)), weights=weights
            )
            kappas.append(pair)
        assert found[name].value == pytest.approx(np.nanmean(kappas), abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_fleiss_is_that_of_statsmodels(seed: int) -> None:
    raters = pytest.importorskip("statsmodels.stats.inter_rater")
    codes, classes = random_table(seed, gaps=False)
    counted, _ = raters.aggregate_raters(codes, n_cat=classes)
    found = figures(codes, classes, resamples=20)["fleiss_kappa"]
    assert found.value == pytest.approx(raters.fleiss_kappa(counted), abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_alpha_is_that_of_krippendorff(seed: int) -> None:
    library = pytest.importorskip("krippendorff")
    codes, classes = random_table(seed, gaps=seed % 2 == 1)
    data = np.where(codes == MISSING, np.nan, codes.astype(float)).T
    expected = library.alpha(
        data, level_of_measurement="nominal", value_domain=list(range(classes))
    )
    found = figures(codes, classes, resamples=20)["krippendorff_alpha"]
    assert found.value == pytest.approx(expected, abs=1e-12)


def test_what_has_no_value_says_why() -> None:
    found = figures(np.ones((20, 4), dtype=np.int64), 2)
    for name in ("cohen_kappa", "fleiss_kappa", "krippendorff_alpha"):
        assert (found[name].value, found[name].low) == (None, None)
    assert "same verdict" in found["fleiss_kappa"].why
    assert "two verdicts" in found["cohen_kappa"].why
    assert found["gwet_ac1"].value == 1
    gaps = figures(GAPS, 3)["fleiss_kappa"]
    assert gaps.value is None and "items have 3 to 4 ratings" in gaps.why


def test_items_with_one_rating_are_no_agreement() -> None:
    alone = np.array([[1, MISSING], [MISSING, 0]])
    for one in figures(alone, 2).values():
        assert (one.value, one.items, one.why) == (None, 0, "no item has two ratings")
    beside = figures(np.vstack([X, [[2, MISSING], [MISSING, 1]]]), 3)
    assert beside == figures(X, 3)
    assert (beside["percent"].items, beside["percent"].ratings) == (10, 20)


def test_raters_who_agree_on_all_items_may_still_differ_on_others() -> None:
    same = np.repeat(np.arange(2), 10)[:, None].repeat(4, axis=1)
    for one in figures(same, 2).values():
        assert one.value == one.high == pytest.approx(1)
        assert one.low is not None and 0.5 < one.low < 0.95


def test_pairs_without_a_value_are_counted() -> None:
    found = figures(one_rejection(), 2)["cohen_kappa"]
    assert found.note == "over 3 of 6 pairs"
    assert found.undefined == pytest.approx(0.36, abs=0.04)  # (19/20) ** 20


def test_many_raters_are_not_compared_pair_by_pair() -> None:
    codes = np.random.default_rng(0).integers(2, size=(10, MOST_RATERS + 1))
    found = figures(codes, 2)
    assert found["cohen_kappa"].value is None and "78 pairs" in found["cohen_kappa"].why
    assert found["krippendorff_alpha"].value is not None
    assert figures(codes[:, :MOST_RATERS], 2)["cohen_kappa"].value is not None


@pytest.mark.slow
def test_intervals_hold_what_they_promise() -> None:
    """Of the true value of alpha, in about 95 % of samples."""
    draw, inside, truth = np.random.default_rng(5), 0, 0.0
    for repeat in range(101):
        items = 100_000 if not repeat else 100
        real = draw.integers(2, size=(items, 1))
        codes = np.where(draw.random((items, 3)) < 0.8, real, 1 - real)
        one = figures(codes, 2, resamples=1 if not repeat else 300)["krippendorff_alpha"]
        assert one.value is not None and one.low is not None and one.high is not None
        truth = truth or one.value
        inside += bool(repeat) and one.low <= truth <= one.high
    assert 90 <= inside <= 100
