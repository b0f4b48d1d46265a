"""Resamples of scores whose rows share pictures: what is drawn is whole pictures, the clusters."""

from collections.abc import Hashable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

Values = Sequence[float] | npt.NDArray[np.float64]
Clusters = Sequence[Hashable] | npt.NDArray[np.generic] | None

_CELLS = 2**18  # drawn cluster numbers held at once: 2 MB


def resample_means(
    values: npt.NDArray[np.float64], clusters: Clusters, n: int, seed: int
) -> npt.NDArray[np.float64]:
    """Return ``n`` means of rows whose clusters are drawn with replacement, as an array [n]."""
    sums, sizes = sum_clusters(values, clusters)
    means = [
        sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1) for drawn in _draws(len(sums), n, seed)
    ]
    return np.concatenate(means)


def sum_clusters(
    values: npt.NDArray[np.float64], clusters: Clusters
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the sum of each cluster's values and their number, as two arrays [clusters].

    Raises:
        ValueError: no values, or not as many of one as of the other.
    """
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"expected at least one score in one row, found shape {values.shape}")
    if clusters is None:
        return values, np.ones_like(values)
    if len(clusters) != values.size:
        raise ValueError(f"expected {values.size} clusters, found {len(clusters)}")
    places: dict[Hashable, int] = {}
    index = np.fromiter((places.setdefault(c, len(places)) for c in clusters), dtype=np.intp)
    sums, sizes = np.bincount(index, weights=values), np.bincount(index)
    return np.asarray(sums, dtype=np.float64), np.asarray(sizes, dtype=np.float64)


def _draws(clusters: int, n: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    generator = np.random.default_rng(seed)
    step = max(1, _CELLS // clusters)
    for start in range(0, n, step):
        yield generator.integers(clusters, size=(min(step, n - start), clusters))


def draw_weights(items: int, n: int, seed: int) -> Iterator[npt.NDArray[np.float64]]:
    """Yield how often each item is drawn in ``n`` resamples, as arrays [some, items]."""
    for drawn in _draws(items, n, seed):
        places = drawn + items * np.arange(len(drawn))[:, None]
        counts = np.bincount(places.ravel(), minlength=items * len(drawn))
        yield counts.reshape(len(drawn), items).astype(np.float64)
