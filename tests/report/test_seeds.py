"""The report on a study whose models were trained under several seeds."""

import csv
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure as Canvas

from compare.studies import Folder
from ikusi.compare.reading import Study
from ikusi.recipe import Run
from ikusi.report import figures, forgetting, gallery, page, read_before
from ikusi.report.drawing import BLUE, Look, Panel
from ikusi.report.seeds import mark_seeds

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


def draw(panel: Panel) -> tuple[Axes, list[list[tuple[float, float]]]]:
    """A panel's axes, and the places of the rings in it, those of a curve together."""
    axes = Canvas().subplots()
    panel.draw(axes)
    drawn = [one for one in axes.collections if isinstance(one, PathCollection)]
    return axes, [[(float(x), float(y)) for x, y in np.asarray(one.get_offsets())] for one in drawn]


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
    study = Study(folder)
    drawn = figures.draw_mixtures(study)
    assert drawn and "small rings are single seeds" in drawn.caption
    panel = drawn.panels[0]
    axes, rings = draw(panel)
    means = [line for line in axes.get_lines() if len(np.asarray(line.get_xdata())) == 2]
    for code, own, line in zip(("eu", "en"), rings, means[-2:], strict=True):
        two = np.asarray(line.get_xdata())  # a place for each share
        assert [x for x, _ in own] == pytest.approx([*[two[0]] * 3, *[two[1]] * 3])
        scores = [one.figures("miniature/aokvqa", code) for one in study.evaluations.values()]
        assert sorted(y for _, y in own) == sorted(one["score"] for one in scores if one)
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


@pytest.fixture(scope="module")
def dial(tmp_path_factory: pytest.TempPathFactory) -> Study:
    changes = ["benchmarks=[miniature/aokvqa,miniature/capqa,miniature/bertaqa]"]
    changes += ["grid.ratios=[0.8]", "grid.seeds=[0,1,2,3,4]"]
    made = Folder(tmp_path_factory.mktemp("dial"), changes, "emoji-eu-dial", pictures=20)
    made.measure(lambda run, bench, code: 0.4 if run is None else 0.9 if run.seed == 4 else 0.3)
    return Study(made.path)


def list_scores(study: Study, model: str, benchmarks: list[str]) -> list[float]:
    """Under each seed, the mean over the benchmarks of the scores in Basque."""
    each = []
    for one in study.models[model].values():
        scores = [figures["score"] for name in benchmarks if (figures := one.figures(name, "eu"))]
        assert len(scores) == len(benchmarks)
        each.append(float(np.mean(scores)))
    return each


@pytest.mark.slow
def test_a_dial_shows_every_seed_of_every_amount_read(dial: Study) -> None:
    (figure,) = read_before.draw_dial(dial)
    assert "over questions and seeds; small rings are single seeds." in figure.caption
    asked = [dial.close_ended, *([name] for name in [*dial.close_ended, *dial.text_only])]
    for panel, names in zip(figure.panels, asked, strict=True):
        axes, parts = draw(panel)
        rings = [ring for part in parts for ring in part]
        expected = [list_scores(dial, f"{b}-eu080", names) for b in dial.recipe.grid.backbones]
        assert [y for _, y in rings] == pytest.approx([s for each in expected for s in each])
        places = [x for x, _ in rings]
        assert places == [x for x in sorted(set(places)) for _ in range(5)]
        assert axes.get_ylim()[1] >= max(y for _, y in rings)  # of five, one may be off the bar
        assert f"({min(expected[0]):.2f} to {max(expected[0]):.2f} by seed)" in panel.alt


@pytest.mark.slow
def test_the_table_of_a_dial_says_between_which_scores_single_seeds_lie(dial: Study) -> None:
    (table,) = read_before.tabulate_dial(dial)
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    for row in rows:
        if row["target_share"] is None:  # the backbone itself was trained once
            assert row["lowest"] is row["highest"] is None
            continue
        names = dial.close_ended if row["benchmark"] == "mean" else [str(row["benchmark"])]
        each = list_scores(dial, f"{row['backbone']}-eu080", names)
        assert (row["lowest"], row["highest"]) == pytest.approx((min(each), max(each)))
    assert {row["target_share"] for row in rows} == {80, None}


@pytest.mark.slow
def test_what_is_forgotten_under_every_seed_is_shown(dial: Study) -> None:
    (figure,) = forgetting.draw_forgetting(dial)
    assert "over the questions and seeds; small rings are single seeds." in figure.caption
    _, (basque, english) = draw(figure.panels[0])
    for line, model in enumerate(dial.models):
        before = dial.backbones[model.removesuffix("-eu080")].figures("miniature/bertaqa", "eu")
        assert before
        expected = [s - before["score"] for s in list_scores(dial, model, ["miniature/bertaqa"])]
        own = basque[5 * line : 5 * line + 5]
        assert [x for x, _ in own] == pytest.approx(expected)
        assert {round(y) for _, y in own} == {line}
        words = f"({min(expected):+.2f} to {max(expected):+.2f} by seed)"
        assert words in figure.panels[0].alt
    assert len(english) == len(basque) == 5 * len(dial.models)


@pytest.mark.slow
def test_a_seed_far_from_the_mean_is_within_every_figure(dial: Study) -> None:
    figure = figures.draw_unseen(dial)
    assert figure
    for panel in figure.panels:
        axes, rings = draw(panel)
        assert axes.get_ylim()[1] >= max(y for own in rings for _, y in own)


def test_a_ring_has_the_colour_of_its_curve() -> None:
    axes = Canvas().subplots()
    mark_seeds(axes, [[(0, 0.1), (0, 0.2)], []], Look("asked in Basque", BLUE))
    (rings,) = axes.collections
    assert np.allclose(rings.get_edgecolor(), [to_rgba(BLUE)])
