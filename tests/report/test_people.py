"""The report on people and judges: tables, figure, pairs; simulated raters named in all of it."""

import csv
import re
import shutil
from pathlib import Path

import pytest

from compare.studies import Folder, even
from compare.test_people import ONE, OTHER, STUDY, agreeing
from ikusi.judgements import append
from ikusi.report import figures, page


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


def test_without_judgements_there_is_no_such_section(place: Path) -> None:
    for name in ("judged", "report"):
        shutil.rmtree(place / name, ignore_errors=True)
    html = page.write(place / "study", place / "report").read_text("utf-8")
    assert 'id="people"' not in html and "#people" not in html
