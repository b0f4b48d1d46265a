"""Merged models stand in tables and figures; so does what every model lost since its backbone."""

from pathlib import Path

import pytest

from compare.studies import Folder
from ikusi.compare.reading import Study
from ikusi.recipe import Merged, Run
from ikusi.report import drawing, forgetting, merged, tables
from ikusi.report.figures import Point

CHANGES = [
    "grid.backbones=[english]",
    "grid.ratios=[0,0.2]",
    "grid.text_only=[false]",
    "benchmarks=[miniature/vqa,miniature/bertaqa]",
    "merges.basque={run: english-eu000, plus: adapted, minus: english, weights: [1,0.5]}",
]
BASE, BARE, TWENTY = 0.3, 0.8, 0.7


def skill(run: Run | None, bench: str, code: str) -> float:
    return BARE if run is None else BASE if run.ratio == 0 else TWENTY


def strength(made: Merged, bench: str, code: str) -> float:
    return BASE + 0.4 * made.weight


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    made = Folder(tmp_path_factory.mktemp("study"), CHANGES, pictures=40)
    made.faithful = 0.75
    made.measure(skill, merged=strength)
    return Study(made.path)


def test_a_merged_model_stands_beside_the_runs(study: Study) -> None:
    table = tables.tabulate_scores(study)
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    found = {
        (row["run"], row["merge"], row["weight"]): row["score"]
        for row in rows
        if (row["benchmark"], row["language"], row["unseen"]) == ("miniature/vqa", "eu", "all")
    }
    assert found.keys() == {
        ("english-eu000", None, None),
        ("english-eu020", None, None),
        ("english-eu000-basque100", "basque", 1.0),
        ("english-eu000-basque050", "basque", 0.5),
    }
    assert found["english-eu000-basque100", "basque", 1.0] == pytest.approx(0.7, abs=0.1)
    (board,) = (one for one in tables.make_boards(study) if one.generated)
    assert [line[0] for line in board.lines if line[1] == "eu"] == [name for name, _, _ in found]


def test_beside_generated_scores_stands_how_many_answers_are_in_the_language(study: Study) -> None:
    generated, chosen = tables.make_boards(study)
    assert {line[1]: line[3] for line in generated.lines} == {
        "eu": tables.Fidelity(0.75, 120),
        "en": tables.Fidelity(1.0, 120),
    }
    assert {line[3] for line in chosen.lines} == {None}
    assert (generated.generated, chosen.generated) == (True, False)
    table = tables.tabulate_scores(study)
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert {
        (r["benchmark"], r["language"], r["fidelity"]) for r in rows if r["unseen"] == "all"
    } == {
        ("miniature/vqa", "eu", 0.75),
        ("miniature/vqa", "en", 1.0),
        ("miniature/bertaqa", "eu", None),
        ("miniature/bertaqa", "en", None),
    }


def test_the_figure_shows_each_weight_with_its_interval(study: Study) -> None:
    (figure,) = merged.draw_merges(study)
    assert len(figure.panels) == 2 and "adapted" in figure.title
    labels = [look.label for look in figure.looks]
    assert "trained on 20 % Basque, asked in it" in labels
    shown = figure.panels[0].draw.keywords  # type: ignore[attr-defined]
    assert shown["shares"] == [0, 50, 100]
    basque, english = (points for _, points in shown["curves"])
    scored = study.list_strengths("basque")
    for points, code in ((basque, "eu"), (english, "en")):
        wanted = [(weight, one.figures("miniature/vqa", code)) for weight, one in scored]
        assert points == [
            Point(round(100 * weight), of["score"], of["low"], of["high"])
            for weight, of in wanted
            if of
        ]
    twenty = study.evaluations["english-eu020"].figures("miniature/vqa", "eu")
    assert twenty and twenty["score"] in [value for _, value in shown["levels"]]


def test_what_was_lost_since_the_backbone_is_paired_row_by_row(study: Study) -> None:
    table = forgetting.tabulate_forgetting(study)
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert [(row["model"], row["language"]) for row in rows][:4] == [
        (name, "en")
        for name in (
            "english-eu000",
            "english-eu020",
            "english-eu000-basque100",
            "english-eu000-basque050",
        )
    ]
    for row in rows:
        one = study.evaluations.get(str(row["model"])) or study.merged[str(row["model"])]
        scores = [
            found.figures("miniature/bertaqa", str(row["language"]))
            for found in (study.backbones["english"], one)
        ]
        before, after = (of["score"] for of in scores if of)
        assert (row["before"], row["after"]) == pytest.approx((before, after))
        assert row["difference"] == pytest.approx(after - before)
        assert row["low"] <= row["difference"] <= row["high"] < 0  # type: ignore[operator]
        assert row["questions"] == 120
    (figure,) = forgetting.draw_forgetting(study)
    assert "english-eu000, English: -0.5" in figure.panels[0].alt
    assert "seed" not in figure.panels[0].alt + figure.caption
    assert drawing.to_svg(figure.panels[0], "x").count("<svg") == 1


def test_without_merges_or_backbones_there_is_nothing_of_them(tmp_path: Path) -> None:
    made = Folder(tmp_path, [*CHANGES[:3], "benchmarks=[miniature/vqa]"], pictures=4)
    made.measure(skill)
    study = Study(made.path)
    assert not list(merged.draw_merges(study)) and not list(forgetting.draw_forgetting(study))
    assert not forgetting.tabulate_forgetting(study).rows
