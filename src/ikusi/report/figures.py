"""The four figures of a study: mixtures, text-only rows, unseen pictures, training.

The first two are the counterparts of figures 2 and 3 of arXiv 2511.09396.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from matplotlib.axes import Axes

from ikusi.compare import evidence
from ikusi.compare.evidence import Resampling
from ikusi.compare.reading import ALL, Study, to_percent
from ikusi.recipe import Run
from ikusi.recipe.folder import name_align_step
from ikusi.report import losses
from ikusi.report.drawing import (
    DASHES,
    FAINT,
    INK,
    LANGUAGES,
    MARKERS,
    OTHERS,
    Figure,
    Look,
    Panel,
)
from ikusi.report.seeds import describe_seeds, explain_seeds, mark_seeds

NUDGE = 1.3  # percent points by which points that share a place are set apart
CHANCE = Look("chance", FAINT, (0, (1, 1.6)), width=1.1)
MAJORITY = Look("most frequent answer", FAINT, (0, (5, 1.5, 1, 1.5)), width=1.1)


class Point(NamedTuple):
    """A score with its interval at a share of the target language, in percent; where there are
    several seeds, ``each`` has the score under every one."""

    share: int
    score: float
    low: float
    high: float
    each: tuple[float, ...] = ()


Curve = tuple[Look, Sequence[Point]]
Level = tuple[Look, float]


def draw_all(study: Study) -> list[Figure]:
    """The figures for which there is anything to draw."""
    made = (draw_mixtures(study), draw_text_only(study), draw_unseen(study), draw_training(study))
    return [figure for figure in made if figure and figure.panels]


def draw_mixtures(study: Study) -> Figure | None:
    """Score by share of the target language, in both languages (the paper's figure 2)."""
    looks: dict[str, Look] = {}
    rows = []
    for backbone in _list_measured(study):
        row = []
        for name in study.close_ended:
            curves = _language_curves(study, backbone, name)
            if not _any_points(curves):
                continue
            looks |= {look.label: look for look, points in curves if points}
            levels = list_guesses(study, name)
            looks |= {look.label: look for look, _ in levels}
            title = f"{study.benchmarks[name].title} · {backbone}"
            row.append(_shares_panel(study, title, curves, levels, find_top(study, name)))
        rows.append(row)
    rows = [row for row in rows if row]
    if not rows:
        return None
    return Figure(
        "figure2-mixtures",
        f"How much {study.target.name} is needed",
        f"Score by the share of instruction rows in {study.target.name}, asked in both languages. "
        f"Bars are 95 % intervals over pictures{explain_seeds(study)}. Thin lines: chance, and the "
        f"most frequent answer of each kind of question in {study.target.name}. Counterpart of "
        "figure 2 of the paper.",
        rows,
        list(looks.values()),
    )


def draw_text_only(study: Study) -> Figure | None:
    """Pictures and text alone, with and without text-only rows (the paper's figure 3)."""
    asked = [(name, ALL) for name in (*study.close_ended[:1], *study.text_only[:1])]
    asked += [(name, group) for name in study.text_only[:1] for group in _parts(study, name)]
    looks: dict[str, Look] = {}
    rows = []
    for backbone in _list_measured(study):
        row = []
        for name, group in asked:
            curves = _text_curves(study, backbone, name, group)
            if not _any_points(curves):
                continue
            levels = list_guesses(study, name, group) + _bare(study, backbone, name, group)
            looks |= {look.label: look for look, points in curves if points}
            looks |= {look.label: look for look, _ in levels}
            part = "" if group == ALL else f", {group}"
            title = f"{study.benchmarks[name].title}{part} · {backbone}"
            row.append(_shares_panel(study, title, curves, levels, find_top(study, name, group)))
        rows.append(row)
    rows = [row for row in rows if row]
    if not rows or not study.text_only:
        return None
    return Figure(
        "figure3-text-only",
        "What text-only rows add",
        f"Score in {study.target.name} about pictures (left) and on text alone, by the "
        f"share of instruction rows in {study.target.name}. Bars are 95 % intervals over "
        f"questions{explain_seeds(study)}. The level line is the backbone before it saw any "
        "picture. Counterpart of figure 3 of the paper.",
        rows,
        _order_looks(looks),
    )


def draw_unseen(study: Study) -> Figure | None:
    """Score by share for each way in which test pictures are new."""
    if len(study.groups) < 2 or not study.close_ended:
        return None
    text = min(study.recipe.grid.text_only)
    looks = [
        Look(f"unseen {group}", INK, DASHES[i % 4], MARKERS[i % 4])
        for i, group in enumerate(study.groups)
    ]
    drawn = {
        f"{pack.name} · {backbone}": [
            (replace(look, colour=colour), _pooled_points(study, backbone, text, pack.code, group))
            for group, look in zip(study.groups, looks, strict=True)
        ]
        for backbone in _list_measured(study)
        for pack, colour in zip(study.languages, LANGUAGES, strict=False)
    }
    drawn = {title: curves for title, curves in drawn.items() if _any_points(curves)}
    if not drawn:
        return None
    every = [point for curves in drawn.values() for _, points in curves for point in points]
    top = max(end for point in every for end in (point.high, *point.each))
    panels = [_shares_panel(study, title, curves, [], top) for title, curves in drawn.items()]
    rows = [panels[i : i + 2] for i in range(0, len(panels), 2)]
    looks += [
        Look(f"asked in {pack.name}", colour)
        for pack, colour in zip(study.languages, LANGUAGES, strict=False)
    ]
    return Figure(
        "figure4-unseen",
        "Which new pictures are hard",
        "Mean score over the close-ended benchmarks, apart for each way in which the test "
        f"pictures are new, {'with' if text else 'without'} text-only rows. Bars are 95 % "
        f"intervals over pictures{explain_seeds(study)}.",
        rows,
        looks,
    )


def draw_training(study: Study) -> Figure | None:
    """Loss of both stages as they trained."""
    looks: dict[str, Look] = {}
    panels = []
    steps = {
        name_align_step(one.name): f"align, {one.backbone}" for one in study.recipe.alignments()
    }
    labels = list(dict.fromkeys(steps.values()))
    curves = []
    for step, label in steps.items():
        look = Look(label, INK, DASHES[labels.index(label) % 4], None, width=1.3)
        curves.append((look, *study.losses(step)))
    if drawn := [look for look, steps_, _ in curves if steps_]:
        panels.append(losses.make_panel("Alignment", curves))
        looks |= {look.label: look for look in drawn}
    for backbone in study.recipe.grid.backbones:
        curves = [
            (_run_look(study, run), *study.losses(f"instruct/{run.name}"))
            for run in study.runs
            if run.backbone == backbone
        ]
        if drawn := [look for look, steps_, _ in curves if steps_]:
            panels.append(losses.make_panel(f"Instruction tuning · {backbone}", curves))
            looks |= {look.label: look for look in drawn}
    if not looks:
        return None
    caption = (
        "Training loss per supervised token, as a moving average over a twentieth of the steps."
    )
    return Figure("figure5-training", "Training", caption, [panels], list(looks.values()))


def _any_points(curves: Sequence[Curve]) -> bool:
    """Whether a panel of these would show anything."""
    return any(points for _, points in curves)


def _list_measured(study: Study) -> list[str]:
    return [
        name
        for name in study.recipe.grid.backbones
        if any(run.backbone == name and run.name in study.evaluations for run in study.runs)
    ]


def _parts(study: Study, name: str) -> list[str]:
    """The groups of a text-only benchmark, such as BertaQA's local and global questions."""
    for one in study.evaluations.values():
        if len(groups := one.groups(name, study.target.code)) > 1:
            return groups
    return []


def find_top(study: Study, name: str, group: str = ALL) -> float:
    """The highest end of an interval in any panel of a benchmark, so that all share a scale."""
    measured = [*study.evaluations.values(), *study.merged.values(), *study.backbones.values()]
    figures = [one.figures(name, pack.code, group) for one in measured for pack in study.languages]
    over_seeds = _list_highs(study, name, group) if study.several_seeds else []
    return max([*(max(each["high"], each["majority"]) for each in figures if each), *over_seeds])


def _list_highs(study: Study, name: str, group: str) -> list[float]:
    return [
        point.high
        for pack in study.languages
        for backbone in study.recipe.grid.backbones
        for text in study.recipe.grid.text_only
        for point in _points(study, backbone, text, name, pack.code, group)
    ]


def _language_curves(study: Study, backbone: str, name: str) -> list[Curve]:
    colours = tuple(zip(study.languages, LANGUAGES, ("s", "o"), strict=False))
    several = len(study.recipe.grid.text_only) > 1
    curves: list[Curve] = []
    for text in sorted(study.recipe.grid.text_only, reverse=True):
        for pack, colour, marker in colours:
            label = f"{pack.name}, {_with(text)}" if several else f"asked in {pack.name}"
            look = Look(label, colour, _dash(study, text), marker, hollow=several and not text)
            curves.append((look, _points(study, backbone, text, name, pack.code)))
    return curves


def _text_curves(study: Study, backbone: str, name: str, group: str) -> list[Curve]:
    several = len(study.recipe.grid.text_only) > 1
    return [
        (
            Look(_with(text), LANGUAGES[0], _dash(study, text), "s", hollow=several and not text),
            _points(study, backbone, text, name, study.target.code, group),
        )
        for text in sorted(study.recipe.grid.text_only, reverse=True)
    ]


def _with(text: bool) -> str:
    return f"{'with' if text else 'without'} text-only rows"


def _dash(study: Study, text: bool) -> str | tuple[int, tuple[float, ...]]:
    return "-" if text or len(study.recipe.grid.text_only) == 1 else (0, (4, 1.6))


def _points(
    study: Study, backbone: str, text: bool, name: str, code: str, group: str = ALL
) -> list[Point]:
    resampling, points = Resampling(study.recipe.bootstrap, study.recipe.seed), []
    for share in study.shares:
        trained = study.find_trained(backbone, share, text)
        if estimate := evidence.estimate_score(trained, name, code, resampling, group):
            each = evidence.score_by_seed(trained, name, code, group)
            points.append(Point(share, *estimate, each))
    return points


def _pooled_points(study: Study, backbone: str, text: bool, code: str, group: str) -> list[Point]:
    resampling = Resampling(study.recipe.bootstrap, study.recipe.seed)
    points = []
    for share in study.shares:
        if trained := study.find_trained(backbone, share, text):
            sample = evidence.measure_levels([trained], study.close_ended, code, group=group)
            mean = evidence.estimate_mean(sample, resampling)
            points.append(Point(share, *mean, sample.seed_means))
    return points


def list_guesses(study: Study, name: str, group: str = ALL) -> list[Level]:
    """Lines for chance and for the most frequent answer, in the target language."""
    for one in study.evaluations.values():
        if figures := one.figures(name, study.target.code, group):
            chance = [(CHANCE, figures["chance"])] if figures["chance"] else []
            return [*chance, (MAJORITY, figures["majority"])]
    return []


def _bare(study: Study, backbone: str, name: str, group: str) -> list[Level]:
    one = study.backbones.get(backbone)
    figures = one.figures(name, study.target.code, group) if one else None
    look = Look("the backbone before any picture", INK, "-", None, width=1.0)
    return [(look, figures["score"])] if figures else []


def _shares_panel(
    study: Study, title: str, curves: Sequence[Curve], levels: Sequence[Level], top: float
) -> Panel:
    alt = f"{title}. Score by share of {study.target.name}."
    label = f"instruction rows in {study.target.name}, %"
    return make_panel(title, alt, curves, levels, study.shares, label, top)


def make_panel(
    title: str,
    alt: str,
    curves: Sequence[Curve],
    levels: Sequence[Level],
    places: Sequence[int],
    label: str,
    top: float,
) -> Panel:
    """A panel of scores over hundredths of something.

    Args:
        alt: how its description in words begins.
        places: that are marked on the axis, which is called `label`.
        top: the highest score that any panel of its kind shows.
    """
    parts = [
        f"{look.label}: " + ", ".join(map(_describe_point, points))
        for look, points in curves
        if points
    ]
    parts += [f"{look.label}: {value:.2f}" for look, value in levels]
    draw = partial(draw_points, curves=curves, levels=levels, shares=places, label=label, top=top)
    return Panel(title, f"{alt} " + "; ".join(parts) + ".", draw)


def _describe_point(point: Point) -> str:
    return f"{point.score:.2f} at {point.share} %{describe_seeds(point.each)}"


def draw_points(
    axes: Axes,
    curves: Sequence[Curve],
    levels: Sequence[Level],
    shares: Sequence[int],
    label: str,
    top: float,
) -> None:
    """Draw curves with their intervals over shares or other hundredths, and level lines."""
    for look, value in levels:
        axes.axhline(value, color=look.colour, linestyle=look.dash, linewidth=look.width)
    drawn = [(look, points) for look, points in curves if points]
    for i, (look, points) in enumerate(drawn):
        shift = (i - (len(drawn) - 1) / 2) * NUDGE
        places = [point.share + shift for point in points]
        bars = [(p.low, p.high) for p in points]
        axes.vlines(places, *zip(*bars, strict=True), color=look.colour, linewidth=1.0)
        axes.plot(places, [point.score for point in points], clip_on=False, **look.style())
        each = [[(place, s) for s in p.each] for place, p in zip(places, points, strict=True)]
        mark_seeds(axes, each, look)
    axes.set_xticks(shares)
    axes.set_xlim(min(shares) - 6, max(shares) + 6)
    axes.set_ylim(0, min(1.02, max(0.2, top * 1.08)))
    axes.set_xlabel(label)
    axes.set_ylabel("score")


def _run_look(study: Study, run: Run) -> Look:
    place = study.shares.index(to_percent(run.ratio))
    label = f"{to_percent(run.ratio)} %"
    if len(study.recipe.grid.text_only) > 1:
        label += f", {_with(run.text_only)}"
    dash = _dash(study, run.text_only)
    hollow = dash != "-"
    return Look(label, OTHERS[place % 4], dash, MARKERS[place % 4], hollow, width=1.1)


def _order_looks(looks: Mapping[str, Look]) -> list[Look]:
    """Curves first, level lines last."""
    return sorted(looks.values(), key=lambda look: look.marker is None)
