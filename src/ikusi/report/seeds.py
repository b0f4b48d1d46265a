"""Scores under single seeds in figures, beside the mean over seeds."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from ikusi.compare.reading import Study
from ikusi.report.drawing import PAPER, Look

RING: Any = {"s": 11, "facecolor": PAPER, "linewidths": 0.9, "clip_on": False, "zorder": 3}


def mark_seeds(axes: Axes, at: Sequence[Sequence[tuple[float, float]]], look: Look) -> None:
    """Draw a small ring at the points of each seed, of each mean that is drawn in this look."""
    points = [point for each in at for point in each]
    if points:
        axes.scatter(*zip(*points, strict=True), **RING, edgecolor=look.colour)


def describe_seeds(each: Sequence[float], form: str = ".2f") -> str:
    """Words after a mean: the range of the scores under single seeds; else empty."""
    return f" ({min(each):{form}} to {max(each):{form}} by seed)" if each else ""


def explain_seeds(study: Study) -> str:
    """Words in a caption, after "over pictures"; empty where there is one seed."""
    return " and seeds; small rings are single seeds" if study.several_seeds else ""
