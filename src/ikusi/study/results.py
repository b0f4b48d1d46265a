"""Results of a study's evaluations, in one file at its root."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ikusi import artifact, jsonfile
from ikusi.recipe.folder import EVALUATE, RESULTS, StudyFolder, name_evaluate_step
from ikusi.study import graph
from ikusi.study.graph import Step


class _Figures(jsonfile.Record):
    score: float | None


class _Groups(jsonfile.Record):
    all: _Figures


_RESULTS = dict[str, dict[str, _Groups]]


def collect(folder: StudyFolder, steps: Sequence[Step]) -> None:
    """Write `results.json`: what each current evaluation found, by what was evaluated.

    It holds no times and does not depend on the order in which steps finished.
    """
    states = graph.read_states(steps, folder)
    results: dict[str, Any] = {}
    for step in sorted(steps, key=lambda step: step.name):
        if step.kind == EVALUATE and states[step.name].status == "current":
            results[step.name.removeprefix(name_evaluate_step(""))] = read(folder.step(step.name))
    if results:
        artifact.write_json(folder.results, results)


def read(folder: Path) -> dict[str, Any]:
    """The results of one evaluation's folder; empty where there are none."""
    path = folder / RESULTS
    if not path.exists():
        return {}
    results: dict[str, Any] = jsonfile.read_plain(path, _RESULTS, "the results of an evaluation")
    return results


def compute_mean_score(results: Mapping[str, Any], language: str) -> float | None:
    """Mean over benchmarks of their score in one language, as the live grid shows it."""
    measured = [
        by_language[language]["all"] for by_language in results.values() if language in by_language
    ]
    scores = [figures["score"] for figures in measured if figures["score"] is not None]
    return sum(scores) / len(scores) if scores else None
