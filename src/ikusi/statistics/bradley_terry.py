"""Strengths of several models, from which of two was preferred (Bradley and Terry 1952).

A model's strength is the logarithm of its odds: one of strength a is preferred to one of strength b
with the probability ``1 / (1 + exp(b - a))``. Strengths sum to zero. A tie is half a win for both.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ikusi.statistics.resampling import draw_weights

Array = npt.NDArray[np.float64]

FEWEST_DEFINED = 0.5
"""Share of resamples in which all strengths must be known for them to have intervals."""

_STEPS = 100
_PRECISION = 1e-9


class Strength(NamedTuple):
    """A model's strength with its 95 % interval; where it has none, ``why`` says why."""

    value: float | None
    low: float | None
    high: float | None
    why: str = ""


def bradley_terry(
    first: npt.NDArray[np.integer],
    second: npt.NDArray[np.integer],
    points: Array,
    clusters: npt.NDArray[np.integer],
    models: int,
    resamples: int = 1000,
    seed: int = 0,
) -> list[Strength]:
    """Return the strength of each of ``models`` models, with intervals by a bootstrap over items.

    Args:
        first: the number of one model of each comparison, [comparisons].
        second: that of the other.
        points: what the first one got: 1 for a win, 0.5 for a tie, 0 for a loss.
        clusters: the number of each comparison's item; those of one item are drawn together.
    """
    whole = _count_wins(first, second, points, np.zeros_like(clusters), 1, models)
    won = whole.toarray().reshape(1, models, models)
    if why := _explain_undefined(won[0]):
        return [Strength(None, None, None, why)] * models
    values = estimate_strengths(won)[0]
    items = int(clusters.max()) + 1
    by_item = _count_wins(first, second, points, clusters, items, models)
    drawn = [
        estimate_strengths((by_item.T @ weights.T).T.reshape(-1, models, models))
        for weights in draw_weights(items, resamples, seed)
    ]
    samples = np.concatenate(drawn)
    undefined = float(np.isnan(samples[:, 0]).mean())
    if undefined > 1 - FEWEST_DEFINED:
        why = f"its interval is undefined, because {undefined:.0%} of resamples have no value"
        return [Strength(float(value), None, None, why) for value in values]
    bounds = np.nanquantile(samples, [0.025, 0.975], axis=0)
    each = zip(values, *bounds, strict=True)
    return [Strength(float(value), float(low), float(high)) for value, low, high in each]


def _count_wins(
    first: npt.NDArray[np.integer],
    second: npt.NDArray[np.integer],
    points: Array,
    clusters: npt.NDArray[np.integer],
    items: int,
    models: int,
) -> sparse.csr_array:
    """Points of each model against each other one, by item: [items, models * models]."""
    columns = np.concatenate([first * models + second, second * models + first])
    values = np.concatenate([points, 1 - points])
    rows = np.concatenate([clusters, clusters])
    return sparse.csr_array((values, (rows, columns)), shape=(items, models * models))


def estimate_strengths(won: Array) -> Array:
    """Return the strengths of models, [tables, models], from tables of points.

    ``won[t, i, j]``: points of model i against model j. A table in which some models never took a
    point from the others has no strengths: theirs are NaN.
    """
    known = _find_connected(won)
    strengths = np.full(won.shape[:2], np.nan)
    if known.any():
        strengths[known] = _fit(won[known])
    return strengths


def _fit(won: Array) -> Array:
    """Newton's method on the log-likelihood, which is concave; steps of more than 1 are cut."""
    models, played = won.shape[1], won + won.transpose(0, 2, 1)
    theta = np.zeros(won.shape[:2])
    for _ in range(_STEPS):
        likely = 1 / (1 + np.exp(theta[:, None, :] - theta[:, :, None]))
        slope = won.sum(axis=2) - (played * likely).sum(axis=2)
        curve = -played * likely * likely.transpose(0, 2, 1)
        diagonal = np.arange(models)
        curve[:, diagonal, diagonal] = -curve.sum(axis=2) + curve[:, diagonal, diagonal]
        step = np.linalg.solve(curve + 1 / models, slope[..., None])[..., 0]
        theta += np.clip(step, -1, 1)
        if np.abs(step).max() < _PRECISION:
            break
    return np.asarray(theta - theta.mean(axis=1, keepdims=True))


def _find_connected(won: Array) -> npt.NDArray[np.bool_]:
    """Whether each model took points, directly or through others, from each other one, [tables].

    Without that the likelihood has no highest point (Ford 1957).
    """
    reach = (won > 0) | np.eye(won.shape[1], dtype=bool)
    for _ in range(max(1, int(np.ceil(np.log2(won.shape[1]))))):
        reach = (reach.astype(np.float32) @ reach.astype(np.float32)) > 0
    return np.asarray(reach.all(axis=(1, 2)))


def _explain_undefined(won: Array) -> str:
    """The reason why a table has no strengths; empty where it has."""
    if _find_connected(won[None])[0]:
        return ""
    if not _find_connected((won + won.T)[None])[0]:
        return "no comparison joins some models with the others"
    return "some models never took a point from the others, so how much weaker they are is unknown"
