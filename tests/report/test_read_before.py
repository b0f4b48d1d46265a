"""The figure and the words on the amount of the language that a backbone had read."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure as Canvas

from compare.studies import Folder
from ikusi.compare.reading import Study
from ikusi.recipe import Run
from ikusi.report import figures, page, read_before
from ikusi.report.drawing import Panel

SKILL = {"english": 0.3, "thousandth": 0.4, "hundredth": 0.5, "tenth": 0.6, "adapted": 0.7}
TWO = ["benchmarks=[miniature/aokvqa,miniature/bertaqa]"]
PLACES = [0.0001, 0.001, 0.01, 0.1, 0.8]  # nothing stands a decade below the least


def skill(run: Run | None, bench: str, code: str) -> float:
    return SKILL[run.backbone] + run.ratio / 8 if run else 0.5


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    made = Folder(tmp_path_factory.mktemp("study"), TWO, "emoji-eu-dial", pictures=20)
    made.measure(skill)
    return Study(made.path)


def axes_of(panel: Panel) -> Axes:
    axes = Canvas().subplots()
    panel.draw(axes)
    return axes


def read_curves(axes: Axes) -> list[dict[float, tuple[float, float, float]]]:
    """Place -> score, low and high of each curve, each drawn as its part at nothing and the rest;
    places as they would be without standing apart."""
    lines = [line for line in axes.get_lines() if line.get_marker() not in ("", "None")]
    bars = [c.get_segments() for c in axes.collections if isinstance(c, LineCollection)]
    drawn = []
    for line, segments in zip(lines, bars, strict=True):
        ends = [(float(segment[0, 1]), float(segment[1, 1])) for segment in segments]
        assert np.allclose([segment[0, 0] for segment in segments], line.get_xdata())
        at = [min(PLACES, key=lambda p: abs(np.log(p / x))) for x in np.asarray(line.get_xdata())]
        scores = map(float, np.asarray(line.get_ydata()))
        drawn.append({p: (s, *e) for p, s, e in zip(at, scores, ends, strict=True)})
    return [first | rest for first, rest in zip(drawn[::2], drawn[1::2], strict=True)]


@pytest.mark.slow
def test_what_is_drawn_are_the_scores_by_what_was_read(study: Study) -> None:
    (figure,) = read_before.draw_dial(study)
    assert [panel.title for panel in figure.panels] == ["Miniature A-OKVQA", "Miniature BertaQA"]
    for panel, name in zip(figure.panels, study.benchmarks, strict=True):
        axes = axes_of(panel)
        expected = []
        for share in (20, 80):
            curve = {}
            for place, backbone in zip(PLACES, SKILL, strict=True):
                one = study.find_trained(backbone, share, False)[0].figures(name, "eu")
                assert one is not None
                curve[place] = (one["score"], one["low"], one["high"])
            expected.append(curve)
        drawn = read_curves(axes)
        assert drawn[:2] == expected
        assert axes.get_xscale() == "log"
        assert [label.get_text() for label in axes.get_xticklabels()] == [
            "0", "0.1", "1", "10", "80",
        ]  # fmt: skip
        assert list(axes.get_xticks()) == PLACES
        bare = {
            p: study.backbones[b].figures(name, "eu") for p, b in zip(PLACES, SKILL, strict=True)
        }
        if name.endswith("bertaqa"):
            assert drawn[2:] == [
                {p: (f["score"], f["low"], f["high"]) for p, f in bare.items() if f}
            ]
        else:
            assert drawn[2:] == []
    assert [look.label for look in figure.looks][:3] == [
        "20 % of rows in Basque", "80 % of rows in Basque", "before any picture",
    ]  # fmt: skip


@pytest.mark.slow
def test_nothing_stands_apart_from_what_was_read_on_every_curve(study: Study) -> None:
    (figure,) = read_before.draw_dial(study)
    lines = [one for one in axes_of(figure.panels[0]).get_lines() if one.get_marker() != "None"]
    curves = [line for line in lines if line.get_marker()]
    places = [np.asarray(line.get_xdata(), float) for line in curves]
    assert [len(some) for some in places] == [1, 4, 1, 4]
    firsts = [float(some[0]) for some in places]
    assert firsts[0] < firsts[2] and firsts[1] < firsts[3]  # none hides another


def test_the_mean_is_drawn_first_where_there_are_several(tmp_path: Path) -> None:
    changes = ["benchmarks=[miniature/aokvqa,miniature/capqa]", "grid.ratios=[0.8]"]
    made = Folder(tmp_path, changes, "emoji-eu-dial", pictures=12)
    made.measure(lambda run, bench, code: 0.8 if bench.endswith("capqa") else 0.4)
    study = Study(tmp_path)
    (figure,) = read_before.draw_dial(study)
    mean, *each = map(read_curves, map(axes_of, figure.panels))
    assert figure.panels[0].title == "Mean of the close-ended"
    for panel in figure.panels:  # under one seed there is nothing to mark
        assert not [one for one in axes_of(panel).collections if isinstance(one, PathCollection)]
        assert "seed" not in panel.alt
    for place in PLACES:
        expected = np.mean([one[0][place][0] for one in each])
        assert mean[0][place][0] == pytest.approx(expected)


@pytest.mark.slow
def test_the_table_has_what_the_figure_shows(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "draw_all", lambda study: [])  # the others take seconds
    page.write(study.folder.root, tmp_path / "report")
    with (tmp_path / "report/tables/read-before.csv").open() as file:
        rows = list(csv.DictReader(file))
    (figure,) = read_before.draw_dial(study)
    assert (tmp_path / "report/figures/read-before.png").is_file()
    drawn = [
        (panel.title, score)
        for panel in figure.panels
        for curve in read_curves(axes_of(panel))
        for score, _, _ in curve.values()
    ]
    titles = {name: known.title for name, known in study.benchmarks.items()}
    assert sorted((titles[row["benchmark"]], float(row["score"])) for row in rows) == sorted(drawn)
    assert {row["backbone"]: float(row["read"]) for row in rows} == {
        "english": 0, "thousandth": 0.001, "hundredth": 0.01, "tenth": 0.1, "adapted": 0.8,
    }  # fmt: skip
    assert {row["target_share"] for row in rows} == {"20", "80", ""}
    assert "lowest" not in rows[0]
    assert "How much Basque the backbone had read" in (tmp_path / "report/index.html").read_text()


@pytest.mark.parametrize("backbones", ["[english, adapted]", "[adapted]"])
def test_fewer_than_three_amounts_are_no_curve(backbones: str, tmp_path: Path) -> None:
    changes = [f"grid.backbones={backbones}", "benchmarks=[miniature/aokvqa]"]
    Folder(tmp_path, changes, "emoji-eu-dial", pictures=4).measure(skill)
    assert list(read_before.draw_dial(Study(tmp_path))) == []
    assert read_before.tabulate_dial(Study(tmp_path)) == []


def test_what_is_not_measured_yet_makes_no_curve(tmp_path: Path) -> None:
    made = Folder(tmp_path, ["benchmarks=[miniature/aokvqa]"], "emoji-eu-dial", pictures=4)
    made.measure(skill, only=["english-eu020", "english-eu080", "adapted-eu080"])
    assert list(read_before.draw_dial(Study(tmp_path))) == []
    made.measure(skill, only=["tenth-eu080"])
    assert len(list(read_before.draw_dial(Study(tmp_path)))) == 1


@pytest.mark.slow
def test_backbones_may_be_measured_before_their_runs(tmp_path: Path) -> None:
    made = Folder(tmp_path, [*TWO, "grid.ratios=[0.8]"], "emoji-eu-dial", pictures=4)
    made.measure(skill)
    for name in list(SKILL)[1:]:
        shutil.rmtree(tmp_path / f"evaluate/{name}-eu080")
    (figure,) = read_before.draw_dial(Study(tmp_path))
    pictured, text = map(axes_of, figure.panels)
    assert list(pictured.get_xticks()) == list(text.get_xticks()) == PLACES
    assert len(pictured.get_lines()) < len(text.get_lines())
