"""Findings that people and judges decide: each comes out every way, none by simulated raters."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from compare.studies import UNSEEN, Folder, even
from ikusi.compare import findings, people
from ikusi.compare.findings import Finding, Verdict
from ikusi.compare.reading import Study
from ikusi.errors import InputError
from ikusi.judgements import Judgement, append
from ikusi.judgements.sheets import keep_latest, lay_out_sheets
from ikusi.statistics.agreement import MISSING
from ikusi.statistics.kappas import compare_kappas
from judgements import samples

ONE, OTHER = "english-eu080-text", "adapted-eu080-text"
WINNERS = (ONE, "tie", OTHER)
PEOPLE = ("ane", "jon", "miren", "peru")
STUDY = ["grid.ratios=[0.8]", "benchmarks=[miniature/aokvqa,miniature/wildvision]"]


def said(id: str, rater: str, winner: str, swapped: bool = False, **more: Any) -> Judgement:
    """`winner` is a run, or a verdict."""
    left, right = (OTHER, ONE) if swapped else (ONE, OTHER)
    verdict = {left: "A", right: "B"}.get(winner, winner)
    about: dict[str, Any] = {"benchmark": "miniature/wildvision", "left": left, "right": right}
    return samples.compared(id, rater, verdict, **about | more)


def row(number: int) -> str:
    """A row of the study's benchmarks, as long as there are so many."""
    return f"{UNSEEN[number % 3]}-{number:05d}"


def preferring(wins: int, ties: int, losses: int, **more: Any) -> list[Judgement]:
    winners = [ONE] * wins + ["tie"] * ties + [OTHER] * losses
    return [
        said(row(n), PEOPLE[n % 4], winner, n % 2 == 0, **more) for n, winner in enumerate(winners)
    ]


def agreeing(
    items: int, people: float, judge: float, kind: str = "person", seed: int = 0
) -> list[Judgement]:
    """People and a judge who say what is true as often as this, else anything."""
    chance = random.Random(seed)

    def word(true: str, skill: float) -> str:
        return true if chance.random() < skill else chance.choice(WINNERS)

    rows = []
    for number in range(items):
        id, true = row(number), chance.choice(WINNERS)
        rows += [said(id, rater, word(true, people), kind=kind) for rater in PEOPLE]
        winner = word(true, judge)
        rows += [said(id, "gpt-5", winner, swapped, kind="model") for swapped in (False, True)]
    return rows


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study whose runs score alike, and whose recipe names a table beside it."""
    folder = tmp_path_factory.mktemp("people")
    study = Folder(folder / "study", [*STUDY, f"judgements=[{folder / 'judged'}]"], pictures=60)
    study.measure(even)
    return folder


def examined(folder: Path, rows: list[Judgement]) -> dict[int, Finding]:
    shutil.rmtree(folder / "judged", ignore_errors=True)
    append(folder / "judged", rows)
    return {one.number: one for one in findings.examine(Study(folder / "study"))}


Case = tuple[int, Callable[[], list[Judgement]], Verdict]
CASES: dict[str, Case] = {
    "people see no difference": (5, lambda: preferring(122, 284, 108), "supported"),
    "so many as in the paper are too few": (5, lambda: preferring(61, 142, 54), "inconclusive"),
    "people prefer one backbone": (5, lambda: preferring(120, 100, 44), "not supported"),
    "people prefer the other backbone": (5, lambda: preferring(44, 100, 120), "not supported"),
    "too few people were asked": (5, lambda: preferring(12, 16, 12), "inconclusive"),
    "the judge guesses": (6, lambda: agreeing(120, 0.9, 0.1), "supported"),
    "the judge is as good as a person": (6, lambda: agreeing(200, 0.7, 0.8), "not supported"),
    "the judge may be either": (6, lambda: agreeing(40, 0.7, 0.6), "inconclusive"),
    "people guess": (6, lambda: agreeing(120, 0.0, 0.0), "inconclusive"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_finding_of_people_can_come_out_each_way(case: str, place: Path) -> None:
    number, rows, verdict = CASES[case]
    finding = examined(place, rows())[number]
    assert (finding.verdict, finding.number) == (verdict, number), finding.why
    if number == 5:
        assert any("by people" in part.name for part in finding.parts)
    else:
        assert finding.headline and "people with gpt-5" in finding.headline.name
        assert any(part.name == "ties of gpt-5 minus people's" for part in finding.details)


def test_simulated_raters_decide_nothing_and_are_named(place: Path) -> None:
    found = examined(
        place, [*preferring(200, 10, 10, kind="simulated"), *agreeing(60, 0.9, 0.1, "simulated")]
    )
    assert found[6].verdict == "not tested" and "only SIMULATED raters" in found[6].why
    assert not any("by" in part.name for part in found[5].parts)
    assert any("by SIMULATED raters" in part.name for part in found[5].details)


def test_judgements_of_other_runs_and_languages_are_no_evidence(place: Path) -> None:
    others = [
        *preferring(200, 10, 10, language="en"),
        *preferring(200, 10, 10, left="somebody"),
    ]
    found = examined(place, others)
    assert not any("by people" in part.name for part in found[5].parts)
    assert found[6].verdict == "not tested"


def test_a_table_that_is_not_there_yet_is_waited_for_and_another_folder_refused(
    place: Path,
) -> None:
    shutil.rmtree(place / "judged", ignore_errors=True)
    assert Study(place / "study").judgements == []
    (place / "judged").mkdir()
    with pytest.raises(InputError, match="judged"):
        _ = Study(place / "study").judgements


def test_an_item_that_was_drawn_more_often_counts_less() -> None:
    rows = [said("1", "ane", ONE, weight=0.5), said("2", "ane", OTHER, weight=1.5)]
    (sheet,) = lay_out_sheets(keep_latest(rows))
    values = people.measure_preference(sheet, ONE).values
    assert sorted(values.tolist()) == [-1.5, 0.5]


def test_ties_of_the_judge_are_counted_less_those_of_people() -> None:
    rows = [said("1", "ane", "tie"), said("2", "ane", ONE), said("3", "ane", "tie")]
    rows += [
        said(id, "gpt-5", winner, kind="model")
        for id, winner in zip("123", (ONE, "tie", "tie"), strict=True)
    ]
    first, second = lay_out_sheets(keep_latest(rows))
    asked, judge = (first, second) if first.kind == "person" else (second, first)
    (beside,) = people.lay_beside(asked, [judge])
    ties = beside.measure_ties()
    assert ties is not None
    assert dict(zip(beside.items, ties.values.tolist(), strict=True)) == {"1": -1, "2": 1, "3": 0}


def test_both_kappas_are_those_of_scikit_learn_on_the_same_items() -> None:
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 3, (80, 3))
    codes[:, 1] = np.where(rng.random(80) < 0.6, codes[:, 0], codes[:, 1])
    codes[rng.random((80, 3)) < 0.2] = MISSING
    other = np.where(rng.random(80) < 0.5, codes[:, 0], rng.integers(0, 3, 80))
    found = compare_kappas(codes, other, 3, 200, 0)
    assert found is not None
    kept = ((codes != MISSING).sum(axis=1) >= 2) & (other != MISSING)
    codes, other = codes[kept], other[kept]

    def kappa(a: Any, b: Any) -> float:
        both = (a != MISSING) & (b != MISSING)
        return float(cohen_kappa_score(a[both], b[both], labels=[0, 1, 2]))

    among = np.mean([kappa(codes[:, i], codes[:, j]) for i, j in [(0, 1), (0, 2), (1, 2)]])
    beside = np.mean([kappa(codes[:, i], other) for i in range(3)])
    assert found.items == kept.sum()
    assert found.among[0] == pytest.approx(among) and found.with_other[0] == pytest.approx(beside)
    assert found.value == pytest.approx(among - beside)
    assert found.low < found.value < found.high


@pytest.mark.parametrize("said", [[[0, MISSING]] * 5, [[1, 1]] * 5])
def test_kappa_without_shared_items_or_with_one_verdict_is_none(said: list[list[int]]) -> None:
    assert compare_kappas(np.array(said), np.ones(5, int), 3, 50, 0) is None
