"""Paired evidence from rows: samples of differences, and what decides a claim.

Every number is a mean over benchmarks that count equally, and every resampling draws whole
pictures, which all benchmarks that show them share. Where models were trained under several seeds,
it is a mean over these too: runs with the same seed are paired, and intervals hold over seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ikusi.compare.reading import ALL, Evaluation, Trained
from ikusi.compare.rows import Scores
from ikusi.errors import InputError
from ikusi.statistics import (
    Interval,
    Spread,
    bootstrap_interval,
    equivalence,
    exceeds,
    measure_spread,
)

MARGIN = 0.03
"""Differences smaller than this count as none: what the paper calls "only 0.03" (section 5.1)."""

PREFERENCE = 0.1
"""Wins less losses, as a share of all items, that count as none: a few hundred items, which is what
people can judge, show no smaller ones."""

AGREEMENT = 0.1
"""Differences of kappa that count as none."""

ALPHA = 0.05
RESAMPLES = 2000
"""At least so many behind a p-value, or no correction for several tests could ever be passed."""

Pair = tuple[Trained, Trained]
Role = Literal["claim", "premise"]


class Lacking(Exception):  # noqa: N818 - not an error, an answer
    """A finding cannot be tested; the message says why."""


@dataclass(frozen=True)
class Sample:
    """Values whose mean is of interest, with the picture of each row: [rows] or [seeds, rows]."""

    values: npt.NDArray[np.float64]
    clusters: tuple[str, ...]

    @property
    def pictures(self) -> int:
        """The number of independent pictures, or rows without one."""
        return len(set(self.clusters))

    def measure_spread(self) -> Spread | None:
        """The variance of the mean, split by seeds and pictures; None where there is one seed."""
        return measure_spread(self.values, self.clusters)

    @property
    def seed_means(self) -> tuple[float, ...]:
        """The mean under each seed; empty where there is one."""
        return tuple(self.values.mean(axis=1).tolist()) if len(self.values) > 1 else ()


@dataclass(frozen=True)
class Resampling:
    """Settings of a bootstrap: the number of resamples and the seed."""

    n: int
    seed: int


@dataclass(frozen=True)
class Part:
    """One comparison: a difference, its interval, and the range that the claim puts it in.

    ``confidence`` is the interval's. The claim is that the difference is above ``above`` and, for
    equivalence, below ``below``. ``refuted_below``: an interval wholly below it speaks against the
    claim. A ``premise`` that does not hold makes the claim undecidable instead of wrong.
    ``spread``: what of the variance is of seeds and what of pictures, where there are several.
    """

    name: str
    difference: Interval
    confidence: float
    above: float
    below: float | None
    refuted_below: float
    p_value: float
    rows: int
    pictures: int
    role: Role = "claim"
    spread: Spread | None = None

    @property
    def refuted(self) -> bool:
        """Whether the interval lies wholly where the claim has no room for it."""
        too_high = self.below is not None and self.difference.low > self.below
        return self.role == "claim" and (self.difference.high < self.refuted_below or too_high)

    @property
    def holds(self) -> bool:
        """Whether the interval lies wholly in the range of the claim."""
        low_enough = self.below is None or self.difference.high < self.below
        return self.difference.low > self.above and low_enough


def compare(
    name: str,
    sample: Sample,
    resampling: Resampling,
    *,
    above: float = 0.0,
    refuted_below: float = MARGIN,
    role: Role = "claim",
) -> Part:
    """Test that the mean of a sample is above a bound, with its 95 % interval.

    The p-value is two-sided; on the wrong side of the bound it is 1.

    Args:
        name: of the comparison, in tables.
        sample: the values, such as differences of two runs.
        resampling: of the interval and the p-value.
        above: the bound.
        refuted_below: an interval wholly below it speaks against the claim.
        role: `claim`, or `premise` without which a claim cannot be decided.
    """
    drawn = (sample.clusters, resampling.n, resampling.seed)
    tested = exceeds(sample.values, np.zeros_like(sample.values), above, *drawn, 1 - ALPHA)
    difference, size = Interval(*tested[:3]), (len(sample.clusters), sample.pictures)
    bounds, spread = (above, None, refuted_below), sample.measure_spread()
    return Part(name, difference, 1 - ALPHA, *bounds, tested.p_value, *size, role, spread)


def check_equivalence(
    name: str, sample: Sample, resampling: Resampling, margin: float = MARGIN
) -> Part:
    """Test that the mean of a sample lies within the margin, with its 90 % interval.

    Two one-sided tests; the p-value is the larger of theirs.
    """
    drawn = (sample.clusters, resampling.n, resampling.seed)
    tested = equivalence(sample.values, np.zeros_like(sample.values), margin, *drawn, ALPHA)
    difference, size = Interval(*tested[:3]), (len(sample.clusters), sample.pictures)
    bounds, spread = (-margin, margin, -margin), sample.measure_spread()
    level = 1 - 2 * ALPHA
    return Part(name, difference, level, *bounds, tested.p_value, *size, spread=spread)


def lay_by_seed(models: Sequence[Trained]) -> dict[int | None, list[Evaluation]]:
    """The evaluations of some models under each seed that all of them have, by seed.

    What no seed has touched stands beside every one.

    Raises:
        Lacking: there is no such seed.
    """
    trained = [one for one in models if None not in one]
    first: Trained = trained[0] if trained else {None: models[0][None]}
    seeds = [seed for seed in first if all(seed in other for other in trained)]
    if not seeds:
        raise Lacking("Its runs are not measured yet under one and the same seed.")
    return {seed: [one[seed if seed in one else None] for one in models] for seed in seeds}


def measure_gaps(pairs: Sequence[Pair], benchmarks: Sequence[str], language: str) -> Sample:
    """First minus second run of each pair, row by row, averaged over the pairs.

    Raises:
        InputError: the runs were asked different questions.
        Lacking: there is no seed under which all are measured.
    """
    lines, parts = list(lay_by_seed([one for pair in pairs for one in pair]).values()), []
    for benchmark in benchmarks:
        scored = _score_lines(lines, benchmark, language)
        gaps = [
            np.mean([a.correct - b.correct for a, b in zip(line[::2], line[1::2], strict=True)], 0)
            for line in scored
        ]
        parts.append((np.stack(gaps), scored[0][0]))
    return _pool(parts)


def measure_levels(
    models: Sequence[Trained],
    benchmarks: Sequence[str],
    language: str,
    *,
    group: str | None = None,
    over_guessing: bool = False,
) -> Sample:
    """Scores row by row, averaged over the runs.

    Args:
        models: of the grid, or bare backbones.
        benchmarks: their names; each counts equally.
        language: code of the language that they are asked in.
        group: only its rows; by default all.
        over_guessing: minus `score_guessing`.

    Raises:
        InputError: the runs were asked different questions.
    """
    lines, parts = list(lay_by_seed(models).values()), []
    for benchmark in benchmarks:
        scored = _score_lines(lines, benchmark, language)
        less = score_guessing(models[0], benchmark, language) if over_guessing else 0.0
        levels = np.stack([np.mean([one.correct for one in line], axis=0) for line in scored])
        kept = [group is None or own == group for own in scored[0][0].groups]
        parts.append(_keep_rows(levels - less, scored[0][0], kept))
    return _pool([part for part in parts if part[0].size])


def estimate_mean(sample: Sample, resampling: Resampling) -> Interval:
    """The mean of a sample with its 95 % interval."""
    return bootstrap_interval(sample.values, sample.clusters, resampling.n, resampling.seed)


def estimate_score(
    trained: Trained, benchmark: str, language: str, resampling: Resampling, group: str = ALL
) -> Interval | None:
    """A model's score on a benchmark, over all seeds that are measured; none where not taken.

    Under one seed it is that of its results.
    """
    first = next(iter(trained.values()), None)
    figures = first.figures(benchmark, language, group) if first else None
    if figures is None:
        return None
    if len(trained) == 1:
        return Interval(figures["score"], figures["low"], figures["high"])
    only = None if group == ALL else group
    return estimate_mean(measure_levels([trained], [benchmark], language, group=only), resampling)


def score_by_seed(
    trained: Trained, benchmark: str, language: str, group: str = ALL
) -> tuple[float, ...]:
    """A model's score under each seed that is measured; empty where it is one."""
    figures = [one.figures(benchmark, language, group) for one in trained.values()]
    return tuple(own["score"] for own in figures if own) if len(figures) > 1 else ()


def score_guessing(trained: Trained, benchmark: str, language: str) -> float:
    """The score without any picture: chance or the most frequent answer, whichever is more."""
    first = next(iter(trained.values()), None)
    figures = first.figures(benchmark, language) if first else None
    return max(figures["chance"], figures["majority"]) if figures else 0.0


def _scores(evaluation: Evaluation, benchmark: str, language: str) -> Scores:
    scores = evaluation.scores(benchmark, language)
    if scores is None:
        problem = f"expected rows of {benchmark} in {language}, found none"
        raise InputError(f"evaluate/{evaluation.name}: {problem}")
    return scores


def _score_lines(
    lines: Sequence[Sequence[Evaluation]], benchmark: str, language: str
) -> list[list[Scores]]:
    """The rows of each evaluation, which must be about the same questions."""
    scored = [[_scores(one, benchmark, language) for one in line] for line in lines]
    if any(one.ids != scored[0][0].ids for line in scored for one in line):
        names = ", ".join(sorted({one.name for line in lines for one in line}))
        raise InputError(f"{benchmark}: expected the same questions in {names}, found others")
    return scored


def _keep_rows(
    values: npt.NDArray[np.float64], scores: Scores, kept: Sequence[bool]
) -> tuple[npt.NDArray[np.float64], Scores]:
    places = np.flatnonzero(kept)
    return values[:, places], Scores(
        tuple(scores.ids[i] for i in places),
        tuple(scores.clusters[i] for i in places),
        tuple(scores.groups[i] for i in places),
        scores.correct[places],
    )


def _pool(parts: Sequence[tuple[npt.NDArray[np.float64], Scores]]) -> Sample:
    """Lay benchmarks, each [seeds, rows], end to end, scaled so that the mean is that of the
    benchmarks' means."""
    total = sum(values.shape[1] for values, _ in parts)
    scaled = [values * (total / (len(parts) * values.shape[1])) for values, _ in parts]
    clusters = tuple(cluster for _, scores in parts for cluster in scores.clusters)
    return Sample(np.concatenate(scaled, axis=1), clusters)
