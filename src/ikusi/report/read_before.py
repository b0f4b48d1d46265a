"""The figure of what a backbone had read before: scores by how much of it was in the language.

The paper compares two backbones (arXiv 2511.09396, section 5.3); a study with more has a curve.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from ikusi.compare import evidence
from ikusi.compare.claims import describe_condition, find_dial
from ikusi.compare.evidence import Resampling
from ikusi.compare.reading import Study, Trained
from ikusi.report import figures
from ikusi.report.drawing import DASHES, FAINT, INK, LANGUAGES, MARKERS, Figure, Look, Panel
from ikusi.report.figures import Level
from ikusi.report.seeds import describe_seeds, explain_seeds, mark_seeds
from ikusi.report.tables import Cell, Table

ACROSS = 3  # panels beside each other
MEAN = "mean"  # over the close-ended benchmarks
APART = 1.12  # by this factor stand curves apart that share a place
BEFORE = "before any picture"


class Score(NamedTuple):
    """The score of one model in the target language.

    Attributes:
        backbone: that it was made of.
        read: share of that one's text that was in the target language.
        share: of its instruction rows in that language, in percent; none of the bare backbone.
        benchmark: its name, or `MEAN`.
        each: the score under every seed, where there are several.
    """

    backbone: str
    read: float
    share: int | None
    benchmark: str
    score: float
    low: float
    high: float
    each: tuple[float, ...] = ()


def measure_dial(study: Study) -> list[Score]:
    """The scores that the figure draws; none where fewer than three amounts are measured."""
    scores = [score for name in _list_shown(study) for score in _measure(study, name)]
    return scores if len({score.read for score in scores}) > 2 else []


def tabulate_dial(study: Study) -> list[Table]:
    """The figure's scores as a table, where there is one."""
    caption = f"Scores by how much {study.target.name} a backbone had read, with 95 % intervals"
    columns = ["backbone", "read", "target_share", *Score._fields[3:-1]]
    rows: list[list[Cell]] = []
    for score in measure_dial(study):
        ends = [min(score.each), max(score.each)] if score.each else [None, None]
        rows.append([*score[:-1], *(ends if study.several_seeds else [])])
    columns += ["lowest", "highest"] if study.several_seeds else []
    return [Table("read-before", caption, columns, rows)] if rows else []


def draw_dial(study: Study) -> Iterator[Figure]:
    """Score by the share of the target language that a backbone had read, a curve for each share
    that its run has of it, where three or more amounts are measured."""
    scores = measure_dial(study)
    if not scores:
        return
    shares = sorted({one.share for one in scores if one.share is not None})
    looks: dict[int | None, Look] = {
        share: Look(
            f"{share} % of rows in {study.target.name}", LANGUAGES[0], DASHES[i % 4], MARKERS[i % 4]
        )
        for i, share in enumerate(shares)
    }
    looks[None] = Look(BEFORE, INK, "-", "D", hollow=True, width=1.1)
    shown = [name for name in _list_shown(study) if any(one.benchmark == name for one in scores)]
    places = sorted({one.read for one in scores})
    panels = [
        _panel(study, name, [one for one in scores if one.benchmark == name], looks, places)
        for name in shown
    ]
    drawn = {one.share for one in scores}
    levels = {look.label: look for name in shown for look, _ in _list_guesses(study, name)}
    yield Figure(
        "read-before",
        f"How much {study.target.name} the backbone had read",
        f"Score in {study.target.name} by the share of the backbone’s own text that was in it, "
        "on a logarithmic scale with 0 apart. A curve for each share of instruction rows in "
        f"{study.target.name}, {describe_condition(_with_text(study))}; on text alone also the "
        "backbone before it saw any picture. Bars are 95 % intervals over "
        f"questions{explain_seeds(study)}.",
        [panels[i : i + ACROSS] for i in range(0, len(panels), ACROSS)],
        [*(look for share, look in looks.items() if share in drawn), *levels.values()],
    )


def _with_text(study: Study) -> bool:
    """As finding 5 has it: with text-only rows where there are runs with such."""
    return max(study.recipe.grid.text_only)


def _list_shown(study: Study) -> list[str]:
    mean = [MEAN] if len(study.close_ended) > 1 else []
    return [*mean, *study.close_ended, *study.open_ended, *study.text_only]


def _measure(study: Study, name: str) -> Iterator[Score]:
    """The scores on one benchmark, or their mean over the close-ended ones."""
    resampling, code = Resampling(study.recipe.bootstrap, study.recipe.seed), study.target.code
    for backbone, read in find_dial(study).items():
        models: dict[int | None, Trained] = {
            share: study.find_trained(backbone, share, _with_text(study)) for share in study.shares
        }
        if name in study.text_only and backbone in study.backbones:
            models[None] = {None: study.backbones[backbone]}
        for share, trained in models.items():
            model = (backbone, read, share, name)
            if trained and name == MEAN:
                sample = evidence.measure_levels([trained], study.close_ended, code)
                yield Score(*model, *evidence.estimate_mean(sample, resampling), sample.seed_means)
            elif one := evidence.estimate_score(trained, name, code, resampling):
                yield Score(*model, *one, evidence.score_by_seed(trained, name, code))


def _list_guesses(study: Study, name: str) -> list[Level]:
    """Lines for chance and for the most frequent answer; of the mean, their means."""
    names = study.close_ended if name == MEAN else [name]
    levels: dict[Look, list[float]] = {figures.CHANCE: [], figures.MAJORITY: []}
    for one in names:
        given = dict(figures.list_guesses(study, one))
        for look, values in levels.items():
            values.append(given.get(look, 0.0))
    means = [(look, sum(values) / len(values)) for look, values in levels.items()]
    return [(look, mean) for look, mean in means if mean]


def _panel(
    study: Study,
    name: str,
    scores: Sequence[Score],
    looks: dict[int | None, Look],
    places: Sequence[float],
) -> Panel:
    title = "Mean of the close-ended" if name == MEAN else study.benchmarks[name].title
    curves = [
        (look, [one for one in scores if one.share == share]) for share, look in looks.items()
    ]
    curves = [(look, points) for look, points in curves if points]
    levels = _list_guesses(study, name)
    words = [f"{look.label}: " + ", ".join(map(_describe, points)) for look, points in curves]
    words += [f"{look.label}: {value:.2f}" for look, value in levels]
    alt = f"{title}. Score by how much {study.target.name} the backbone had read. "
    label = f"{study.target.name} in what the backbone had read, %"
    draw = partial(_draw, curves=curves, levels=levels, places=places, label=label)
    return Panel(title, alt + "; ".join(words) + ".", draw)


def _describe(score: Score) -> str:
    return f"{score.score:.2f} at {score.read * 100:g} %{describe_seeds(score.each)}"


def _draw(
    axes: Axes,
    *,
    curves: Sequence[tuple[Look, Sequence[Score]]],
    levels: Sequence[Level],
    places: Sequence[float],
    label: str,
) -> None:
    """Draw curves over amounts read; nothing stands a decade below the least, joined to none."""
    least = min(place for place in places if place)
    nothing = least / 10
    for look, value in levels:
        axes.axhline(value, color=look.colour, linestyle=look.dash, linewidth=look.width)
    for i, (look, points) in enumerate(curves):
        shift = APART ** (i - (len(curves) - 1) / 2)
        for some in ([p for p in points if not p.read], [p for p in points if p.read]):
            at = [(point.read or nothing) * shift for point in some]
            lows, highs = [point.low for point in some], [point.high for point in some]
            axes.vlines(at, lows, highs, color=look.colour, linewidth=1.0)
            axes.plot(at, [point.score for point in some], clip_on=False, **look.style())
            each = [[(place, s) for s in p.each] for place, p in zip(at, some, strict=True)]
            mark_seeds(axes, each, look)
    axes.set_xscale("log")
    if 0 in places:
        axes.axvline(least / 10**0.5, color=FAINT, linewidth=0.7)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks([place or nothing for place in places], [f"{p * 100:g}" for p in places])
    axes.set_xlim((nothing if 0 in places else least) / 2, max(places) * 2)
    ends = [end for _, points in curves for p in points for end in (p.high, *p.each)]
    axes.set_ylim(0, min(1.02, 1.08 * max([0.2, *ends, *(value for _, value in levels)])))
    axes.set_xlabel(label)
    axes.set_ylabel("score")
