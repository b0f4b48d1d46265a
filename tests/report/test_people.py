"""The report on people and judges: tables, figure, pairs; simulated raters named in all of it."""

import csv
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure as Canvas

from compare.studies import Folder, even
from compare.test_people import ONE, OTHER, STUDY, agreeing, row, said
from ikusi.compare.reading import Study
from ikusi.judgements import append
from ikusi.judgements.figures import compute
from ikusi.report import figures, page, people


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    study = Folder(folder / "study", [*STUDY, f"judgements=[{folder / 'judged'}]"], pictures=4)
    study.measure(even)
    study.draw()
    return folder


@pytest.fixture(autouse=True)
def _without_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    """The figures of scores take most of the time, and others test them."""
    monkeypatch.setattr(figures, "draw_all", lambda study: [])


def reported(place: Path, kind: str) -> tuple[str, Path]:
    for name in ("judged", "report"):
        shutil.rmtree(place / name, ignore_errors=True)
    append(place / "judged", agreeing(12, 0.9, 0.6, kind))
    return page.write(place / "study", place / "report").read_text("utf-8"), place / "report"


@pytest.mark.slow
def test_the_report_has_tables_figure_and_pairs(place: Path) -> None:
    html, output = reported(place, "person")
    rows = list(csv.DictReader((output / "tables/preferences.csv").open(encoding="utf-8")))
    assert {row["kind"] for row in rows} == {"person", "model"}
    assert {row["n"] for row in rows} == {"12"}
    assert (output / "figures/wins-and-ties.svg").is_file()
    section = html[html.index('id="people"') : html.index('id="scores"')]
    assert "Wins and ties (the paper" in section and "SIMULATED" not in html
    pairs = re.findall(r'<article class="exhibit">(.*?)</article>', section, re.DOTALL)
    assert len(pairs) == 6
    assert all(f"<dt>{run}</dt>" in pair for pair in pairs for run in (ONE, OTHER))
    assert all("data:image/png;base64," in pair and "what is this &lt;" in pair for pair in pairs)
    assert all("people: " in pair and "judge models: " in pair for pair in pairs)
    said = {pair.split("people: ")[1].split(";")[0] for pair in pairs}
    assert said == {f"{ONE} is better", f"{OTHER} is better", "tie"}


@pytest.mark.slow
def test_the_figure_shows_each_share_within_its_interval_above_its_name(place: Path) -> None:
    reported(place, "person")
    heard = people.gather(Study(place / "study"))
    assert heard is not None and heard.figure is not None
    (panel,), axes = heard.figure.panels, Canvas().subplots()
    panel.draw(axes)
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert set(names) == {ONE, OTHER, "tie"} and names[1] == "tie"
    spans = [one for one in axes.collections if isinstance(one, LineCollection)]
    drawn = [
        [*np.asarray(span.get_segments()[0])[:, 1], *np.asarray(line.get_ydata())]
        for span, line in zip(spans, axes.lines, strict=True)
    ]
    counted = [one for one in compute(Study(place / "study").judgements).table_2 if not one.rater]
    shares = [one.shares[name] for one in counted for name in names]
    assert drawn == [[low, high, mean] for mean, low, high in shares]


def test_a_pair_says_where_a_judge_gave_no_verdict(place: Path) -> None:
    shutil.rmtree(place / "judged", ignore_errors=True)
    append(place / "judged", [said(row(0), "ane", ONE), said(row(0), "g", "invalid", kind="model")])
    heard = people.gather(Study(place / "study"))
    assert heard is not None
    (pair,) = heard.shown
    assert pair.verdicts == [("people", f"{ONE} is better"), ("judge models", "no verdict")]


@pytest.mark.slow
def test_simulated_raters_are_named_wherever_they_are(place: Path) -> None:
    html, output = reported(place, "simulated")
    section = html[html.index('id="people"') : html.index('id="scores"')]
    assert "People and judges (with SIMULATED raters)" in section
    assert "Some pairs of answers (with SIMULATED raters)" in section
    assert section.count("SIMULATED raters: ") >= 6
    figure = html[html.index("Which answers are preferred") : html.index('id="people"')]
    assert "</svg> SIMULATED raters</li>" in figure
    for caption in re.findall(r"<caption>(.*?)</caption>", section):
        assert "SIMULATED" in caption or "Judges by themselves" in caption
    assert "simulated" in (output / "tables/preferences.csv").read_text("utf-8")


@pytest.mark.slow
def test_without_judgements_there_is_no_such_section(place: Path) -> None:
    for name in ("judged", "report"):
        shutil.rmtree(place / name, ignore_errors=True)
    html = page.write(place / "study", place / "report").read_text("utf-8")
    assert 'id="people"' not in html and "#people" not in html
