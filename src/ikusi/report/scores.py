"""One figure of some models' scores, drawn from what their evaluations return."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from matplotlib.axes import Axes

from ikusi import claim
from ikusi.errors import InputError
from ikusi.evaluate.results import ALL, Figures, Results
from ikusi.report import drawing
from ikusi.report.drawing import DASHES, FAINT, LANGUAGES, MARKERS, Figure, Look, Panel

KIND = "scores"
CHANCE = Look("chance", FAINT, DASHES[2], width=1.1)
GUESS = Look("most frequent answer", FAINT, DASHES[3], width=1.1)
APART = 0.12  # between languages at one model, in models


def draw_scores(models: Mapping[str, Results], output: Path | str, title: str) -> Path:
    """Draw each model's score on each benchmark, by language, with its 95 % interval.

    Args:
        models: label of a model -> what `evaluate_model` returned for it, in the order to draw.
        output: folder for `scores.png` and `scores.svg`.
        title: of the first benchmark's panel and those after it, before the benchmark's name.

    Returns:
        The PNG file.

    Raises:
        InputError: the models were measured on different benchmarks or languages, or on none.
    """
    measured = {
        label: {name: set(codes) for name, codes in r.items()} for label, r in models.items()
    }
    first = next(iter(measured.values()), {})
    if not first or any(other != first for other in measured.values()):
        raise InputError("models: expected all on the same benchmarks and languages, found others")
    results = next(iter(models.values()))
    codes = list(dict.fromkeys(code for name in results for code in results[name]))
    looks = {
        code: Look(code, LANGUAGES[i % 4], DASHES[0], MARKERS[i % 4])
        for i, code in enumerate(codes)
    }
    panels = [_panel(name, title, models, looks) for name in results]
    figure = Figure(
        "scores", title, "", [[panel] for panel in panels], [*looks.values(), CHANCE, GUESS]
    )
    with claim.claim_folder(Path(output), KIND) as place:
        return drawing.write(figure, place)[1]


def _panel(
    name: str, title: str, models: Mapping[str, Results], looks: Mapping[str, Look]
) -> Panel:
    values = [
        f"{label} {code} {figures['score']:.3f} [{figures['low']:.3f}, {figures['high']:.3f}]"
        for label, results in models.items()
        for code in looks
        if (figures := results[name][code][ALL])["score"] is not None
    ]
    draw = partial(_draw, name=name, models=models, looks=looks)
    return Panel(f"{title}: {name}", "; ".join(values), draw, (6, 3.2))


def _draw(
    axes: Axes, *, name: str, models: Mapping[str, Results], looks: Mapping[str, Look]
) -> None:
    labels = list(models)
    for i, (code, look) in enumerate(looks.items()):
        figures = [models[label][name][code][ALL] for label in labels]
        places = [place + APART * (i - (len(looks) - 1) / 2) for place in range(len(labels))]
        _draw_line(axes, places, figures, look)
        _draw_levels(axes, CHANCE, [f["chance"] for f in figures])
        _draw_levels(axes, GUESS, [f["majority"] for f in figures])
    axes.set_xticks(range(len(labels)), labels)
    axes.set_xlim(-0.4, len(labels) - 0.6)
    axes.set_ylim(0, 1)
    axes.set_ylabel("score")


def _draw_line(axes: Axes, places: Sequence[float], figures: Sequence[Figures], look: Look) -> None:
    """A language's scores from model to model; a score that was not computed leaves a gap."""
    scores = [_or_gap(f["score"]) for f in figures]
    lows, highs = [_or_gap(f["low"]) for f in figures], [_or_gap(f["high"]) for f in figures]
    axes.plot(places, scores, clip_on=False, **look.style())
    axes.vlines(places, lows, highs, color=look.colour, linewidth=1.2)


def _draw_levels(axes: Axes, look: Look, levels: Sequence[float | None]) -> None:
    for level in dict.fromkeys(levels):
        if level is not None:
            axes.axhline(level, **look.style())


def _or_gap(value: float | None) -> float:
    return math.nan if value is None else value
