"""The figures of a study, apart from the page they stand on."""

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure as Canvas
from PIL import Image

from compare.studies import Folder, even
from ikusi.compare.reading import Study
from ikusi.report import drawing, figures
from ikusi.report.drawing import BLUE, VERMILION, Panel

TEXT = ["grid.backbones=[english]", "benchmarks=[miniature/aokvqa,{}]"]


def drawn(path: Path, text_only: str) -> list[str]:
    overrides = [one.format(text_only) for one in TEXT]
    Folder(path, overrides, pictures=8).measure(even)
    found = figures.draw_text_only(Study(path))
    assert found is not None
    return [panel.title for panel in found.panels]


@pytest.mark.slow
def test_groups_of_a_text_only_benchmark_are_shown_beside_the_whole(tmp_path: Path) -> None:
    titles = drawn(tmp_path, "bertaqa")
    assert [title.partition(" ·")[0] for title in titles[1:]] == [
        "BertaQA",
        "BertaQA, global",
        "BertaQA, local",
    ]


@pytest.mark.slow
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


@pytest.fixture(scope="module")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> Study:
    made = Folder(tmp_path_factory.mktemp("study"), ["grid.backbones=[english]"], pictures=9)
    made.measure(even)
    for step in ("align/english", "instruct/english-eu020"):
        (made.path / step).mkdir(parents=True)
        lines = [json.dumps({"step": n, "loss": 3 - n / 5}) for n in range(10)]
        (made.path / step / "metrics.jsonl").write_text("\n".join(lines))
    return Study(made.path)


@pytest.mark.slow
def test_a_language_has_one_colour_in_every_figure(grouped: Study) -> None:
    target, source = VERMILION, BLUE
    by_name = {figure.name: figure for figure in figures.draw_all(grouped)}
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


@pytest.mark.slow
def test_what_is_drawn_are_the_scores_with_their_intervals(grouped: Study) -> None:
    figure = figures.draw_mixtures(grouped)
    assert figure is not None
    panel = figure.panels[0]
    axes = axes_of(panel)
    scores = [line for line in axes.get_lines() if line.get_marker() not in ("", "None")]
    bars = [list(c.get_segments()) for c in axes.collections if isinstance(c, LineCollection)]
    drawn = {
        (
            tuple(np.round(np.asarray(line.get_ydata(), float), 6)),
            tuple(tuple(np.round(s[:, 1], 6)) for s in segments),
        )
        for line, segments in zip(scores, bars, strict=True)
    }
    name = grouped.close_ended[0]
    assert panel.title.startswith(grouped.benchmarks[name].title)
    expected = set()
    for text in grouped.recipe.grid.text_only:
        for pack in grouped.languages:
            runs = [grouped.find_trained("english", share, text) for share in grouped.shares]
            found = [run[0].figures(name, pack.code) for run in runs if run]
            known = [one for one in found if one]
            expected.add(
                (
                    tuple(round(one["score"], 6) for one in known),
                    tuple((round(one["low"], 6), round(one["high"], 6)) for one in known),
                )
            )
    assert drawn == expected


@pytest.mark.slow
def test_panels_without_anything_to_show_are_left_out(grouped: Study) -> None:
    training = figures.draw_training(grouped)
    assert training is not None
    assert [panel.title for panel in training.panels] == [
        "Alignment",
        "Instruction tuning · english",
    ]
    (grouped.folder.step("align/english") / "metrics.jsonl").unlink()
    training = figures.draw_training(Study(grouped.folder.root))
    assert training is not None
    assert [panel.title for panel in training.panels] == ["Instruction tuning · english"]


@pytest.mark.slow
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
    assert "$" not in drawing.to_svg(panel, "one")


def test_a_figure_in_a_file_is_on_white_and_one_in_a_page_on_the_pages_own_ground(
    tmp_path: Path,
) -> None:
    panel = drawing.Panel("one", "", lambda axes: None)
    svg, png = drawing.write(drawing.Figure("one", "", "", [[panel]], []), tmp_path)
    with Image.open(png) as image:
        assert image.convert("RGBA").getpixel((0, 0)) == (255, 255, 255, 255)
    assert "fill: #ffffff" in svg.read_text("utf-8")
    assert "fill: #ffffff" not in drawing.to_svg(panel, "one")
