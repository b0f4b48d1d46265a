"""The figure of what evaluations return: what is drawn is read back from the axes."""

from pathlib import Path
from typing import Any

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from ikusi.errors import InputError
from ikusi.report import drawing, scores
from ikusi.report.scores import draw_scores


def figures(score: float | None, low: float | None = None, high: float | None = None) -> Any:
    return {"score": score, "low": low, "high": high, "chance": 0.25, "majority": 0.3}


def results(eu: Any, en: Any) -> Any:
    return {"vqa": {"eu": {"all": eu}, "en": {"all": en}}}


MODELS = {
    "none": results(figures(0.1, 0.05, 0.2), figures(0.7, 0.6, 0.8)),
    "some": results(figures(0.5, 0.4, 0.55), figures(0.6, 0.5, 0.7)),
}


@pytest.fixture
def axes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Axes:
    drawn: list[drawing.Figure] = []
    write = drawing.write

    def keep(figure: drawing.Figure, folder: Path) -> list[Path]:
        drawn.append(figure)
        return write(figure, folder)

    monkeypatch.setattr(drawing, "write", keep)
    assert draw_scores(MODELS, tmp_path / "figure", "Questions").stat().st_size > 1000
    (panel,) = drawn[0].panels
    assert "some eu 0.500 [0.400, 0.550]" in panel.alt
    axes = Canvas().subplots()
    panel.draw(axes)
    return axes


@pytest.mark.slow
def test_every_score_stands_at_its_model_with_its_interval(axes: Axes) -> None:
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["none", "some"]
    lines: list[Any] = [line for line in axes.lines if line.get_marker() not in ("", "None")]
    assert [list(line.get_ydata()) for line in lines] == [[0.1, 0.5], [0.7, 0.6]]
    assert [[round(x) for x in line.get_xdata()] for line in lines] == [[0, 1], [0, 1]]
    bars: list[Any] = [
        [(segment[0][1], segment[1][1]) for segment in bar.get_segments()]  # type: ignore[attr-defined]
        for bar in axes.collections
    ]
    assert bars == [[(0.05, 0.2), (0.4, 0.55)], [(0.6, 0.8), (0.5, 0.7)]]


@pytest.mark.slow
def test_chance_and_the_most_frequent_answer_are_drawn(axes: Axes) -> None:
    levels: list[Any] = [line for line in axes.lines if line.get_marker() in ("", "None")]
    assert {line.get_ydata()[0] for line in levels} == {0.25, 0.3}


def test_models_measured_on_different_benchmarks_are_refused(tmp_path: Path) -> None:
    other = {"other": {"eu": {"all": figures(0.5)}}}
    for models in ({}, {**MODELS, "third": other}):
        with pytest.raises(InputError, match="same benchmarks"):
            draw_scores(models, tmp_path, "Questions")
    assert scores.CHANCE.label == "chance"
