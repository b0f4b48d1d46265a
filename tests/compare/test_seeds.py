"""Findings and scores of a study whose models were trained under several seeds."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure as Canvas

from compare.studies import Folder
from ikusi import artifact
from ikusi.compare import evidence, findings, runs
from ikusi.compare.evidence import Lacking, Resampling
from ikusi.compare.reading import Study
from ikusi.errors import InputError
from ikusi.publish import scores
from ikusi.publish.trained import Trained
from ikusi.recipe import Run
from ikusi.report import compare as view
from ikusi.report import compare_figure

SEEDS = [
    "grid.backbones=[english]",
    "grid.ratios=[0.2,0.8]",
    "grid.text_only=[false]",
    "benchmarks=[miniature/aokvqa]",
    "grid.seeds=[0,1,2]",
]
BENCH = "miniature/aokvqa"
NAMES = ("english-eu020", "english-eu080")
RESAMPLING = Resampling(500, 0)


def by_seed(run: Run | None, bench: str, code: str) -> float:
    """0.8 at 80 %, and at 20 % as much more or less as the seed decides: mean 0.7."""
    assert run is not None
    return 0.8 if run.ratio > 0.5 else {0: 0.6, 1: 0.7, 2: 0.8}[run.seed]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    made = Folder(tmp_path_factory.mktemp("seeds"), SEEDS, pictures=40)
    made.measure(by_seed)
    return Study(made.path)


def test_runs_with_the_same_seed_are_compared_and_intervals_hold_over_seeds(study: Study) -> None:
    finding = findings.examine(study)[0]
    part = finding.headline
    assert part and part.spread and part.spread.seeds == 3
    few, many = (study.find_trained("english", share, False) for share in (20, 80))
    scores = [[one.scores(BENCH, "eu") for one in trained.values()] for trained in (few, many)]
    gaps = [a.correct.mean() - b.correct.mean() for a, b in zip(*scores, strict=True) if a and b]
    assert part.difference.mean == pytest.approx(np.mean(gaps))
    assert part.spread.between == pytest.approx(np.var(gaps, ddof=1) / 3)
    assert part.spread.share > 0.9
    # Over pictures alone 20 % would be 0.1 behind for sure; three seeds do not say so.
    assert part.difference.high > 0.05 and finding.verdict == "inconclusive"
    assert (part.rows, part.pictures) == (120, 120)


def test_a_score_over_seeds_is_their_mean_and_under_one_that_of_its_results(study: Study) -> None:
    trained = study.find_trained("english", 20, False)
    assert list(trained) == [0, 1, 2]
    estimate = evidence.estimate_score(trained, BENCH, "eu", RESAMPLING)
    figures = [one.figures(BENCH, "eu") for one in trained.values()]
    scores = [one["score"] for one in figures if one]
    assert estimate and estimate.mean == pytest.approx(np.mean(scores))
    assert estimate.low < min(scores) and estimate.high > max(scores)
    assert evidence.score_by_seed(trained, BENCH, "eu") == tuple(scores)
    group = study.groups[0]
    parts = [one.figures(BENCH, "eu", group) for one in trained.values()]
    own = tuple(one["score"] for one in parts if one)
    assert evidence.score_by_seed(trained, BENCH, "eu", group) == own != tuple(scores)
    one = evidence.estimate_score({0: trained[0]}, BENCH, "eu", RESAMPLING)
    assert figures[0] and one == tuple(figures[0][key] for key in ("score", "low", "high"))
    assert evidence.estimate_score({}, BENCH, "eu", RESAMPLING) is None


def test_a_comparison_takes_the_seeds_that_all_its_runs_have(tmp_path: Path) -> None:
    made = Folder(tmp_path, SEEDS, pictures=40)
    names = ["english-eu020", "english-eu020-seed1", "english-eu080-seed1"]
    made.measure(by_seed, only=names)
    study = Study(tmp_path)
    few, many = (study.find_trained("english", share, False) for share in (20, 80))
    assert (list(few), list(many)) == ([0, 1], [1])
    assert list(evidence.lay_by_seed([few, many])) == [1]
    lined = evidence.lay_by_seed([few, {None: few[0]}])
    assert [[one.name for one in line] for line in lined.values()] == [
        ["english-eu020", "english-eu020"],
        ["english-eu020-seed1", "english-eu020"],
    ]
    part = findings.examine(study)[0].headline
    assert part and part.spread is None and part.difference.mean == pytest.approx(-0.1, abs=0.06)
    with pytest.raises(Lacking, match="under one and the same seed"):
        evidence.lay_by_seed([{0: few[0]}, many])
    assert list(study.models) == ["english-eu020", "english-eu080"]


def test_all_trainings_of_two_runs_are_compared_seed_by_seed(study: Study) -> None:
    baseline, run = (study.folder.root / "evaluate" / name for name in NAMES)
    plain = runs.compare([baseline, run], resamples=400)
    once = plain.cells[0]
    comparison = runs.compare([baseline, run], by_seed=True, resamples=400)
    cell = comparison.cells[0]
    few, many = (study.find_trained("english", share, False) for share in (20, 80))
    scores = [[one.scores(BENCH, "eu") for one in trained.values()] for trained in (few, many)]
    means = [np.mean([one.correct.mean() for one in line if one]) for line in scores]
    assert (cell.baseline.mean, cell.score.mean) == pytest.approx(means)
    assert cell.difference.mean == pytest.approx(means[1] - means[0])
    assert (cell.seeds, once.seeds, cell.n) == (3, 1, 120)
    # Of this one seed the difference is sure; of models trained so it is not.
    assert once.differs and not cell.differs and cell.difference.low < 0
    assert cell.seed_share and cell.seed_share > 0.9
    assert (cell.mcnemar, cell.detectable) == (None, None)
    text = " ".join(view.explain(comparison))
    assert "the mean over 3 trainings of each model" in text and "% is the seed" in text
    assert "McNemar" not in text and "Detectable" not in text  # neither is computed over seeds
    text = " ".join(view.explain(plain))
    assert "McNemar" in text and "Detectable" in text
    each = [b.correct.mean() - a.correct.mean() for a, b in zip(*scores, strict=True) if a and b]
    assert cell.each == pytest.approx(each)
    record = cell.record()
    assert (record["seeds"], record["seed_share"]) == (3, cell.seed_share)
    assert (record["lowest"], record["highest"]) == pytest.approx((min(each), max(each)))
    assert not {"seeds", "seed_share", "lowest", "highest"} & set(once.record())


def test_the_figure_of_a_comparison_shows_every_seed_and_then_no_band(study: Study) -> None:
    baseline, run = (study.folder.root / "evaluate" / name for name in NAMES)
    comparison = runs.compare([baseline, run], by_seed=True, resamples=400)
    figure = compare_figure.draw_figure(comparison)
    axes = Canvas().subplots()
    figure.panels[0].draw(axes)
    rings = [one for one in axes.collections if isinstance(one, PathCollection)]
    for cell, drawn in zip(comparison.cells, rings, strict=True):
        places = np.asarray(drawn.get_offsets())
        assert places[:, 0] == pytest.approx(cell.each) and len(set(places[:, 1])) == 1
        assert max(abs(places[:, 0])) <= axes.get_xlim()[1]
    assert "single seeds" in figure.caption and "band" not in figure.caption
    assert "by seed)" in figure.panels[0].alt and compare_figure.BAND not in figure.looks
    once = compare_figure.draw_figure(runs.compare([baseline, run], resamples=400))
    assert "seeds" not in once.caption and compare_figure.BAND in once.looks
    assert "by seed" not in once.panels[0].alt


def test_seeds_are_compared_only_where_both_have_the_same(study: Study, tmp_path: Path) -> None:
    baseline, run = (study.folder.root / "evaluate" / name for name in NAMES)
    with pytest.raises(InputError, match="expected the same seed as the baseline's"):
        runs.compare([baseline, Path(f"{run}-seed1")], by_seed=True)
    with pytest.raises(InputError, match="expected a run of a study, to find its other seeds"):
        runs.compare([baseline, shutil.copytree(run, tmp_path / "alone")], by_seed=True)


def test_a_card_says_of_which_seed_a_model_is_and_what_others_score(study: Study) -> None:
    with artifact.write_folder(study.folder.root / "instruct/english-eu020-seed1", fingerprint="1"):
        pass
    trained = Trained(study.folder.root / "instruct/english-eu020-seed1")
    text = scores.describe_seeds(trained)
    assert "one of 3 trainings that differ by their seed alone, that of seed 1" in text
    figures = [
        one.figures(BENCH, "eu") for one in study.find_trained("english", 20, False).values()
    ]
    each = [one["score"] for one in figures if one]
    assert f"| eu | 3 | {np.mean(each):.4f} |" in text
    assert f"| {min(each):.4f} | {max(each):.4f} |" in text
    assert text.count("| eu | 3 |") == 1, "of this model alone"
