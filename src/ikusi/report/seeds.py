"""Scores under single seeds in figures, beside the mean over seeds."""

from collections.abc import Callable, Sequence
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


def describe_seeds(each: Sequence[float], write: Callable[[float], str] = "{:.2f}".format) -> str:
    """The range of the scores under single seeds, as words after a mean; empty without any."""
    return f" ({write(min(each))} to {write(max(each))} by seed)" if each else ""


def explain_seeds(study: Study) -> str:
    """The words about seeds in a caption, after "over pictures"; empty where there is one seed."""
    return " and seeds; small rings are single seeds" if study.several_seeds else ""
