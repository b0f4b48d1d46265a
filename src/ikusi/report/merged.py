"""A figure for each merge of a recipe: scores by how much of a difference was added to a run."""

from collections.abc import Iterator

from ikusi.compare.reading import ALL, Evaluation, Study, to_percent
from ikusi.recipe import Merge
from ikusi.recipe.merging import to_hundredths
from ikusi.report import figures
from ikusi.report.drawing import INK, LANGUAGES, Figure, Look, Panel
from ikusi.report.figures import Curve, Level, Point

ACROSS = 3  # panels beside each other


def draw_merges(study: Study) -> Iterator[Figure]:
    """Score by weight, in both languages; a figure for each merge that has a measured model."""
    for name, merge in study.recipe.merges.items():
        strengths = study.list_strengths(name)
        if not any(weight for weight, _ in strengths):
            continue
        looks: dict[str, Look] = {}
        panels = [
            _make_panel(study, merge, bench, strengths, looks)
            for bench in study.benchmarks
            if any(one.figures(bench, study.target.code) for _, one in strengths)
        ]
        yield Figure(
            f"merge-{name}",
            f"What adding {merge.plus} minus {merge.minus} does",
            f"Score of {merge.run} + weight × ({merge.plus} − {merge.minus}), asked in both "
            f"languages; at 0 the run itself. Added to {' and '.join(merge.parts)}, "
            f"{_describe_method(merge)}. Bars are 95 % bootstrap intervals over pictures.",
            [panels[i : i + ACROSS] for i in range(0, len(panels), ACROSS)],
            list(looks.values()),
        )


def _describe_method(merge: Merge) -> str:
    if merge.method == "linear":
        return "by plain addition"
    return f"by TIES, which keeps the largest {merge.density * 100:g} % of each change"


def _make_panel(
    study: Study,
    merge: Merge,
    bench: str,
    strengths: list[tuple[float, Evaluation]],
    looks: dict[str, Look],
) -> Panel:
    curves: list[Curve] = []
    for pack, colour, marker in zip(study.languages, LANGUAGES, ("s", "o"), strict=False):
        points = [
            Point(to_hundredths(weight), scored["score"], scored["low"], scored["high"])
            for weight, one in strengths
            if (scored := one.figures(bench, pack.code))
        ]
        curves.append((Look(f"asked in {pack.name}", colour, "-", marker), points))
    levels = [*figures.list_guesses(study, bench), *_find_trained(study, merge, bench)]
    looks |= {look.label: look for look, _ in [*curves, *levels]}
    title = study.benchmarks[bench].title
    return figures.make_panel(
        title,
        f"{title}. Score by the weight of the difference, in hundredths.",
        curves,
        levels,
        sorted({0, *(to_hundredths(weight) for weight, _ in strengths)}),
        "weight of the difference, hundredths",
        figures.find_top(study, bench),
    )


def _find_trained(study: Study, merge: Merge, bench: str) -> list[Level]:
    """The score of the same backbone trained on the lowest share of rows in the target language.

    It is drawn as a line; empty where no such run is measured.
    """
    base = next(run for run in study.runs if run.name == merge.run)
    rivals = [
        run
        for run in study.runs
        if run.ratio > base.ratio == 0
        and (run.aligned, run.text_only) == (base.aligned, base.text_only)
        and run.name in study.evaluations
    ]
    if not rivals:
        return []
    least = min(rivals, key=lambda run: run.ratio)
    scored = study.evaluations[least.name].figures(bench, study.target.code, ALL)
    label = f"trained on {to_percent(least.ratio)} % {study.target.name}, asked in it"
    return [(Look(label, INK, "-", None, width=1.0), scored["score"])] if scored else []
