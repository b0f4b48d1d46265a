"""From rows to figures: scores with intervals, chance, and what a blind guesser would reach.

Rows are read a batch at a time, as often as need be: memory holds a few numbers for each.
"""

import json
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import blake2b
from typing import Any, Protocol, TypedDict

import numpy as np
import pyarrow as pa

from ikusi.evaluate.baselines import score_majority
from ikusi.evaluate.benchmark import Benchmark
from ikusi.evaluate.metrics import Normaliser, score_metric
from ikusi.statistics import FEWEST, bootstrap_interval

ALL = "all"


COUNTED = (
    *("id", "image_id", "group", "language", "scores", "tied", "hit_limit"),
    *("said_language", "failure", "correct", "metrics"),
)


class Rows(Protocol):
    """Rows as in ``rows.SCHEMA``: a table, or a stretch of a file."""

    def select(self, columns: Sequence[str]) -> "Rows":
        """The same rows with some of their columns."""

    def to_batches(self) -> Iterable[pa.RecordBatch]:
        """All of them, again each time."""


class Figures(TypedDict):
    """The figures of one benchmark in one language and group; `summarise` says what each is."""

    n: int
    pictures: int
    few: bool
    metric: str
    right: float | None
    score: float | None
    low: float | None
    high: float | None
    chance: float | None
    majority: float | None
    metrics: dict[str, float]
    hit_limit: float | None
    language_told: int | None
    fidelity: float | None
    ties: int
    failed: int


Results = Mapping[str, Mapping[str, Mapping[str, Figures]]]
"""Benchmark -> language -> group or `all` -> figures."""


def summarise(
    rows: Rows, benchmark: Benchmark, normaliser: Normaliser, resamples: int, seed: int
) -> dict[str, Figures]:
    """Return the figures of one benchmark in one language, for each group and for ``all``.

    Each entry has ``n`` rows and ``pictures``, whether these (or the rows, where there are none)
    are too ``few`` for an interval to be trusted, the ``metric``, its sum ``right`` and mean
    ``score`` with the bounds ``low`` and ``high`` of the 95 % cluster bootstrap over pictures,
    ``chance``, ``majority`` (the best constant answer per task, see ``_majority``), the means of
    all ``metrics``, the share of answers that ``hit_limit``, in how many the language could be
    identified (``language_told``) and the share of those in the one asked in (``fidelity``), the
    number of ``ties`` and of rows that ``failed`` to be answered. Score,
    baselines and interval are none where answers are only kept.
    """
    counts: dict[str, _Counts] = {ALL: _Counts()}
    for row in _records(rows, COUNTED):
        counts[ALL].add(row)
        if row["group"] is not None:
            counts.setdefault(row["group"], _Counts()).add(row)
    names = [ALL, *sorted(set(counts) - {ALL})]
    majority = _majority(rows, benchmark, normaliser)
    return {
        name: counts[name].figures(benchmark, majority.get(name), resamples, seed)
        for name in names
        if counts[name].correct
    }


def _records(rows: Rows, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    for batch in rows.select(columns).to_batches():
        yield from batch.to_pylist()


class _Counts:
    """The values of a group's rows that its figures are computed from."""

    def __init__(self) -> None:
        self.correct = array("d")
        self.clusters = array("q")
        self.pictures: set[int] = set()
        self.totals: Counter[str] = Counter()
        self.metrics: Counter[str] = Counter()
        self.guess = 0.0

    def add(self, row: dict[str, Any]) -> None:
        self.correct.append(np.nan if row["correct"] is None else row["correct"])
        cluster = _number(row["image_id"] or row["id"])
        self.clusters.append(cluster)
        if row["image_id"]:
            self.pictures.add(cluster)
        self.metrics.update(json.loads(row["metrics"]))
        if row["scores"]:
            self.guess += 1 / len(row["scores"])
        language = row["said_language"]
        self.totals["ties"] += bool(row["tied"])
        self.totals["failed"] += row["failure"] is not None
        self.totals["hit_limit"] += bool(row["hit_limit"])
        self.totals["language_told"] += language is not None
        self.totals["asked_language"] += language == row["language"]

    def figures(
        self, benchmark: Benchmark, majority: float | None, resamples: int, seed: int
    ) -> Figures:
        n, options = len(self.correct), benchmark.scorer == "options"
        scored = benchmark.metric != "none"
        chance = self.guess / n if benchmark.chance is None else benchmark.chance
        score = low = high = None
        if scored:
            score, low, high = bootstrap_interval(self.correct, self.clusters, resamples, seed)
        identified = self.totals["language_told"]
        return {
            "n": n,
            "pictures": len(self.pictures),
            "few": len(set(self.clusters)) < FEWEST,
            "metric": benchmark.primary,
            "right": float(np.sum(self.correct)) if scored else None,
            "score": score,
            "low": low,
            "high": high,
            "chance": chance if scored else None,
            "majority": majority if scored else None,
            "metrics": {name: total / n for name, total in self.metrics.items()},
            "hit_limit": None if options else self.totals["hit_limit"] / n,
            "language_told": None if options else identified,
            "fidelity": self.totals["asked_language"] / identified if identified else None,
            "ties": self.totals["ties"],
            "failed": self.totals["failed"],
        }


def _number(name: str) -> int:
    """A picture's or row's name as a number that takes less room."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)


def _majority(rows: Rows, benchmark: Benchmark, normaliser: Normaliser) -> dict[str, float]:
    """Return what the most frequent answer of each task would score, for each group.

    For options, the better of always choosing one position and always choosing one wording.
    """
    if benchmark.metric == "none":
        return {}
    score = _same
    if benchmark.scorer != "options":
        score = partial(_worth, name=benchmark.primary, normaliser=normaliser)
    majorities: dict[str, float] = {}
    for (group, _), worth in score_majority(partial(_guess, rows), score).items():
        majorities[group] = max(worth, majorities.get(group, 0.0))
    return majorities


Guesser = tuple[str, str]
"""Of a group of rows, and what it goes by."""


def _guess(rows: Rows) -> Iterator[tuple[Guesser, str | None, Sequence[str]]]:
    """Guesser, task and gold answers, for each row of a group and each guesser of that."""
    for row in _records(rows, ("group", "task", "gold")):
        gold = json.loads(row["gold"])
        if isinstance(gold, list):
            ways = {"answer": gold}
        else:
            ways = {"position": [str(gold["answer"])], "wording": [gold["choices"][gold["answer"]]]}
        for group in (ALL,) if row["group"] is None else (ALL, row["group"]):
            for way, answers in ways.items():
                yield (group, way), row["task"], answers


def _same(answer: str, gold: Sequence[str]) -> float:
    return float(answer == gold[0])


def _worth(answer: str, gold: Sequence[str], *, name: str, normaliser: Normaliser) -> float:
    return score_metric(name, answer, gold, normaliser)
