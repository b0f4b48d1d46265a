"""The report on a study whose models were trained under several seeds."""

import csv
from pathlib import Path

import numpy as np
import pytest

from compare.studies import Folder
from ikusi.compare.reading import Study
from ikusi.recipe import Run
from ikusi.report import figures, gallery, page

SEEDS = [
    "grid.backbones=[english]",
    "grid.ratios=[0.2,0.8]",
    "grid.text_only=[false]",
    "benchmarks=[miniature/aokvqa]",
    "grid.seeds=[0,1,2]",
]


def by_seed(run: Run | None, bench: str, code: str) -> float:
    assert run is not None
    return 0.5 + run.seed / 10 + run.ratio / 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Folder(tmp_path_factory.mktemp("seeds"), SEEDS, pictures=40)
    made.measure(by_seed)
    made.draw()
    page.write(made.path, made.path / "report")
    return made.path


def read(folder: Path, table: str) -> list[dict[str, str]]:
    with (folder / "report/tables" / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_the_page_says_how_much_is_the_seed_and_no_longer_that_nobody_knows(folder: Path) -> None:
    text = (folder / "report/index.html").read_text(encoding="utf-8")
    assert "Each model was trained under 3 seeds (0, 1, 2)" in text and "trained once" not in text
    assert "3 seeds, which are" in text and "of its variance" in text
    assert "How much is the seed" in text
    # A line for each model and language, not for each of its trainings.
    assert 'row">english-eu020</th>' in text and 'row">english-eu020-seed1</th>' not in text


@pytest.mark.slow
def test_tables_have_every_seed_and_what_it_makes_of_a_mean(folder: Path) -> None:
    runs = {(row["run"], row["seed"]) for row in read(folder, "scores")}
    assert ("english-eu020", "0") in runs and ("english-eu020-seed2", "2") in runs
    over = {(row["model"], row["language"]): row for row in read(folder, "seeds")}
    row = over["english-eu020", "eu"]
    scores = [
        float(one["score"])
        for one in read(folder, "scores")
        if one["target_share"] == "20" and one["language"] == "eu" and one["unseen"] == "all"
    ]
    assert (int(row["seeds"]), len(scores)) == (3, 3)
    assert float(row["score"]) == pytest.approx(sum(scores) / 3)
    assert (float(row["lowest"]), float(row["highest"])) == (min(scores), max(scores))
    assert 0.05 < float(row["seed_deviation"]) < 0.15 and 0.5 < float(row["seed_share"]) <= 1
    assert float(row["low"]) < min(scores)
    short = read(folder, "in-short")[0]
    assert (short["runs"], short["seeds"]) == ("3", "3")
    assert float(short["eu_seed_share"]) == pytest.approx(float(row["seed_share"]))
    decided = [one for one in read(folder, "comparisons") if one["finding"] == "1"]
    assert decided[0]["seeds"] == "3" and float(decided[0]["seed_share"]) <= 1


@pytest.mark.slow
def test_pictures_are_shown_with_the_answers_of_one_seed(folder: Path) -> None:
    shown = gallery.choose_exhibits(Study(folder))
    assert shown
    runs = {answer.run for exhibit in shown for answer in exhibit.asked[0].answers}
    assert runs == {"english-eu020", "english-eu080"}


@pytest.mark.slow
def test_figures_show_every_seed_beside_the_mean(folder: Path) -> None:
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure as Canvas

    drawn = figures.draw_mixtures(Study(folder))
    assert drawn and "small rings are single seeds" in drawn.caption
    panel = drawn.panels[0]
    axes = Canvas().subplots()
    panel.draw(axes)
    points = [one for one in axes.collections if isinstance(one, PathCollection)]
    assert [np.shape(one.get_offsets()) for one in points] == [
        (6, 2),
        (6, 2),
    ]  # two shares, three seeds
    assert "by seed)" in panel.alt
    highest = max(float(row["high"]) for row in read(folder, "seeds"))
    assert axes.get_ylim()[1] >= highest


@pytest.mark.slow
@pytest.mark.parametrize("lora", ["null", "{}"])
def test_where_every_backbone_sees_already_the_page_needs_no_alignment(
    tmp_path: Path, lora: str
) -> None:
    seeing = ["backbones.seer.vlm=seer", "grid.backbones=[seer]", "vision=null"]
    seeing += ["stages.align=null", f"stages.instruct.lora={lora}"]
    made = Folder(tmp_path / "study", [*SEEDS[1:], *seeing], pictures=40)
    made.measure(by_seed)
    page.write(made.path, made.path / "report")
    text = (made.path / "report/index.html").read_text(encoding="utf-8")
    assert "Each model was trained under 3 seeds" in text
    assert ("and the adapters" in text) == (lora != "null")
