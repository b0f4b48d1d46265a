"""Adapting against building: which runs are compared, and that it can come out every way."""

from pathlib import Path

import pytest

from compare.studies import Folder, Skill, Took
from ikusi.compare import findings
from ikusi.compare.findings import Finding, Verdict
from ikusi.compare.reading import Study
from ikusi.recipe import Run

TEST = "benchmarks=[miniature/aokvqa]"


def by_backbone(seeing: float, english: float) -> Skill:
    def skill(run: Run | None, bench: str, code: str) -> float:
        return seeing if run is not None and run.backbone == "seeing" else english

    return skill


def alike(step: str) -> tuple[int, float]:
    return (100, 1e12) if step.startswith("align/") else (500, 9e12)


def more(rows: float = 1.0, operations: float = 1.0) -> Took:
    """The adapted run's instruction tuning takes so many times as much."""

    def took(step: str) -> tuple[int, float]:
        own, made = alike(step)
        if step.startswith("instruct/seeing"):
            own, made = round(rows * own), operations * made
        return own, made

    return took


def examined(
    folder: Path,
    skill: Skill,
    took: Took | None,
    *,
    ratios: str = "[0,0.2]",
    noise: float = 0.0,
    pictures: int = 40,
) -> Finding:
    grid = f"grid.ratios={ratios}"
    made = Folder(folder, [grid, TEST], name="emoji-eu-adapt", pictures=pictures)
    made.measure(skill, noise=noise)
    if took:
        made.record(took)
    (finding,) = (one for one in findings.examine(Study(folder)) if one.number == 8)
    return finding


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seeing", "english", "noise", "verdict"),
    [
        (0.8, 0.6, 0.0, "supported"),
        (0.6, 0.8, 0.0, "not supported"),
        (0.62, 0.6, 1.0, "inconclusive"),
        (0.2, 0.1, 0.0, "inconclusive"),  # both guess
    ],
)
def test_verdict(
    seeing: float, english: float, noise: float, verdict: Verdict, tmp_path: Path
) -> None:
    finding = examined(tmp_path, by_backbone(seeing, english), alike, noise=noise)
    assert finding.verdict == verdict, finding.why
    assert finding.headline and finding.headline.rows == 120
    assert finding.headline.difference.mean == pytest.approx(seeing - english, abs=0.1 + noise / 10)
    assert [part.name for part in finding.parts[:2]] == [
        "adapted minus built, at equal rows in Basque",
        "adapted minus built, at equal compute",
    ]


@pytest.mark.parametrize(
    ("took", "told"),
    [
        (None, "whose records say what they took"),
        (
            more(rows=1.2),
            "No two runs that differ in this alone took equal rows in Basque, within 2 %. Nearest "
            "are seeing and english at 20 %: 14 % more for the adapted one.",
        ),
        (more(operations=0.8), "took equal compute, within 10 %. Nearest are seeing and english "
            "at 20 %: 18 % less for the adapted one."),
    ],
)  # fmt: skip
def test_unequal_runs_are_not_compared(took: Took | None, told: str, tmp_path: Path) -> None:
    finding = examined(tmp_path, by_backbone(0.8, 0.6), took, pictures=2)
    assert finding.verdict == "not tested"
    assert told in finding.why


@pytest.mark.slow
def test_each_kind_of_equality_has_its_own_pairs(tmp_path: Path) -> None:
    def took(step: str) -> tuple[int, float]:
        """At 20 % as many rows for less compute; at 80 % more rows for as much."""
        rows = 700 if step == "instruct/seeing-eu080" else 500
        return rows, 5e12 if step == "instruct/seeing-eu020" else 9e12

    def skill(run: Run | None, bench: str, code: str) -> float:
        return 0.8 if run and run.name == "seeing-eu080" else 0.5

    finding = examined(tmp_path, skill, took, ratios="[0,0.2,0.8]")
    by_rows, by_compute = (part.difference.mean for part in finding.parts[:2])
    assert (by_rows, by_compute) == pytest.approx((0.0, 0.3), abs=0.08)
    assert finding.quantity.endswith("seeing and english at 20 %")
    names = [part.name for part in finding.details]
    assert "seeing and english at 80 %, rows 17 % more, compute equal, in Basque" in names


def test_what_earlier_versions_recorded_is_no_equality(tmp_path: Path) -> None:
    grid = ["grid.ratios=[0,0.2]", "grid.seeds=[0,1]", TEST]
    made = Folder(tmp_path, grid, name="emoji-eu-adapt", pictures=2)
    made.measure(by_backbone(0.8, 0.6))
    made.record(alike)
    assert findings.examine(Study(tmp_path))[-1].verdict == "inconclusive"  # few pictures
    metrics = tmp_path / "instruct/seeing-eu020-seed1/metrics.jsonl"
    metrics.write_text('{"step": 1, "loss": 1.0}\n' + metrics.read_text("utf-8"), "utf-8")
    assert "whose records say" in findings.examine(Study(tmp_path))[-1].why


def test_a_grid_without_models_that_see_says_so(tmp_path: Path) -> None:
    Folder(tmp_path, ["grid.backbones=[english]"], name="emoji-eu-adapt", pictures=4)
    (finding,) = (one for one in findings.examine(Study(tmp_path)) if one.number == 8)
    assert finding.why == ("The recipe's grid does not have both models that see already and LLMs.")
