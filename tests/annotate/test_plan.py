"""The plan of who is asked what, and of what the answers can show."""

import re
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annotate.test_project import corpus_of
from ikusi import cli
from ikusi.annotate import plan, project, sampling, shows
from ikusi.annotate.plan import Asked
from ikusi.data.corpus import CorpusWriter
from ikusi.errors import InputError
from ikusi.judgements.pairs import join_pairs
from judgements import answered

MODELS = ("latxa", "llama", "qwen")


def flagged_corpus(folder: Path, rows: int, flagged: int) -> Path:
    with CorpusWriter(folder, "caption", ["en", "eu"]) as writer:
        for number in range(rows):
            flags = ["length: expected fewer words"] if number < flagged else []
            texts: dict[str, Any] = {"en": {"text": f"en {number}"}}
            texts["eu"] = {"text": f"eu {number}", "flags": flags}
            writer.add_row(f"row-{number}", None, texts)
    return folder


def runs(folder: Path, names: tuple[str, ...] = MODELS, rows: int = 24) -> list[Path]:
    """Runs whose models answered all rows of one corpus, in a study."""
    answered.corpus(folder / "study" / "data" / "benchmarks" / "wildvision", rows)
    (folder / "study" / "recipe.yaml").write_text("name: study\n")
    return [answered.run(folder / "study" / "evaluate" / name, rows=rows) for name in names]


def test_flagged_rows_are_drawn_more_often_and_count_less(tmp_path: Path) -> None:
    corpus = flagged_corpus(tmp_path / "rows", 100, 20)
    made = plan.plan_validation(corpus, "eu", Asked(2, 10, 10), flagged=4).make(
        tmp_path / "project"
    )
    items = made.project.items.values()
    strata = Counter(item.stratum for item in items)
    assert strata == {"flagged": 15, "others": 15}  # 20 x 4 : 80
    weights = {item.stratum: item.weight for item in items}
    assert weights == pytest.approx({"flagged": 20 / 15 * 0.3, "others": 80 / 15 * 0.3})
    assert np.mean([item.weight for item in items]) == pytest.approx(1)
    assert all((item.stratum == "flagged") == bool(item.flags) for item in items)
    assert made.project.about.shows["effective_items"] == pytest.approx(22.1)


def test_weights_undo_what_drawing_more_often_does() -> None:
    """Every row is as likely to be drawn as its weight says."""
    count = np.zeros(40)
    total = np.zeros(40)
    for seed in range(3000):
        for place, _, weight in sampling.draw(40, 10, seed, flagged=range(8), times=3):
            count[place] += 1
            total[place] += weight
    assert count[:8].mean() > 2 * count[8:].mean()
    assert total / 3000 == pytest.approx(np.full(40, 10 / 40), abs=0.03)


@pytest.mark.parametrize(
    ("rows", "flagged", "count", "times", "taken"),
    [(10, 9, 5, 100, 4), (10, 1, 5, 1.5, 1), (10, 2, 9, 100, 2), (10, 1, 2, 1.1, 1)],
)
def test_both_kinds_of_rows_are_always_drawn(
    rows: int, flagged: int, count: int, times: float, taken: int
) -> None:
    found = sampling.draw(rows, count, 0, range(flagged), times)
    assert len({one.place for one in found}) == count
    assert sum(one.stratum == "flagged" for one in found) == taken


@pytest.mark.parametrize("flagged", [range(0), range(10)])
def test_without_both_kinds_all_rows_count_the_same(flagged: range) -> None:
    assert {one.weight for one in sampling.draw(10, 5, 0, flagged, 3)} == {1.0}


def test_a_single_item_cannot_be_of_both_kinds() -> None:
    with pytest.raises(InputError, match="flagged: expected 2 items or more"):
        sampling.draw(10, 1, 0, range(5), 3)


def test_shared_items_are_of_both_kinds_too() -> None:
    drawn = sampling.draw(100, 40, 0, range(50), times=2)
    assert {one.stratum for one in drawn[:12]} == {"flagged", "others"}


def test_few_own_items_are_of_different_models_for_different_people() -> None:
    dealt = sampling.deal(3, 3, 0, 0, MODELS)
    assert len({frozenset(seat[0].models) for seat in dealt}) == 3


def test_all_rows_are_asked_about_once_but_for_the_shared(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "rows", "vqa", 11)
    found = plan.plan_validation(corpus, "eu", Asked(3, 2)).make(tmp_path / "project").project
    seen = Counter(turn.item for seat in found.seats for turn in seat.turns)
    assert sorted(seen.values()) == [1] * 9 + [3] * 2
    assert [len(seat.turns) for seat in found.seats] == [5, 5, 5]
    assert "All rows" in next(shows.describe(found.about.shows))


def test_rows_are_selected_without_a_translation(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "rows", "open", 10)
    found = plan.plan_selection(corpus, "en", 2, 4).make(tmp_path / "project").project
    assert (found.task, found.language, found.source_language) == ("select", "en", "")
    assert len(found.items) == 10 and found.items["row-0"].source == {}
    assert found.items["row-0"].texts == {"question": "en 0?"}


def test_two_models_are_compared_on_sides_of_chance(tmp_path: Path) -> None:
    folders = runs(tmp_path, MODELS[:2])
    made = plan.plan_comparison(folders, "wildvision", "eu", Asked(4, 20)).make(
        tmp_path / "project"
    )
    found = made.project
    assert (found.task, found.benchmark, found.language) == ("compare", "wildvision", "eu")
    asked = {pair.id: pair for pair in join_pairs(folders[0], folders[1], "wildvision", "eu")}
    for item in found.items.values():
        assert item.answers == asked[item.id].answers and set(item.answers) == {"latxa", "llama"}
        assert item.texts == {"question": asked[item.id].question}
        path = found.picture(item)
        shown = asked[item.id].picture
        assert path and shown and path.read_bytes() == shown.read()
    sides = [[turn.left for turn in seat.turns if turn.shared] for seat in found.seats]
    assert all(0.2 < side.count("latxa") / len(side) < 0.8 for side in sides)
    by_item = [{turn.item: turn.left for turn in seat.turns} for seat in found.seats]
    differing = [len({seat[item] for seat in by_item if item in seat}) for item in found.items]
    assert 2 in differing
    assert all({turn.left, turn.right} == {"latxa", "llama"} for turn in found.seats[0].turns)


@pytest.mark.parametrize("seats", [1, 2, 3, 4])
def test_of_more_models_each_two_are_compared_as_often(seats: int) -> None:
    dealt = sampling.deal(12 + 9 * seats, seats, 12, 0, MODELS)
    for shared, each in ((True, 4), (False, 3)):
        for seat in dealt:
            turns = [frozenset(one.models) for one in seat if one.shared is shared]
            expected = {frozenset(two): each for two in combinations(MODELS, 2)}
            assert Counter(turns) == expected
    pairs_of = [{one.item: frozenset(one.models) for one in seat if one.shared} for seat in dealt]
    assert all(one == pairs_of[0] for one in pairs_of)


def test_answers_of_three_models_are_joined(tmp_path: Path) -> None:
    folders = runs(tmp_path)
    found = plan.plan_comparison(folders, "wildvision", "eu", Asked(2, 12, 6)).make(tmp_path / "p")
    assert all(set(item.answers) == set(MODELS) for item in found.project.items.values())
    assert found.project.settings["models"] == list(MODELS)
    assert len(found.project.items) == 24


def test_evaluations_outside_a_study_are_told_where_their_rows_are(tmp_path: Path) -> None:
    corpus = answered.corpus(tmp_path / "somewhere", 6)
    folders = [answered.run(tmp_path / name) for name in MODELS[:2]]
    found = plan.plan_comparison(folders, "wildvision", "eu", Asked(1, 6), corpus=corpus)
    assert len(found.make(tmp_path / "project").project.items) == 6


def test_a_name_that_two_of_three_runs_have_is_refused(tmp_path: Path) -> None:
    folders = runs(tmp_path, MODELS[:2])
    other = answered.run(tmp_path / "elsewhere" / "llama", rows=24)
    with pytest.raises(InputError, match="expected 3 different names, found latxa, llama"):
        plan.plan_comparison([*folders, other], "wildvision", "eu", Asked(1, 2))


def test_one_run_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="runs: expected 2 or more, found 1"):
        plan.plan_comparison(runs(tmp_path, MODELS[:1]), "wildvision", "eu", Asked(1, 2))


def test_other_answers_make_another_project(tmp_path: Path) -> None:
    folders = runs(tmp_path, MODELS[:2])
    plan.plan_comparison(folders, "wildvision", "eu", Asked(1, 2)).make(tmp_path / "project")
    again = plan.plan_comparison(folders, "wildvision", "eu", Asked(1, 2)).make(
        tmp_path / "project"
    )
    assert again.words == {}
    (folders[1] / "rows.parquet").unlink()
    folders[1].rmdir()
    answered.run(folders[1], said="something else", rows=24)
    with pytest.raises(InputError, match="made of something else"):
        plan.plan_comparison(folders, "wildvision", "eu", Asked(1, 2)).make(tmp_path / "project")


def test_the_papers_plans_are_told_what_they_can_show() -> None:
    told = " ".join(shows.describe(shows.compute_for_preferences(264, 2, 44)))
    assert "132 of 264 items are decided, of which a model must win 78;" in told
    assert "difference of 12.5% between their shares of wins would be found in 80" in told
    assert "to within 0.23 from the 44 shared items" in told
    told = " ".join(shows.describe(shows.compute_for_shares("validate", [1.0] * 100, 20, 5000)))
    assert "A share of 85% would be known to be within 76.7% and 90.7%" in told


def test_few_items_are_told_to_show_nothing() -> None:
    told = " ".join(shows.describe(shows.compute_for_shares("validate", [1.0] * 12, 4, 5000)))
    assert "The 4 shared items are too few to say how far people agree" in told
    told = " ".join(shows.describe(shows.compute_for_preferences(6, 3, 0)))
    assert "too few to show any difference" in told
    assert "No item is shared" in told


def test_what_would_be_needed_would_do() -> None:
    (line,) = (one for one in shows.describe_margin("validate", 0.05, 0.5) if "85%" in one)
    assert "takes 392 items" in line  # twice as many, as each counts for half
    asked = [int(one.split()[-2].replace(",", "")) for one in shows.describe_difference(0.12, 2)]
    least = shows.compute_for_preferences(asked[1], 2, 0)["ties"][1]["difference"]
    assert least == pytest.approx(0.12, abs=0.003)
    of_three = [one.split()[-2].replace(",", "") for one in shows.describe_difference(0.12, 3)]
    assert [int(one) for one in of_three] == [3 * items for items in asked]


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main(words)
    return int(end.value.code or 0)


def test_a_dry_run_says_what_could_be_shown_and_makes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = corpus_of(tmp_path / "rows", "caption", 30)
    words = ["annotate", "plan", "validate", str(corpus), "--language", "eu", "--shared", "5"]
    words += ["--own", "5", "--output", str(tmp_path / "project"), "--margin", "0.05"]
    assert run(*words, "--dry-run") == 0
    told = capsys.readouterr().out
    assert "25 items, 40 turns of 4 people." in told
    assert "To know a share of 85% to within 5.0% takes 196 items." in told
    assert not (tmp_path / "project").exists()


def test_links_are_printed_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = map(str, runs(tmp_path, MODELS[:2]))
    words = ["annotate", "plan", "compare", one, other, "--benchmark", "wildvision"]
    words += ["--language", "eu", "--shared", "10", "--output", str(tmp_path / "project")]
    assert run(*words, "--difference", "0.2") == 0
    told = capsys.readouterr().out
    links = dict(re.findall(r"^(\S+) +/to/(\S+)$", told, re.MULTILINE))
    assert {word: code for code, word in links.items()} == project.read_links(tmp_path / "project")
    assert "To find a difference of 20.0% between the shares of wins, with 50% ties" in told
    assert run(*words) == 0
    again = capsys.readouterr().out
    assert "was made before" in again and not any(word in again for word in links.values())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--all", "--own", "3"], "--own: expected nothing, as all rows are asked about"),
        (["--margin", "0"], "--margin: expected a number from 0.005 to 0.5, found 0"),
    ],
)
def test_words_that_contradict_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    corpus = corpus_of(tmp_path / "rows", "caption", 6)
    given = ["annotate", "plan", "validate", str(corpus), "--language", "eu", "--shared", "2"]
    assert run(*given, "--output", str(tmp_path / "project"), *words) == 3
    assert told in capsys.readouterr().err
    assert not (tmp_path / "project").exists()


def test_every_row_can_be_selected_from_the_command_line(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "rows", "open", 6)
    words = ["annotate", "plan", "select", str(corpus), "--language", "en"]
    assert run(*words, "--output", str(tmp_path / "project")) == 0
    assert len(project.read(tmp_path / "project").by_code["annotator-1"].turns) == 6
