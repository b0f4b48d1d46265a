"""Means over seeds and pictures: components against statsmodels, intervals against what is true."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t
from statsmodels.formula.api import mixedlm

from ikusi import statistics
from ikusi.statistics import seeds

Array = np.ndarray


def draw(
    generator: np.random.Generator, count: int, pictures: int, by_seed: float, both: float = 1.0
) -> Array:
    """Scores [seeds, pictures] with mean 0; pictures have deviation 1, seeds and both theirs."""
    own = generator.normal(0, by_seed, (count, 1)) + generator.normal(0, 1, pictures)
    return np.asarray(own + generator.normal(0, both, (count, pictures)))


def test_components_are_those_of_a_mixed_model() -> None:
    """REML of statsmodels with seeds and pictures as crossed random effects, where balanced."""
    values = draw(np.random.default_rng(3), 4, 12, 1.0)
    count, pictures = values.shape
    frame = pd.DataFrame(
        {
            "y": values.ravel(),
            "seed": np.repeat(np.arange(count), pictures),
            "picture": np.tile(np.arange(pictures), count),
            "one": 1,
        }
    )
    crossed = {"seed": "0 + C(seed)", "picture": "0 + C(picture)"}
    fitted = mixedlm("y ~ 1", frame, groups="one", vc_formula=crossed).fit()
    spread = statistics.measure_spread(values)
    assert spread and spread.seeds == 4
    by_picture, by_seed = fitted.vcomp  # in the order of their names
    assert spread.by_seed == pytest.approx(by_seed / count, rel=1e-3)
    assert spread.deviation == pytest.approx(by_seed**0.5, rel=1e-3)
    assert spread.crossed == pytest.approx(fitted.scale / count / pictures, rel=1e-3)
    assert spread.pictures - spread.crossed == pytest.approx(by_picture / pictures, rel=1e-3)
    assert spread.by_seed + spread.pictures == pytest.approx(fitted.bse_fe.iloc[0] ** 2, rel=1e-3)
    assert spread.share == pytest.approx(spread.by_seed / fitted.bse_fe.iloc[0] ** 2, rel=1e-3)


def covers_by_bootstrap(values: Array, generator: np.random.Generator) -> bool:
    """Whether a bootstrap of seeds and pictures has an interval with 0 in it."""
    count, pictures = values.shape
    seed = generator.integers(count, size=(300, count, 1))
    picture = generator.integers(pictures, size=(300, 1, pictures))
    low, high = np.quantile(values[seed, picture].mean(axis=(1, 2)), [0.025, 0.975])
    return bool(low <= 0 <= high)


@pytest.mark.parametrize("by_seed", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("count", [2, 3])
def test_few_seeds_give_intervals_that_cover_as_often_as_they_say(
    count: int, by_seed: float
) -> None:
    generator = np.random.default_rng(0)
    covered, studies = 0, 250
    for number in range(studies):
        values = draw(generator, count, 40, by_seed)
        _, low, high = statistics.bootstrap_interval(values, n=200, seed=number)
        covered += low <= 0 <= high
    assert covered / studies >= 0.95 - 2 * (0.95 * 0.05 / studies) ** 0.5


def test_a_bootstrap_of_few_seeds_covers_far_less_than_it_says() -> None:
    generator = np.random.default_rng(1)
    drawn = [draw(generator, 3, 40, 1.0) for _ in range(200)]
    assert np.mean([covers_by_bootstrap(values, generator) for values in drawn]) < 0.85


def test_the_p_value_is_that_of_the_interval_which_ends_at_the_bound() -> None:
    generator = np.random.default_rng(5)
    a = draw(generator, 3, 60, 0.1) + 0.6
    b = np.zeros_like(a)
    tested = statistics.paired_difference(a, b, n=2000)
    assert 0.01 < tested.p_value < 0.9
    at = statistics.paired_difference(a, b, n=2000, confidence=1 - tested.p_value)
    assert at.low == pytest.approx(0, abs=2e-3) and at.high > 0
    assert statistics.exceeds(b, a, 0.0).p_value == 1.0
    far = statistics.paired_difference(a + 90, b, n=200)
    assert far.p_value == 2 / 201 and far.mean == pytest.approx(a.mean() + 90)


def test_seeds_that_agree_leave_no_more_than_what_pictures_make_of_them() -> None:
    row = np.random.default_rng(2).normal(0, 1, 80)
    same = np.stack([row, row, row])
    assert statistics.bootstrap_interval(same) == pytest.approx(statistics.bootstrap_interval(row))
    spread = statistics.measure_spread(same)
    assert spread and (spread.share, spread.deviation) == (0.0, 0.0)


def test_an_interval_over_seeds_is_never_narrower_than_that_over_pictures() -> None:
    luck = np.random.default_rng(7).normal(0, 1, (3, 50))
    alike = luck - luck.mean(axis=1, keepdims=True)  # by luck no seed differs from another
    over_seeds = statistics.bootstrap_interval(alike)
    over_pictures = statistics.bootstrap_interval(alike.mean(axis=0))
    assert over_seeds.low < over_pictures.low and over_seeds.high > over_pictures.high


def test_what_seeds_and_pictures_have_in_common_counts_once() -> None:
    spread = seeds.Spread(seeds=3, between=2.0, pictures=4.0, crossed=1.0)
    low, high = seeds.add_seeds(0.0, (-2.0, 6.0), spread, 0.95)
    reach = 2.0 * t.ppf(0.975, 2) ** 2
    assert (low, high) == pytest.approx(
        (-((3 / 4 * 4 + reach) ** 0.5), (3 / 4 * 36 + reach) ** 0.5)
    )


def test_where_pictures_do_not_vary_the_interval_is_the_t_interval_over_seeds() -> None:
    values = np.repeat([[0.30], [0.36], [0.33]], 50, axis=1)
    spread = statistics.measure_spread(values)
    assert spread and spread.share == 1.0
    low, high = seeds.add_seeds(0.33, (0.33, 0.33), spread, 0.95)
    half = t.ppf(0.975, 2) * 0.03 / 3**0.5
    assert (low, high) == pytest.approx((0.33 - half, 0.33 + half))
    over_all = statistics.bootstrap_interval(values)
    assert 0 <= over_all.low < low and high < over_all.high <= 1


def test_one_seed_is_as_none() -> None:
    row = np.random.default_rng(4).random(30)
    assert statistics.bootstrap_interval(row[None]) == statistics.bootstrap_interval(row)
    assert statistics.measure_spread(row[None]) is None and statistics.measure_spread(row) is None
    single = statistics.paired_difference(row[None] + 0.1, row[None])
    assert single == statistics.paired_difference(row + 0.1, row)


def test_questions_about_one_picture_are_one_to_seeds_too() -> None:
    values = draw(np.random.default_rng(6), 3, 20, 0.5)
    twice, pictures = np.repeat(values, 2, axis=1), np.repeat(np.arange(20), 2)
    clustered = statistics.measure_spread(twice, pictures)
    assert clustered == pytest.approx(statistics.measure_spread(values))
