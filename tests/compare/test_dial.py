"""The amount of the language that a backbone had read: comparisons, and where the gap closes."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from compare.studies import Folder, Skill
from ikusi.compare import findings
from ikusi.compare.findings import Finding
from ikusi.compare.reading import Study
from ikusi.recipe import Run

ONE = ["benchmarks=[miniature/aokvqa]", "grid.ratios=[0.8]"]
LEVEL = {"english": 0.8, "thousandth": 0.8, "hundredth": 0.8, "tenth": 0.8, "adapted": 0.8}


def by_reading(scores: Mapping[str, float]) -> Skill:
    def skill(run: Run | None, bench: str, code: str) -> float:
        return scores[run.backbone] if run else 0.5

    return skill


def examine(
    path: Path,
    scores: Mapping[str, float],
    noise: float = 0.0,
    changes: list[str] | None = None,
    pictures: int = 60,
) -> Finding:
    made = Folder(path, [*ONE, *(changes or [])], "emoji-eu-dial", pictures=pictures)
    made.measure(by_reading(scores), noise=noise)
    (finding,) = (one for one in findings.examine(Study(path)) if one.number == 5)
    return finding


def test_each_is_compared_with_the_one_that_had_read_most(tmp_path: Path) -> None:
    finding = examine(tmp_path, LEVEL)
    assert [part.name for part in finding.parts if part.role == "claim"] == [
        f"{name} minus adapted, close-ended" for name in list(LEVEL)[:-1]
    ]
    assert finding.verdict == "supported"
    assert (
        "Within the margin of adapted, which had read 80 % Basque, are backbones that had read 0 % "
        "or more; 0 %: +0.000 (90 % interval \N{MINUS SIGN}0.0" in finding.why
    )


def test_where_the_gap_closes_is_said_with_what_is_left_of_it_there_and_below(
    tmp_path: Path,
) -> None:
    scores = LEVEL | {"english": 0.4, "thousandth": 0.5, "hundredth": 0.6}
    finding = examine(tmp_path, scores)
    assert finding.verdict == "not supported"
    assert "are backbones that had read 10 % or more; 1 %: \N{MINUS SIGN}0.2" in finding.why
    assert "; 10 %: +0.000 (90 % interval \N{MINUS SIGN}0.0" in finding.why
    assert finding.parts[0].difference.mean == pytest.approx(-0.4, abs=0.08)


def test_a_gap_that_opens_again_above_is_not_closed_below(tmp_path: Path) -> None:
    finding = examine(tmp_path, LEVEL | {"tenth": 0.5})
    assert "No backbone that had read less is shown to be within the margin of" in finding.why
    assert "Basque; 10 %: \N{MINUS SIGN}0.3" in finding.why


def test_backbones_alike_by_chance_close_no_gap(tmp_path: Path) -> None:
    finding = examine(tmp_path, dict.fromkeys(LEVEL, 0.6), noise=0.5, pictures=20)
    assert finding.verdict == "inconclusive"
    assert "No backbone that had read less is shown" in finding.why


@pytest.mark.slow
@pytest.mark.parametrize(("score", "pictures"), [(0.1, 60), (0.8, 9)])  # all guess; too few
def test_what_cannot_be_decided_says_nothing_of_a_gap(
    score: float, pictures: int, tmp_path: Path
) -> None:
    finding = examine(tmp_path, dict.fromkeys(LEVEL, score), pictures=pictures)
    assert finding.verdict == "inconclusive"
    assert "had read" not in finding.why


@pytest.mark.slow
def test_two_amounts_are_two_backbones_and_no_dial(tmp_path: Path) -> None:
    finding = examine(tmp_path, LEVEL, changes=["grid.backbones=[tenth, adapted]"])
    assert [part.name for part in finding.parts][:1] == ["tenth minus adapted, close-ended"]
    assert "had read" not in finding.why
    same = ["backbones.thousandth.read=0", "backbones.hundredth.read=0", "backbones.tenth.read=0"]
    finding = examine(tmp_path / "same", LEVEL, changes=same)
    assert len([part for part in finding.parts if part.role == "claim"]) == 10


@pytest.mark.slow
def test_a_backbone_that_nobody_knows_of_is_compared_all_the_same(tmp_path: Path) -> None:
    finding = examine(tmp_path, LEVEL, changes=["backbones.thousandth=miniature/llama-en"])
    names = [part.name.partition(" ")[0] for part in finding.parts if part.role == "claim"]
    assert names == ["english", "hundredth", "tenth", "thousandth"]
