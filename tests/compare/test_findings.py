"""Each finding can come out every way, and says why when it cannot be tested."""

from collections.abc import Callable
from pathlib import Path

import pytest

from compare.studies import Folder, Skill, Strength, even
from ikusi.compare import findings
from ikusi.compare.findings import Finding, Verdict
from ikusi.compare.reading import Study
from ikusi.recipe import Merged, Run

SMALL = [
    "grid.backbones=[english]",
    "grid.ratios=[0.2,0.8,1]",
    "grid.text_only=[false]",
    "benchmarks=[miniature/aokvqa]",
]
TEXT = [
    "grid.backbones=[english]",
    "grid.ratios=[0]",
    "benchmarks=[miniature/aokvqa,miniature/bertaqa]",
]
TWO = ["grid.ratios=[0.8]", "benchmarks=[miniature/aokvqa,miniature/wildvision]"]
ALIKE: dict[float, float] = dict.fromkeys([0.2, 0.8, 1], 0.8)


def examined(
    folder: Path, overrides: list[str], skill: Skill, noise: float = 0.0, pictures: int = 60
) -> dict[int, Finding]:
    made = Folder(folder, overrides, pictures=pictures)
    made.measure(skill, noise=noise)
    return {finding.number: finding for finding in findings.examine(Study(folder))}


def by_share(target: dict[float, float], source: dict[float, float] | None = None) -> Skill:
    def skill(run: Run | None, bench: str, code: str) -> float:
        scores = source if source and code == "en" else target
        return scores[run.ratio] if run else 0.8

    return skill


def by_text(with_text: float, without: float, backbone: float = 0.9) -> Skill:
    def skill(run: Run | None, bench: str, code: str) -> float:
        if run is None:
            return backbone
        return with_text if run.text_only else without

    return skill


def by_backbone(english: float, adapted: float) -> Skill:
    def skill(run: Run | None, bench: str, code: str) -> float:
        return english if run is None or run.backbone == "english" else adapted

    return skill


Case = tuple[int, list[str], Skill, float, Verdict]
CASES: dict[str, Case] = {
    "20 % is as good as more": (
        1, SMALL, by_share({0.2: 0.8, 0.8: 0.8, 1: 0.8}), 0.0, "supported",
    ),
    "20 % is far behind the best": (
        1, SMALL, by_share({0.2: 0.6, 0.8: 0.6, 1: 0.8}), 0.0, "not supported",
    ),
    "20 % is alike, too noisily to tell": (
        1, SMALL, by_share({0.2: 0.7, 0.8: 0.7, 1: 0.7}), 1.0, "inconclusive",
    ),
    "all only guess": (
        1, SMALL, by_share({0.2: 0.2, 0.8: 0.2, 1: 0.2}), 0.0, "inconclusive",
    ),
    "no English, English forgotten": (
        2, SMALL, by_share(ALIKE, {**ALIKE, 1: 0.4}), 0.0, "supported",
    ),
    "no English, nothing forgotten": (
        2, SMALL, by_share(ALIKE), 0.0, "not supported",
    ),
    "English forgotten, or just noise": (
        2, SMALL, by_share(ALIKE, {**ALIKE, 1: 0.76}), 1.0, "inconclusive",
    ),
    "no English to forget": (
        2, SMALL, by_share(dict.fromkeys([0, 0.2, 0.8, 1], 0.1)), 0.0, "inconclusive",
    ),
    "text rows save some of the loss": (3, TEXT, by_text(0.7, 0.5), 0.0, "supported"),
    "text rows save nothing": (3, TEXT, by_text(0.5, 0.5), 0.0, "not supported"),
    "there was no loss": (3, TEXT, by_text(0.8, 0.6, backbone=0.5), 0.0, "not supported"),
    "the backbone knows nothing": (3, TEXT, by_text(0.6, 0.4, backbone=0.1), 0.0, "inconclusive"),
    "text rows help to answer": (4, TEXT, by_text(0.8, 0.6), 0.0, "supported"),
    "text rows harm": (4, TEXT, by_text(0.5, 0.7), 0.0, "not supported"),
    "nothing was seen that text could pass on": (
        4, TEXT, by_text(0.2, 0.1), 0.0, "inconclusive",
    ),
    "text rows help, or just noise": (4, TEXT, by_text(0.62, 0.6), 1.0, "inconclusive"),
    "backbones alike": (5, TWO, by_backbone(0.8, 0.8), 0.0, "supported"),
    "one backbone is better": (5, TWO, by_backbone(0.6, 0.8), 0.0, "not supported"),
    "the other backbone is better": (5, TWO, by_backbone(0.8, 0.6), 0.0, "not supported"),
    "backbones alike, too noisily": (5, TWO, by_backbone(0.6, 0.6), 1.0, "inconclusive"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_verdict(name: str, tmp_path: Path) -> None:
    number, overrides, skill, noise, expected = CASES[name]
    finding = examined(tmp_path, overrides, skill, noise)[number]
    assert finding.verdict == expected, finding.why
    assert finding.why and finding.headline and finding.adjusted is not None


@pytest.mark.slow
def test_signs_and_numbers_are_those_of_the_rows(tmp_path: Path) -> None:
    shares = {0.2: 0.5, 0.8: 0.7, 1: 0.9}
    finding = examined(tmp_path, SMALL, by_share(shares))[1]
    assert finding.headline and "20 % minus 100 %" in finding.headline.name
    assert finding.headline.difference.mean == pytest.approx(-0.4, abs=0.06)
    assert finding.headline.difference.low < finding.headline.difference.mean
    assert (finding.headline.rows, finding.headline.pictures) == (180, 180)


@pytest.mark.slow
def test_a_difference_over_benchmarks_counts_shared_pictures_once(tmp_path: Path) -> None:
    overrides = ["grid.backbones=[english]", "grid.text_only=[false]"]
    finding = examined(tmp_path, overrides, even, pictures=20)[1]
    assert finding.headline
    assert (finding.headline.rows, finding.headline.pictures) == (180, 60)
    assert len(finding.details) == 3 + 1  # one for each benchmark, and 0 %


def test_a_handful_of_pictures_decides_nothing(tmp_path: Path) -> None:
    finding = examined(tmp_path, SMALL, even, pictures=9)[1]
    assert finding.verdict == "inconclusive"
    assert finding.why == "27 pictures are too few: an interval needs 30 to be trusted."


@pytest.mark.slow
def test_what_no_target_language_at_all_gives_is_shown_beside(tmp_path: Path) -> None:
    grid = ["grid.backbones=[english]", "grid.text_only=[false]", "benchmarks=[miniature/aokvqa]"]
    shares: dict[float, float] = {0: 0.4, 0.2: 0.8, 0.8: 0.8, 1: 0.8}
    details = {part.name: part for part in examined(tmp_path, grid, by_share(shares))[1].details}
    assert details["0 % minus 80 %"].difference.mean == pytest.approx(-0.4, abs=0.08)


@pytest.mark.slow
def test_the_demo_tests_the_first_five_findings(tmp_path: Path) -> None:
    made = Folder(tmp_path, ["benchmarks=[miniature/aokvqa,miniature/bertaqa]"], "emoji-eu-demo", 8)
    assert len(made.recipe.runs()) == 6
    made.measure(even)
    of = {finding.number: finding.verdict for finding in findings.examine(Study(tmp_path))}
    assert [number for number, verdict in of.items() if verdict == "not tested"] == [6, 7, 8]


def test_judges_and_people_are_never_guessed(tmp_path: Path) -> None:
    finding = examined(tmp_path, SMALL, even)[6]
    assert finding.verdict == "not tested"
    assert "Basque" in finding.why


@pytest.mark.parametrize(
    ("number", "overrides", "told"),
    [
        (1, ["grid.ratios=[0,1]"], "no runs with 20 % Basque"),
        (1, ["grid.ratios=[0,0.2]"], "no runs with 80 % or 100 % Basque"),
        (2, ["grid.ratios=[0,0.2,0.8]"], "no runs with 100 % Basque"),
        (3, ["benchmarks=[miniature/aokvqa]"], "no text-only benchmark"),
        (3, ["grid.text_only=[true]"], "both with and without text-only rows"),
        (4, ["grid.text_only=[false]"], "both with and without text-only rows"),
        (4, ["benchmarks=[miniature/bertaqa]"], "no close-ended benchmark"),
        (5, ["grid.backbones=[english]"], "one backbone"),
    ],
)
def test_what_the_grid_lacks_is_not_tested(
    number: int, overrides: list[str], told: str, tmp_path: Path
) -> None:
    Folder(tmp_path, overrides, pictures=4)
    finding = {f.number: f for f in findings.examine(Study(tmp_path))}[number]
    assert finding.verdict == "not tested"
    assert told in finding.why


@pytest.mark.parametrize(("number", "left_out"), [(1, "ratios: [0.2]"), (4, "text_only: [true]")])
def test_what_the_grid_leaves_out_is_not_waited_for(
    number: int, left_out: str, tmp_path: Path
) -> None:
    changes = [f"grid.exclude=[{{{left_out}}}]", "benchmarks=[miniature/aokvqa]"]
    finding = examined(tmp_path, changes, even, pictures=4)[number]
    assert finding.verdict == "not tested"
    assert finding.why == "The recipe's grid leaves out runs that this compares (grid.exclude)."


def test_runs_that_are_not_measured_yet_are_named(tmp_path: Path) -> None:
    made = Folder(tmp_path, SMALL, pictures=10)
    made.measure(even, only=["english-eu020", "english-eu080"])
    found = {f.number: f for f in findings.examine(Study(tmp_path))}
    assert found[1].verdict == "not tested"
    assert found[1].why == "Not measured yet: english-eu100."


@pytest.mark.slow
def test_holm_counts_only_the_findings_that_were_tested(tmp_path: Path) -> None:
    shares: dict[float, float] = {0.2: 0.8, 0.8: 0.8, 1: 0.8}
    found = examined(tmp_path, SMALL, by_share(shares))
    assert found[1].p_value is not None and found[1].adjusted is not None
    assert found[1].adjusted == pytest.approx(found[1].p_value * 2)  # findings 1 and 2


@pytest.mark.slow
def test_the_same_rows_give_the_same_findings(tmp_path: Path) -> None:
    make: Callable[[], dict[int, Finding]] = lambda: examined(  # noqa: E731
        tmp_path, SMALL, even, 0.5, 20
    )
    assert make() == make()


MERGED = [
    "grid.backbones=[english]",
    "grid.ratios=[0,0.2]",
    "grid.text_only=[false]",
    "benchmarks=[miniature/aokvqa,miniature/bertaqa]",
    "merges.basque={run: english-eu000, plus: adapted, minus: english, weights: [0.5,1,1.5]}",
]


def by_weight(scores: dict[float, float], english: float = 0.8) -> Strength:
    def strength(merged: Merged, bench: str, code: str) -> float:
        return english if code == "en" else scores[merged.weight]

    return strength


@pytest.mark.slow
@pytest.mark.parametrize(
    ("full", "base", "noise", "verdict"),
    [
        (0.7, 0.4, 0.0, "supported"),
        (0.4, 0.7, 0.0, "not supported"),
        (0.62, 0.6, 1.0, "inconclusive"),
    ],
)
def test_adding_a_difference_is_tested_at_all_of_it(
    full: float, base: float, noise: float, verdict: Verdict, tmp_path: Path
) -> None:
    made = Folder(tmp_path, MERGED, pictures=40)
    strength = by_weight({0.5: 1.0, 1: full, 1.5: 0.0}, english=0.6)
    made.measure(by_share({0: base, 0.2: 0.9}, {0: 0.8, 0.2: 0.8}), noise=noise, merged=strength)
    (finding,) = (one for one in findings.examine(Study(tmp_path)) if one.number == 7)
    assert finding.verdict == verdict, finding.why
    assert finding.headline and "with 1 times the difference" in finding.headline.name
    assert finding.headline.difference.mean == pytest.approx(full - base, abs=0.08)
    details = {part.name: part.difference.mean for part in finding.details}
    if noise == 0:
        assert details["in English"] == pytest.approx(-0.2, abs=0.08)
        assert details["minus 20 % Basque, in Basque"] == pytest.approx(full - 0.9, abs=0.08)
        assert details["0.5 times, in Basque"] == pytest.approx(1 - base, abs=0.08)


@pytest.mark.slow
def test_a_gain_that_ends_at_guessing_is_no_answer(tmp_path: Path) -> None:
    made = Folder(tmp_path, MERGED, pictures=200)
    strength = by_weight(dict.fromkeys([0.5, 1, 1.5], 0.25))
    made.measure(by_share({0: 0.1, 0.2: 0.9}, {0: 0.8, 0.2: 0.8}), merged=strength)
    (finding,) = (one for one in findings.examine(Study(tmp_path)) if one.number == 7)
    assert finding.headline and finding.headline.holds
    assert finding.verdict == "not supported" and "minus guessing, in Basque" in finding.why


@pytest.mark.slow
def test_a_run_that_cannot_see_shows_nothing_by_being_added_to(tmp_path: Path) -> None:
    made = Folder(tmp_path, MERGED, pictures=40)
    strength = by_weight(dict.fromkeys([0.5, 1, 1.5], 0.7))
    made.measure(by_share(dict.fromkeys([0, 0.2], 0.1)), merged=strength)
    (finding,) = (one for one in findings.examine(Study(tmp_path)) if one.number == 7)
    assert finding.verdict == "inconclusive" and "premise" in finding.why


@pytest.mark.slow
def test_without_merged_models_nothing_is_said_of_them(tmp_path: Path) -> None:
    without = examined(tmp_path / "without", SMALL, even)[7]
    assert (without.verdict, without.why) == (
        "not tested",
        "The recipe has no merge of two backbones into a run without Basque pictures.",
    )
    waiting = examined(tmp_path / "waiting", MERGED, by_share({0: 0.5, 0.2: 0.5}))[7]
    assert waiting.verdict == "not tested"
    assert waiting.why.startswith("Not measured yet: english-eu000-basque050, ")
