"""Paired evidence from rows: samples of differences, and what decides a claim.

Every number is a mean over benchmarks that count equally, and every resampling draws whole
pictures, which all benchmarks that show them share.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ikusi.compare.reading import Evaluation
from ikusi.compare.rows import Scores
from ikusi.errors import InputError
from ikusi.statistics import Interval, bootstrap_interval, equivalence, exceeds

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

Pair = tuple[Evaluation, Evaluation]
Role = Literal["claim", "premise"]


@dataclass(frozen=True)
class Sample:
    """Values whose mean is of interest, one per row, with the picture of each."""

    values: npt.NDArray[np.float64]
    clusters: tuple[str, ...]

    @property
    def pictures(self) -> int:
        """The number of independent pictures, or rows without one."""
        return len(set(self.clusters))


@dataclass(frozen=True)
class Resampling:
    """How many resamples, and from which seed."""

    n: int
    seed: int


@dataclass(frozen=True)
class Part:
    """One comparison: a difference, its interval, and the range that the claim puts it in.

    ``confidence`` is the interval's. The claim is that the difference is above ``above`` and, for
    equivalence, below ``below``. ``refuted_below``: an interval wholly below it speaks against the
    claim. A ``premise`` that does not hold makes the claim undecidable instead of wrong.
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
    difference, size = Interval(*tested[:3]), (len(sample.values), sample.pictures)
    bounds = (above, None, refuted_below)
    return Part(name, difference, 1 - ALPHA, *bounds, tested.p_value, *size, role)


def check_equivalence(
    name: str, sample: Sample, resampling: Resampling, margin: float = MARGIN
) -> Part:
    """Test that the mean of a sample lies within the margin, with its 90 % interval.

    Two one-sided tests; the p-value is the larger of theirs.
    """
    drawn = (sample.clusters, resampling.n, resampling.seed)
    tested = equivalence(sample.values, np.zeros_like(sample.values), margin, *drawn, ALPHA)
    difference, size = Interval(*tested[:3]), (len(sample.values), sample.pictures)
    bounds = (-margin, margin, -margin)
    return Part(name, difference, 1 - 2 * ALPHA, *bounds, tested.p_value, *size)


def measure_gaps(pairs: Sequence[Pair], benchmarks: Sequence[str], language: str) -> Sample:
    """First minus second run of each pair, row by row, averaged over the pairs.

    Raises:
        InputError: the runs were asked different questions.
    """
    parts = []
    for benchmark in benchmarks:
        scored = [
            (_scores(a, benchmark, language), _scores(b, benchmark, language)) for a, b in pairs
        ]
        _check_same(scored, pairs, benchmark)
        difference = np.mean([a.correct - b.correct for a, b in scored], axis=0)
        parts.append((difference, scored[0][0]))
    return _pool(parts)


def measure_levels(
    evaluations: Sequence[Evaluation],
    benchmarks: Sequence[str],
    language: str,
    *,
    group: str | None = None,
    over_guessing: bool = False,
) -> Sample:
    """Scores row by row, averaged over the runs.

    Args:
        evaluations: of the runs.
        benchmarks: their names; each counts equally.
        language: code of the language that they are asked in.
        group: only its rows; by default all.
        over_guessing: minus `score_guessing`.

    Raises:
        InputError: the runs were asked different questions.
    """
    parts = []
    for benchmark in benchmarks:
        scored = [_scores(one, benchmark, language) for one in evaluations]
        _check_same([(scored[0], one) for one in scored[1:]], [], benchmark)
        less = score_guessing(evaluations[0], benchmark, language) if over_guessing else 0.0
        mean = np.mean([one.correct for one in scored], axis=0) - less
        kept = [group is None or own == group for own in scored[0].groups]
        parts.append(_keep_rows(mean, scored[0], kept))
    return _pool([part for part in parts if len(part[0])])


def estimate_mean(sample: Sample, resampling: Resampling) -> Interval:
    """The mean of a sample with its 95 % interval."""
    return bootstrap_interval(sample.values, sample.clusters, resampling.n, resampling.seed)


def score_guessing(evaluation: Evaluation, benchmark: str, language: str) -> float:
    """The score without any picture: chance or the most frequent answer, whichever is more."""
    figures = evaluation.figures(benchmark, language)
    return max(figures["chance"], figures["majority"]) if figures else 0.0


def _scores(evaluation: Evaluation, benchmark: str, language: str) -> Scores:
    scores = evaluation.scores(benchmark, language)
    if scores is None:
        problem = f"expected rows of {benchmark} in {language}, found none"
        raise InputError(f"evaluate/{evaluation.name}: {problem}")
    return scores


def _check_same(
    scored: Sequence[tuple[Scores, Scores]], pairs: Sequence[Pair], benchmark: str
) -> None:
    reference = scored[0][0].ids if scored else ()
    if any(side.ids != reference for both in scored for side in both):
        names = ", ".join(sorted({one.name for pair in pairs for one in pair})) or "the runs"
        raise InputError(f"{benchmark}: expected the same questions in {names}, found others")


def _keep_rows(
    values: npt.NDArray[np.float64], scores: Scores, kept: Sequence[bool]
) -> tuple[npt.NDArray[np.float64], Scores]:
    places = np.flatnonzero(kept)
    return values[places], Scores(
        tuple(scores.ids[i] for i in places),
        tuple(scores.clusters[i] for i in places),
        tuple(scores.groups[i] for i in places),
        scores.correct[places],
    )


def _pool(parts: Sequence[tuple[npt.NDArray[np.float64], Scores]]) -> Sample:
    """Lay benchmarks end to end, scaled so that the mean is that of the benchmarks' means."""
    total = sum(len(values) for values, _ in parts)
    scaled = [values * (total / (len(parts) * len(values))) for values, _ in parts]
    clusters = tuple(cluster for _, scores in parts for cluster in scores.clusters)
    return Sample(np.concatenate(scaled), clusters)
