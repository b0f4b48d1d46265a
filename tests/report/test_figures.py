"""What the figures show of a study, apart from the page they stand on."""

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure as Canvas

from ikusi.recipe import Run
from ikusi.report import drawing, figures
from ikusi.report.drawing import BLUE, VERMILION, Panel
from ikusi.report.reading import ALL, Study
from report.studies import Folder, even

TEXT = ["grid.backbones=[english]", "benchmarks=[miniature/aokvqa,{}]"]


def drawn(path: Path, text_only: str) -> list[str]:
    overrides = [one.format(text_only) for one in TEXT]
    Folder(path, overrides, pictures=8).measure(even)
    found = figures.text_only(Study(path))
    assert found is not None
    return [panel.title for panel in found.panels]


def test_groups_of_a_text_only_benchmark_are_shown_beside_the_whole(tmp_path: Path) -> None:
    titles = drawn(tmp_path, "bertaqa")
    assert [title.partition(" ·")[0] for title in titles[1:]] == [
        "BertaQA",
        "BertaQA, global",
        "BertaQA, local",
    ]


def test_a_benchmark_of_one_group_is_shown_once(tmp_path: Path) -> None:
    assert len(drawn(tmp_path, "miniature/bertaqa")) == 2


def axes_of(panel: Panel) -> Axes:
    axes = Canvas().subplots()
    panel.draw(axes)
    return axes


def colours(panel: Panel) -> set[str]:
    """Colours of the lines that have markers: scores, not level lines."""
    lines = axes_of(panel).get_lines()
    return {str(line.get_color()) for line in lines if line.get_marker() not in ("", "None")}


def differing(run: Run | None, bench: str, code: str) -> float:
    """No two runs alike, nor what one reaches in two languages."""
    share, text = (run.ratio, run.text_only) if run else (0.5, False)
    return 0.35 + 0.3 * share + (0.15 if text else 0.0) + (0.1 if code == "en" else 0.0)


@pytest.fixture(scope="module")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> Study:
    made = Folder(tmp_path_factory.mktemp("study"), ["grid.backbones=[english]"], pictures=9)
    made.measure(differing)
    for step in ("align/english", "instruct/english-eu020"):
        (made.path / step).mkdir(parents=True)
        lines = [json.dumps({"step": n, "loss": 3 - n / 5}) for n in range(10)]
        (made.path / step / "metrics.jsonl").write_text("\n".join(lines))
    return Study(made.path)


def test_a_language_has_one_colour_in_every_figure(grouped: Study) -> None:
    target, source = VERMILION, BLUE
    by_name = {figure.name: figure for figure in figures.every(grouped)}
    assert list(by_name) == [
        "figure2-mixtures", "figure3-text-only", "figure4-unseen", "figure5-training",
    ]  # fmt: skip
    assert all(colours(p) == {target, source} for p in by_name["figure2-mixtures"].panels)
    assert all(colours(p) == {target} for p in by_name["figure3-text-only"].panels)
    unseen = {p.title: colours(p) for p in by_name["figure4-unseen"].panels}
    assert unseen == {"Basque · english": {target}, "English · english": {source}}
    assert not any(colours(p) & {target, source} for p in by_name["figure5-training"].panels)
    legend = {look.label: look.colour for look in by_name["figure4-unseen"].looks}
    assert legend["asked in Basque"] == target and legend["asked in English"] == source


def drawn_curves(panel: Panel) -> list[list[tuple[float, float, float]]]:
    """Each curve's scores with the ends of their intervals, as they stand on the axes."""
    axes = axes_of(panel)
    scores = [line for line in axes.get_lines() if line.get_marker() not in ("", "None")]
    bars = [list(c.get_segments()) for c in axes.collections if isinstance(c, LineCollection)]
    return [
        [
            (round(float(score), 6), round(segment[0, 1], 6), round(segment[1, 1], 6))
            for score, segment in zip(np.asarray(line.get_ydata()), segments, strict=True)
        ]
        for line, segments in zip(scores, bars, strict=True)
    ]


def measured(
    study: Study, text: bool, name: str, code: str, group: str = ALL
) -> list[tuple[float, float, float]]:
    """The same as the evaluations of the runs have it."""
    runs = [study.evaluation("english", share, text) for share in study.shares]
    found = [run.figures(name, code, group) for run in runs if run]
    return [
        (round(one["score"], 6), round(one["low"], 6), round(one["high"], 6))
        for one in found
        if one
    ]


def test_what_is_drawn_of_mixtures_are_the_scores_with_their_intervals(grouped: Study) -> None:
    figure = figures.mixtures(grouped)
    assert figure is not None
    for panel, name in zip(figure.panels, grouped.close_ended, strict=True):
        assert panel.title.startswith(grouped.benchmarks[name].title)
        assert drawn_curves(panel) == [
            measured(grouped, text, name, pack.code)
            for text in (True, False)
            for pack in grouped.languages
        ]


def test_what_is_drawn_of_text_only_rows_are_the_scores_with_their_intervals(
    grouped: Study,
) -> None:
    figure = figures.text_only(grouped)
    assert figure is not None
    (text,) = grouped.text_only
    shown = [(grouped.close_ended[0], ALL), (text, ALL)]
    for panel, (name, group) in zip(figure.panels, shown, strict=True):
        assert drawn_curves(panel) == [
            measured(grouped, with_text, name, grouped.target.code, group)
            for with_text in (True, False)
        ]


def test_what_is_drawn_of_unseen_pictures_are_means_over_the_benchmarks(grouped: Study) -> None:
    figure = figures.unseen(grouped)
    assert figure is not None
    for panel, pack in zip(figure.panels, grouped.languages, strict=True):
        curves = drawn_curves(panel)
        assert len(curves) == len(grouped.groups) > 1
        for curve, group in zip(curves, grouped.groups, strict=True):
            found = np.array(
                [measured(grouped, False, name, pack.code, group) for name in grouped.close_ended]
            )
            assert [point[0] for point in curve] == pytest.approx(found[:, :, 0].mean(0), abs=1e-5)
            assert all(low < score < high for score, low, high in curve)


def test_panels_without_anything_to_show_are_left_out(grouped: Study) -> None:
    training = figures.training(grouped)
    assert training is not None
    assert [panel.title for panel in training.panels] == [
        "Alignment",
        "Instruction tuning · english",
    ]
    (grouped.folder / "align/english/metrics.jsonl").unlink()
    training = figures.training(Study(grouped.folder))
    assert training is not None
    assert [panel.title for panel in training.panels] == ["Instruction tuning · english"]


def test_names_are_drawn_as_they_are_and_not_as_formulas(tmp_path: Path) -> None:
    name = r"$\frac{1$ _a [red]" + "\x1b[2J"

    def draw(axes: Axes) -> None:
        axes.set_yticks([0, 1], [name, "_b"])
        axes.set_xlabel("$x$")

    panel = drawing.Panel(name, "", draw)
    look = drawing.Look("_$c$", drawing.BLUE)
    figure = drawing.Figure("names", "", "", [[panel]], [look])
    svg, _ = drawing.write(figure, tmp_path)
    ElementTree.parse(svg)  # which no control character passes
    drawn = svg.read_text("utf-8")
    for text in (r"$\frac{1$ _a [red]", "_b", "$x$", "_$c$"):
        assert f"<!-- {text}" in drawn
    assert "$" not in drawing.inline(panel, "one")
