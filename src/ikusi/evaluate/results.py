"""From rows to figures: scores with intervals, chance, and what a blind guesser would reach."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ikusi.evaluate.benchmark import Benchmark
from ikusi.evaluate.metrics import Normaliser
from ikusi.evaluate.rows import text_metric
from ikusi.evaluate.statistics import bootstrap_interval, majority_baseline

ALL = "all"


def summarise(
    table: pa.Table, benchmark: Benchmark, normaliser: Normaliser, resamples: int, seed: int
) -> dict[str, dict[str, Any]]:
    """Return the figures of one benchmark in one language, for each group and for ``all``.

    ``table`` holds its rows as in ``rows.SCHEMA``. Each entry has ``n`` rows and ``pictures``, the
    ``metric``, its mean ``score`` with the bounds ``low`` and ``high`` of the 95 % cluster
    bootstrap over pictures, ``chance``, ``majority`` (the best constant answer per task, see
    ``_majority``), the means of all ``metrics``, the share of answers that ``hit_limit`` and the
    number of ``ties``.
    """
    rows = table.to_pylist()
    groups = sorted({row["group"] for row in rows} - {None})
    entries = {ALL: rows} | {group: [r for r in rows if r["group"] == group] for group in groups}
    return {
        name: _figures(part, benchmark, normaliser, resamples, seed)
        for name, part in entries.items()
        if part
    }


def _figures(
    rows: Sequence[Mapping[str, Any]],
    benchmark: Benchmark,
    normaliser: Normaliser,
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    clusters = [row["image_id"] or row["id"] for row in rows]
    correct = [row["correct"] for row in rows]
    score, low, high = bootstrap_interval(correct, clusters, resamples, seed)
    gold = [json.loads(row["gold"]) for row in rows]
    options = benchmark.scorer == "options"
    metrics = [json.loads(row["metrics"]) for row in rows]
    return {
        "n": len(rows),
        "pictures": len({row["image_id"] for row in rows} - {None}),
        "metric": benchmark.metric,
        "score": score,
        "low": low,
        "high": high,
        "chance": float(np.mean([1 / len(g["choices"]) for g in gold])) if options else 0.0,
        "majority": _majority(gold, [row["task"] for row in rows], benchmark, normaliser),
        "metrics": {name: float(np.mean([m[name] for m in metrics])) for name in metrics[0]},
        "hit_limit": None if options else float(np.mean([row["hit_limit"] for row in rows])),
        "ties": sum(bool(row["tied"]) for row in rows),
    }


def _majority(
    gold: Sequence[Any], tasks: Sequence[str | None], benchmark: Benchmark, normaliser: Normaliser
) -> float:
    """Return what the most frequent answer of each task would score.

    For options, the better of always choosing one position and always choosing one wording.
    """
    if benchmark.scorer == "generate":

        def score(answer: str, row: int) -> float:
            return text_metric(benchmark.metric, answer, gold[row], benchmark, normaliser)

        return majority_baseline(gold, score, tasks)
    positions = [str(row["answer"]) for row in gold]
    wordings = [row["choices"][row["answer"]] for row in gold]
    return max(
        majority_baseline(
            [[answer] for answer in answers],
            lambda answer, row, given=answers: float(given[row] == answer),  # type: ignore[misc]
            tasks,
        )
        for answers in (positions, wordings)
    )
