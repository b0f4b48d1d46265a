"""Simulated raters answer all that is asked, never beside people, and are always named so."""

from collections import Counter
from pathlib import Path

import pytest

from annotate.people import make_project
from ikusi import cli
from ikusi.annotate import exporting, plan
from ikusi.annotate.plan import Asked
from ikusi.annotate.simulated import simulate_raters
from ikusi.annotate.store import open_store
from ikusi.errors import InputError
from ikusi.judgements.judgement import Judgement
from judgements import answered


def said(folder: Path) -> list[Judgement]:
    found = exporting.read_judgements(folder)
    assert {one.kind for one in found} <= {"simulated"}
    return found


def scored(folder: Path, worth: list[float | None]) -> Path:
    changes = {f"q{number}": {"correct": one} for number, one in enumerate(worth)}
    return answered.run(folder, rows=len(worth), changes=changes)


def compared(folder: Path, *worth: list[float | None]) -> Path:
    """A project in which two people compare the answers of two models, by name, to four rows."""
    data = answered.corpus(folder / "corpus", 4)
    runs = [scored(folder / name, own) for name, own in zip(("latxa", "llama"), worth, strict=True)]
    made = plan.plan_comparison(runs, "wildvision", "eu", Asked(2, 4), corpus=data)
    return made.make(folder / "project").project.folder


@pytest.mark.parametrize("task", ["validate", "select"])
def test_everything_that_is_asked_is_answered_once(tmp_path: Path, task: str) -> None:
    make_project(tmp_path / "p", task, items=200, pictured=False)
    assert simulate_raters(tmp_path / "p", 1.0) == 400
    assert simulate_raters(tmp_path / "p", 1.0) == 0
    found = said(tmp_path / "p")
    counts = Counter(one.verdict for one in found)
    favour, against = ("accept", "reject") if task == "validate" else ("keep", "drop")
    assert set(counts) == {favour, against} and 0.78 < counts[favour] / 400 < 0.92
    assert all(bool(one.reasons) == (one.verdict == against) for one in found)
    by_item = {(one.id, one.verdict) for one in found}
    assert len(by_item) == 200  # both say the same


def test_raters_who_do_not_agree_say_anything(tmp_path: Path) -> None:
    make_project(tmp_path / "p", items=200, pictured=False)
    simulate_raters(tmp_path / "p", 0.0, seed=3)
    counts = Counter(one.verdict for one in said(tmp_path / "p"))
    assert 160 < counts["accept"] < 240


def test_the_answer_with_the_better_score_is_preferred_on_either_side(tmp_path: Path) -> None:
    folder = compared(tmp_path, [1.0, 0.5, 0.0, 0.25], [0.5, 0.5, 1.0, 0.5])
    simulate_raters(folder, 1.0)
    winners = {"q0": "latxa", "q1": "tie", "q2": "llama", "q3": "llama"}
    for one in said(folder):
        winner = {"A": one.left, "B": one.right, "tie": "tie"}[one.verdict]
        assert winner == winners[one.id]
        decided = {"relevance": one.verdict}
        alike = dict.fromkeys(("relevance", "quality", "proficiency"), "tie")
        assert one.criteria == (alike if winner == "tie" else decided)
    assert {one.left for one in said(folder)} == {"latxa", "llama"}


def test_where_no_answer_has_a_score_raters_still_agree(tmp_path: Path) -> None:
    folder = compared(tmp_path, [None] * 4, [None] * 4)
    simulate_raters(folder, 1.0)
    winners = {
        (one.id, {"A": one.left, "B": one.right, "tie": "tie"}[one.verdict]) for one in said(folder)
    }
    assert len(winners) == 4


def test_a_project_that_a_person_has_begun_is_left_alone(tmp_path: Path) -> None:
    make_project(tmp_path / "p")
    store = open_store(tmp_path / "p")
    store.speak("annotator-1", "eu")  # has only looked
    store.close()
    simulate_raters(tmp_path / "p")
    make_project(tmp_path / "q")
    store = open_store(tmp_path / "q")
    store.enter("annotator-2", "Ane", "the text")
    store.close()
    with pytest.raises(InputError, match=r"that no person has begun, found .* annotator-2$"):
        simulate_raters(tmp_path / "q")
    assert exporting.read_judgements(tmp_path / "q") == []


def test_the_command_says_that_they_are_simulated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_project(tmp_path / "p")
    with pytest.raises(SystemExit) as end:
        cli.main(["annotate", "simulate", str(tmp_path / "p")])
    assert not end.value.code and "6 answers of SIMULATED raters" in capsys.readouterr().out
