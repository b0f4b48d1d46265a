"""Losses of trainings as curves."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ikusi.report.drawing import Look, Panel

POINTS = 150  # of a curve

Curve = tuple[Look, Sequence[int], Sequence[float]]
"""How a training is drawn, its steps and their losses."""


def make_panel(title: str, curves: Sequence[Curve]) -> Panel:
    """A panel with a curve for each training that has any losses."""
    parts = [
        f"{look.label}: {losses[0]:.2f} to {losses[-1]:.2f}" for look, _, losses in curves if losses
    ]
    alt = f"{title}. Training loss, first to last step. " + "; ".join(parts) + "."
    return Panel(title, alt, partial(_draw_losses, curves=curves))


def _draw_losses(axes: Axes, curves: Sequence[Curve]) -> None:
    for look, steps, losses in curves:
        if not steps:
            continue
        smooth = _moving_average(losses, max(1, len(losses) // 20))
        places = np.unique(np.linspace(0, len(steps) - 1, POINTS).astype(int))
        marks = max(1, len(places) // 6)
        axes.plot([steps[i] for i in places], smooth[places], markevery=marks, **look.style())
    axes.set_xlabel("optimiser step")
    axes.set_ylabel("loss")
    axes.set_ylim(0, max([max(losses) for _, _, losses in curves if losses], default=1) * 1.05)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _moving_average(losses: Sequence[float], window: int) -> np.ndarray:
    """Mean of each step and those before it, at most ``window`` of them."""
    total = np.cumsum([0.0, *losses])
    ends = np.arange(1, len(losses) + 1)
    starts = np.maximum(0, ends - window)
    mean: np.ndarray = (total[ends] - total[starts]) / (ends - starts)
    return mean
