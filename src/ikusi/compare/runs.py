"""Evaluations compared row by row: what differs, how surely, and what could be seen at all.

The first run is the baseline; every other one is compared with it on the rows both have, benchmark
by benchmark and language by language. Loads no tensor library.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ikusi.compare.join import Joined, Unmatched, check_metric, join, shorten_names, stack
from ikusi.compare.rows import Asked, Rows
from ikusi.compare.trainings import find_trainings
from ikusi.errors import InputError
from ikusi.statistics import (
    Difference,
    Interval,
    McNemar,
    bootstrap_interval,
    compute_detectable,
    compute_least_p_value,
    holm,
    mcnemar,
    measure_spread,
    paired_difference,
    pool_seeds,
    standard_error,
)

ALL = "all"
ALPHA = 0.05
POWER = 0.8
RESAMPLES = 10_000
KEYS = ("run", "benchmark", "language", "group", "metric", "n", "clusters")

DIFFERENCES = pa.schema(
    [
        ("run", pa.string()),
        ("benchmark", pa.string()),
        ("language", pa.string()),
        ("group", pa.string()),
        ("id", pa.string()),
        ("image_id", pa.string()),
        ("question", pa.string()),
        ("gold", pa.string()),
        ("baseline_prediction", pa.string()),
        ("run_prediction", pa.string()),
        ("baseline_score", pa.float64()),
        ("run_score", pa.float64()),
    ]
)
"""Columns of the rows on which a run and the baseline score differently; ``gold`` as in
``rows.SCHEMA``, ``question`` as the baseline was asked."""


@dataclass(frozen=True)
class Cell:
    """One run against the baseline on one benchmark in one language, all of it or one group.

    ``clusters`` are the pictures, or rows where they have none. ``right`` counts right answers
    (sums scores where they are fractions). ``difference`` is run minus baseline, ``adjusted`` its
    p-value by Holm's method over all cells. ``mcnemar``: none where scores are fractions; its
    ``only_a`` are the run's. ``detectable``: the smallest true difference that would be found four
    times in five, none where so few pictures differ that no test of them could reach ``ALPHA``.

    Where several trainings of both stand behind it, under ``seeds`` seeds that both have, all is
    the mean over these, and intervals hold over seeds too; then there is neither ``mcnemar`` nor
    ``detectable``. ``each`` has the difference under every seed, ``seed_share`` is the seed's part
    of the difference's variance.
    """

    run: str
    benchmark: str
    language: str
    group: str
    metric: str
    n: int
    clusters: int
    right: tuple[float, float]
    baseline: Interval
    score: Interval
    difference: Difference
    mcnemar: McNemar | None
    detectable: float | None
    adjusted: float = 1.0
    each: tuple[float, ...] = ()
    seed_share: float | None = None

    @property
    def seeds(self) -> int:
        """The number of seeds behind it."""
        return max(1, len(self.each))

    @property
    def differs(self) -> bool:
        """Whether the difference stands after correction."""
        return self.adjusted <= ALPHA

    def record(self) -> dict[str, Any]:
        """All of it under plain names, for files."""
        discordant = self.mcnemar or (None, None, None)
        return {
            **{key: getattr(self, key) for key in KEYS},
            "baseline_right": self.right[0],
            "run_right": self.right[1],
            **{f"baseline_{key}": value for key, value in _bounds(self.baseline)},
            **{f"run_{key}": value for key, value in _bounds(self.score)},
            "difference": self.difference.mean,
            "difference_low": self.difference.low,
            "difference_high": self.difference.high,
            "p": self.difference.p_value,
            "p_holm": self.adjusted,
            "differs": self.differs,
            "only_run_right": discordant[0],
            "only_baseline_right": discordant[1],
            "mcnemar_p": discordant[2],
            "detectable": self.detectable,
            **(self._record_seeds() if self.each else {}),
        }

    def _record_seeds(self) -> dict[str, Any]:
        lowest, highest = min(self.each), max(self.each)
        share = {"seeds": self.seeds, "seed_share": self.seed_share}
        return {**share, "lowest": lowest, "highest": highest}


class Lacking(NamedTuple):
    """A benchmark in a language that was not compared with a run, and which side lacks it."""

    run: str
    benchmark: str
    language: str
    lacking: str


@dataclass(frozen=True)
class Comparison:
    """Runs against a baseline. ``metric``: the one asked for, or none for each primary one.

    ``unmatched`` says what joining came to, ``lacking`` what was not compared, ``differences``
    holds the rows that are scored differently (see ``DIFFERENCES``). ``by_seed``: all trainings of
    the runs are compared, under each seed; ``differences`` are then those of the first.
    """

    baseline: str
    runs: tuple[str, ...]
    metric: str | None
    resamples: int
    seed: int
    cells: tuple[Cell, ...]
    unmatched: tuple[Unmatched, ...]
    lacking: tuple[Lacking, ...]
    differences: pa.Table
    by_seed: bool = False


def compare(
    folders: Sequence[Path],
    *,
    metric: str | None = None,
    by_group: bool = False,
    by_seed: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Compare evaluations with the first of them.

    ``folders`` hold ``rows.parquet``. ``by_group`` adds each group of a benchmark's rows to all of
    them together. ``by_seed``: each stands for all trainings of its model, which differ by their
    seed; the same seed is paired. Rows are matched by id; the same files give the same result.

    Raises:
        InputError: fewer than two folders, no rows, nothing in common, rows that do not fit
            together, too few resamples for so many comparisons, or fewer than two seeds that a run
            and the baseline have.
    """
    if len(folders) < 2:
        raise InputError(f"runs: expected two or more, found {len(folders)}")
    baseline, *others = (
        Rows(folder, name) for folder, name in zip(folders, shorten_names(folders), strict=True)
    )
    if metric is not None:
        check_metric(metric, baseline)
    more = _open_others(folders) if by_seed else {run.name: [] for run in others}
    pairs = [(run, asked) for run in others for asked in _either(baseline, run)]
    lacking = [
        missing for run, asked in pairs for missing in _lacking(baseline, run, asked, metric)
    ]
    left_out = {(missing.run, missing.benchmark, missing.language) for missing in lacking}
    joins, cells, tables = [], [], [DIFFERENCES.empty_table()]
    for run, asked in pairs:
        if (run.name, *asked) not in left_out:
            joined = join(baseline, run, asked, metric)
            joins.append(joined.unmatched)
            called = metric or baseline.primary(asked) or "primary"
            tables.append(_differences(baseline, run, asked, joined))
            every = stack([joined, *(join(*pair, asked, metric) for pair in more[run.name])])
            cells += list(_cells(every, called, by_group, resamples, seed))
    _check(cells, [baseline, *others], resamples)
    return Comparison(
        baseline.name,
        tuple(run.name for run in others),
        metric,
        resamples,
        seed,
        _correct(cells),
        tuple(joins),
        tuple(lacking),
        pa.concat_tables(tables),
        by_seed,
    )


def _open_others(folders: Sequence[Path]) -> dict[str, list[tuple[Rows, Rows]]]:
    """The further trainings of the baseline and of each run, by the run's name: pairs that have the
    same seed."""
    names = shorten_names(folders)
    baseline, *others = (find_trainings(folder) for folder in folders)
    pairs = {}
    for folder, name, run in zip(folders[1:], names[1:], others, strict=True):
        both = [seed for seed in baseline if seed in run]
        if len(both) < 2 or list(baseline)[:1] != list(run)[:1]:
            same = f"{len(both)} ({', '.join(map(str, both))})" if both else "none"
            problem = "the same seed as the baseline's, and another that both are measured under"
            raise InputError(f"{folder}: expected {problem}, found in common {same}")
        pairs[name] = [
            (Rows(baseline[seed], baseline[seed].name), Rows(run[seed], run[seed].name))
            for seed in both[1:]
        ]
    return pairs


def pick_examples(comparison: Comparison, count: int) -> list[dict[str, Any]]:
    """Up to ``count`` rows that are scored differently, picked by rule.

    Runs, benchmarks, languages and directions take turns; within each, rows go by id.
    """
    queues: dict[tuple[Any, ...], deque[dict[str, Any]]] = {}
    for row in comparison.differences.to_pylist():
        won = row["run_score"] > row["baseline_score"]
        key = (row["run"], row["benchmark"], row["language"], won)
        queues.setdefault(key, deque()).append(row)
    picked: list[dict[str, Any]] = []
    while queues and len(picked) < count:
        picked += [queue.popleft() for queue in queues.values()]
        queues = {key: queue for key, queue in queues.items() if queue}
    return picked[:count]


def _bounds(interval: Interval) -> list[tuple[str, float]]:
    return list(zip(("score", "low", "high"), interval, strict=True))


def _either(baseline: Rows, run: Rows) -> list[Asked]:
    return list(dict.fromkeys([*baseline.asked, *run.asked]))


def _lacking(baseline: Rows, run: Rows, asked: Asked, metric: str | None) -> Iterator[Lacking]:
    without = [rows.name for rows in (baseline, run) if not rows.has(asked, metric)]
    if without:
        yield Lacking(run.name, *asked, " or ".join(without))


def _check(cells: Sequence[Cell], sides: Sequence[Rows], resamples: int) -> None:
    if not cells:
        needed = "; ".join(f"{rows.name} has {_join_list(rows)}" for rows in sides)
        raise InputError(f"runs: expected rows in common, found none: {needed}")
    # The smallest p-value is 2 / (resamples + 1), and Holm multiplies it by the number of cells.
    fewest = int(np.ceil(2 * len(cells) / ALPHA))
    if resamples < fewest:
        needed = f"{fewest} or more for {len(cells)} comparisons, or none could ever stand"
        raise InputError(f"bootstrap: expected {needed}, found {resamples}")


def _join_list(rows: Rows) -> str:
    return ", ".join(" ".join(asked) for asked in rows.asked) or "no rows"


def _cells(
    joined: Joined, metric: str, by_group: bool, resamples: int, seed: int
) -> Iterator[Cell]:
    """All rows together, then each group where there are several."""
    if not joined.ids:
        return
    yield _cell(joined, ALL, np.arange(len(joined.ids)), metric, resamples, seed)
    groups = sorted({group for group in joined.groups if group is not None})
    for group in groups if by_group and len(groups) > 1 else []:
        places = np.flatnonzero([own == group for own in joined.groups])
        yield _cell(joined, group, places, metric, resamples, seed)


def _cell(
    joined: Joined,
    group: str,
    places: npt.NDArray[np.intp],
    metric: str,
    resamples: int,
    seed: int,
) -> Cell:
    unmatched, clusters = joined.unmatched, [joined.clusters[place] for place in places]
    baseline, run = joined.baseline[..., places], joined.run[..., places]
    gap, drawn = pool_seeds(run - baseline), (clusters, resamples, seed)
    difference = paired_difference(run, baseline, *drawn)
    least = compute_least_p_value(gap, clusters)
    binary = np.isin(np.concatenate([baseline, run]), (0.0, 1.0)).all()
    spread = measure_spread(run - baseline, clusters)
    each = tuple((run - baseline).mean(axis=-1).tolist()) if spread else ()
    return Cell(
        *(unmatched.run, unmatched.benchmark, unmatched.language, group, metric),
        n=len(places),
        clusters=len(set(clusters)),
        right=(float(pool_seeds(baseline).sum()), float(pool_seeds(run).sum())),
        baseline=bootstrap_interval(baseline, *drawn),
        score=bootstrap_interval(run, *drawn),
        difference=difference._replace(p_value=max(difference.p_value, least)),
        mcnemar=mcnemar(run, baseline) if binary and not spread else None,
        detectable=_detectable(gap, clusters) if least <= ALPHA and not spread else None,
        each=each,
        seed_share=spread.share if spread else None,
    )


def _detectable(gap: npt.NDArray[np.float64], clusters: Sequence[str]) -> float:
    return compute_detectable(standard_error(gap, clusters), ALPHA, POWER)


def _correct(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    adjusted = holm([cell.difference.p_value for cell in cells])
    return tuple(replace(cell, adjusted=p) for cell, p in zip(cells, adjusted, strict=True))


def _differences(baseline: Rows, run: Rows, asked: Asked, joined: Joined) -> pa.Table:
    """The rows that are scored differently, with what was asked and said, sorted by id."""
    places = np.flatnonzero(joined.baseline != joined.run)
    ids = [joined.ids[place] for place in places]
    wanted = ["group", "image_id", "question", "gold", "prediction"]
    left, right = baseline.texts(asked, ids, wanted), run.texts(asked, ids, ["prediction"])
    columns = {name: left[name] for name in ("id", *wanted[:-1])} | {
        "run": [run.name] * len(ids),
        "benchmark": [asked[0]] * len(ids),
        "language": [asked[1]] * len(ids),
        "baseline_prediction": left["prediction"],
        "run_prediction": right["prediction"],
        "baseline_score": joined.baseline[places],
        "run_score": joined.run[places],
    }
    return pa.table({name: columns[name] for name in DIFFERENCES.names}, schema=DIFFERENCES)
