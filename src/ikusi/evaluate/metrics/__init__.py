"""Metrics that compare a generated answer with the gold answers, a file for each.

A module here that has `METRICS` adds those; nothing else needs to know. A gold answer that the text
processing leaves empty is never matched, by any of them.
"""

from collections.abc import Sequence

from ikusi import catalogue
from ikusi.evaluate.metrics.agreement import vqa_accuracy, vqa_accuracy_normalised
from ikusi.evaluate.metrics.base import Answer, Metric
from ikusi.evaluate.metrics.containment import (
    AGGREGATES,
    UNITS,
    contains,
    coverage,
    inclusion,
    name_inclusion,
)
from ikusi.evaluate.normalise import Normaliser

__all__ = [
    "AGGREGATES",
    "REGISTRY",
    "UNITS",
    "Normaliser",
    "contains",
    "coverage",
    "describe_metric",
    "inclusion",
    "is_description",
    "list_families",
    "name_inclusion",
    "score_metric",
    "score_text",
    "vqa_accuracy",
    "vqa_accuracy_normalised",
]

REGISTRY: catalogue.Modules[Metric] = catalogue.Modules(__name__, "METRICS", "metric")

OPTIONS = {"accuracy_without_end": "accuracy, end of turn not counted"}
"""What people call the accuracies of options, where their names do not say it."""


def list_families() -> list[str]:
    """The names of metrics that benchmarks may have, each once."""
    return list(dict.fromkeys(one.family or one.name for one in REGISTRY.every.values()))


def is_description(name: str) -> bool:
    """Whether a metric scores a description of a picture, not the answer to a question."""
    return name in REGISTRY.every and REGISTRY.every[name].describes


def describe_metric(name: str) -> str:
    """Name a metric as people read it in tables.

    >>> describe_metric("inclusion_any_token_span")
    'any gold answer contained, as whole words'
    >>> describe_metric("accuracy_per_token")
    'accuracy per token'
    """
    if name in REGISTRY.every:
        return REGISTRY.every[name].words
    return OPTIONS.get(name, name.replace("_", " "))


def score_text(text: str, gold: Sequence[str], normaliser: Normaliser) -> dict[str, float]:
    """Return every metric of one free answer, by name; each in [0, 1]."""
    answer = Answer(text, gold, normaliser)
    return {name: metric.score(answer) for name, metric in REGISTRY.every.items()}


def score_metric(name: str, text: str, gold: Sequence[str], normaliser: Normaliser) -> float:
    """Return one of these."""
    return REGISTRY.every[name].score(Answer(text, gold, normaliser))
