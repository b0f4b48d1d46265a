"""Losses and gains of models against what they were made from: before and after, paired.

A bare backbone takes the benchmarks without pictures before it learns to see; its runs, and the
models merged of them, take the same afterwards.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

from matplotlib.axes import Axes

from ikusi.compare import evidence
from ikusi.compare.evidence import Resampling
from ikusi.compare.reading import Study, Trained
from ikusi.language import LanguagePack
from ikusi.report.drawing import FAINT, LANGUAGES, Figure, Look, Panel
from ikusi.report.seeds import describe_seeds, explain_seeds, mark_seeds
from ikusi.report.tables import Cell, Table
from ikusi.statistics import Interval

APART = 0.14  # between the languages of a model, in lines
LINE, AROUND = 0.3, 1.0  # inches that a model takes, and all else


class Change(NamedTuple):
    """A model against the backbone that it was made from, in one language.

    Attributes:
        before, after: mean score over the benchmarks.
        difference: after minus before, with its 95 % interval over pictures, or rows without any.
        questions: how many both were asked.
        each: the difference under every seed, where there are several.
    """

    model: str
    backbone: str
    pack: LanguagePack
    benchmarks: Sequence[str]
    before: float
    after: float
    difference: Interval
    questions: int
    each: tuple[float, ...] = ()


def measure_changes(study: Study) -> list[Change]:
    """Every measured model against its backbone, the source language first."""
    resampling = Resampling(study.recipe.bootstrap, study.recipe.seed)
    changes = []
    for pack in reversed(study.languages):
        for model, backbone, one in _list_models(study):
            bare = study.backbones[backbone]
            names = [name for name in study.benchmarks if bare.figures(name, pack.code)]
            if not names:
                continue
            before_it: Trained = {None: bare}
            gaps = evidence.measure_gaps([(one, before_it)], names, pack.code)
            both = (before_it, one)
            scores = [evidence.measure_levels([each], names, pack.code) for each in both]
            before, after = (float(sample.values.mean()) for sample in scores)
            difference = evidence.estimate_mean(gaps, resampling)
            asked = len(gaps.clusters)
            measured = (before, after, difference, asked, gaps.seed_means)
            changes.append(Change(model, backbone, pack, names, *measured))
    return changes


def _list_models(study: Study) -> Iterator[tuple[str, str, Trained]]:
    """Models of the grid, over their seeds, and merged ones whose backbone is measured: name,
    backbone, evaluations."""
    backbones = {name: run.backbone for run in study.runs for name in (run.name, run.model)}
    measured = [(name, name, trained) for name, trained in study.models.items()]
    measured += [
        (one.name, one.run, {None: study.merged[one.name]})
        for one in study.recipe.list_merged()
        if one.name in study.merged
    ]
    for name, run, one in measured:
        if backbones[run] in study.backbones:
            yield name, backbones[run], one


def tabulate_forgetting(study: Study) -> Table:
    """The changes as a table."""
    rows: list[list[Cell]] = [
        [
            *(one.model, one.backbone, one.pack.code, " ".join(one.benchmarks)),
            *(one.before, one.after, *one.difference, one.questions),
        ]
        for one in measure_changes(study)
    ]
    columns = ["model", "backbone", "language", "benchmarks", "before", "after"]
    columns += ["difference", "low", "high", "questions"]
    caption = "What each model lost or gained against its backbone, before any training on pictures"
    return Table("forgetting", caption, columns, rows)


def draw_forgetting(study: Study) -> Iterator[Figure]:
    """The changes as a figure: a line for each model, a point for each language."""
    changes = measure_changes(study)
    if not changes:
        return
    models = list(dict.fromkeys(one.model for one in changes))
    looks = {
        pack.code: Look(f"asked in {pack.name}", colour, "", marker)
        for pack, colour, marker in zip(study.languages, LANGUAGES, ("s", "o"), strict=False)
    }
    titles = list(dict.fromkeys(name for one in changes for name in one.benchmarks))
    title = ", ".join(study.benchmarks[name].title for name in titles)
    parts = [
        f"{one.model}, {one.pack.name}: {one.difference.mean:+.2f} "
        f"[{one.difference.low:+.2f}, {one.difference.high:+.2f}]"
        f"{describe_seeds(one.each, '{:+.2f}'.format)}"
        for one in changes
    ]
    draw = partial(_draw, changes=changes, models=models, looks=looks)
    size = (6.5, AROUND + LINE * len(models))
    yield Figure(
        "forgetting",
        f"What is lost in {study.source.name}, and in {study.target.name}",
        f"Score on {title} minus that of the backbone before any training on pictures: left of the "
        "line is lost. Bars are 95 % intervals over the questions"
        f"{explain_seeds(study)}.",
        [
            [
                Panel(
                    title,
                    f"{title}. Score after minus before. " + "; ".join(parts) + ".",
                    draw,
                    size,
                    "x",
                )
            ]
        ],
        list(looks.values()),
    )


def _draw(
    axes: Axes, *, changes: Sequence[Change], models: Sequence[str], looks: dict[str, Look]
) -> None:
    axes.axvline(0.0, color=FAINT, linewidth=1.1)
    for i, (code, look) in enumerate(looks.items()):
        own = [one for one in changes if one.pack.code == code]
        places = [models.index(one.model) + APART * (i - (len(looks) - 1) / 2) for one in own]
        lows, highs = [one.difference.low for one in own], [one.difference.high for one in own]
        axes.hlines(places, lows, highs, color=look.colour, linewidth=1.2)
        axes.plot([one.difference.mean for one in own], places, **look.style())
        each = [[(s, place) for s in one.each] for place, one in zip(places, own, strict=True)]
        mark_seeds(axes, each, look)
    axes.set_yticks(range(len(models)), models)
    axes.set_ylim(len(models) - 0.4, -0.6)
    axes.set_xlabel("score after minus score before")
