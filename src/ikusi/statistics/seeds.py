"""The uncertainty of a mean over trainings that differ by their seed, and over pictures.

Every training answers the same questions, so seeds and pictures are crossed: what a seed changes
for all pictures, what a picture changes for all seeds, and what is of both alone. The analysis of
variance of two crossed random factors parts them, as in studies of several readers of the
same cases (Obuchowski and Rockette 1995). A bootstrap that draws seeds too is far too narrow with
as few as there are: of three, it shows two thirds of their variance, and it knows no t.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import t

from ikusi.statistics.resampling import Clusters, Values, sum_clusters

Array = npt.NDArray[np.float64]


class Spread(NamedTuple):
    """The variance of a mean over seeds and pictures, by its sources.

    Attributes:
        seeds: their number.
        between: of the mean, by how much the seeds' own means vary.
        pictures: of the mean, if the same seeds were asked about other pictures.
        crossed: the part of both, what single seeds make of single pictures.
    """

    seeds: int
    between: float
    pictures: float
    crossed: float

    @property
    def by_seed(self) -> float:
        """Variance of the mean by seeds, beyond what pictures explain."""
        return max(0.0, self.between - self.crossed)

    @property
    def share(self) -> float:
        """The part of the mean's variance that is the seed's, 0 to 1."""
        total = self.by_seed + self.pictures
        return self.by_seed / total if total > 0 else 0.0

    @property
    def deviation(self) -> float:
        """Standard deviation between trainings that differ by their seed alone."""
        return float(np.sqrt(self.by_seed * self.seeds))


def measure_spread(values: Values, clusters: Clusters = None) -> Spread | None:
    """Measure what seeds and what pictures do to the mean of ``values``, [seeds, rows].

    The components are those of two crossed random factors, by the method of moments; ``clusters``
    is the picture of each row. None where there is one seed, or values are [rows].
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim < 2 or len(sample) < 2:
        return None
    means, seeds = sample.mean(axis=1), len(sample)
    laid = [sum_clusters(row, clusters) for row in sample]
    left = np.stack(
        [
            (sums - mean * sizes) / sizes.sum()
            for mean, (sums, sizes) in zip(means, laid, strict=True)
        ]
    )
    count = left.shape[1]
    correction = count / (count - 1) if count > 1 else 0.0
    shared = left.mean(axis=0)
    pictures = correction * float(np.square(shared).sum())
    crossed = correction * float(np.square(left - shared).sum()) / (seeds - 1) / seeds
    between = float(means.var(ddof=1)) / seeds
    return Spread(seeds, between, pictures, crossed)


def add_seeds(
    mean: float, bounds: tuple[float, float], spread: Spread | None, confidence: float
) -> tuple[float, float]:
    """Bounds that hold over seeds too, from those over pictures alone.

    To the square of each half is added that of a t-interval over the seeds' means, and what both
    have in common is taken out of the first (Banerjee 1960, "Approximate confidence interval for
    linear functions of means of k populations when the population variances are not equal"): so it
    covers at least as often as it says, with two seeds too. It is never narrower than before.

    Args:
        mean: over seeds and pictures.
        bounds: of the interval over pictures.
        spread: none where there is one seed: the bounds stay.
        confidence: of both intervals.
    """
    if spread is None:
        return bounds
    varies = max(spread.between, spread.crossed)
    reach = float(t.ppf((1 + confidence) / 2, spread.seeds - 1)) ** 2 * varies
    apart = 1 - min(1.0, spread.crossed / spread.pictures) if spread.pictures > 0 else 1.0
    low, high = (float(np.sqrt(apart * (mean - bound) ** 2 + reach)) for bound in bounds)
    return mean - low, mean + high


def pool_seeds(values: Values) -> Array:
    """The mean over seeds of each row, [rows], of values [rows] or [seeds, rows]."""
    sample = np.asarray(values, dtype=np.float64)
    return sample if sample.ndim < 2 else np.asarray(sample.mean(axis=0))
