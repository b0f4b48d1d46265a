"""The figures of a judge, computed from its games: each counted by hand."""

from typing import Any

import pytest

from ikusi.judge.figures import Judging, compute
from ikusi.judge.games import IDENTICAL, WRONG_PICTURE
from ikusi.judge.record import Played
from ikusi.judgements import Judgement
from ikusi.judgements.figures import compute as compute_judgements
from ikusi.report import judging
from ikusi.report.judgements import make_tables, write_notes
from judgements import samples

RATER = "gpt-judge (paper, en)"
SHORT, LONG = 10, 90


def game(id: str, verdict: str, swapped: bool = False, control: str = "", **more: Any) -> Played:
    """latxa's answer is the longer one; gpt-2 is of the judge's own family."""
    models = ("gpt-2", "latxa") if swapped else ("latxa", "gpt-2")
    lengths = {"latxa": LONG, "gpt-2": SHORT}
    given: dict[str, Any] = {
        "benchmark": "wildvision", "language": "eu", "id": id, "control": control,
        "rater": RATER, "judge": "gpt-judge", "family": "gpt",
        "left": models[0], "right": models[1],
        "families": [name.partition("-")[0] for name in models],
        "lengths": [lengths[name] for name in models], "masks": [0, 0],
        "content": "0", "picture": "", "picture_bytes": 0,
        "asked": {"seed": 0, "prompt_hash": "0"}, "server": "", "fields": {}, "schema_kept": True,
        "verdict": verdict, "seconds": 1.0, "made": samples.MADE,
    }  # fmt: skip
    return Played.model_validate(given | more)


def both(id: str, one: str, other: str) -> list[Played]:
    return [game(id, one), game(id, other, swapped=True)]


def the_only(games: list[Played]) -> Judging:
    (found,) = compute(games)
    return found


def counts(found: Judging, name: str) -> tuple[int, int] | None:
    share = found.find(name)
    return None if share is None else (share.times, share.n)


def test_orders_ties_and_leans_are_counted() -> None:
    games = [
        *both("a", "A", "B"),  # latxa both times: the longer, shown first once
        *both("b", "A", "A"),  # whichever stands first
        *both("c", "tie", "tie"),
        *both("d", "tie", "B"),
        *both("e", "invalid", "A"),  # gpt-2
        *both("f", "refused", "refused"),
    ]
    found = the_only(games)
    assert (found.games, found.invalid, found.refused) == (12, 1, 2)
    assert counts(found, "ties") == (3, 9)
    assert counts(found, "consistent") == (2, 4)
    assert counts(found, "first") == (4, 6)
    assert counts(found, "longer") == (4, 6)
    assert counts(found, "family") == (2, 6)
    assert found.find("identical") is None and found.find("wrong_picture") is None


def test_the_sign_test_takes_pairs_and_not_games() -> None:
    found = the_only([one for id in "abcdef" for one in both(id, "A", "A")])
    first, longer = found.find("first"), found.find("longer")
    assert first and longer
    assert first.p == pytest.approx(2 * 0.5**6)  # six pairs, not twelve games
    assert longer.p == 1.0  # each pair once for either


def test_games_of_one_pair_say_less_than_games_of_many() -> None:
    few = the_only([one for id in "abcdefgh" for one in both(id, *["A" if id < "g" else "B"] * 2)])
    many = the_only([game(f"{n}", "A" if n < 12 else "B") for n in range(16)])
    one, other = few.find("first"), many.find("first")
    assert one and other and (one.times, one.n) == (other.times, other.n) == (12, 16)
    assert one.interval.low < other.interval.low and one.interval.high > other.interval.high


def test_controls_are_counted_apart_from_games() -> None:
    real = [*both("a", "A", "B"), *both("b", "tie", "tie"), *both("c", "B", "invalid")]
    same: dict[str, Any] = {"left": "latxa", "right": "latxa"}
    controls = [
        game("a", "tie", control=IDENTICAL, **same),
        game("b", "A", control=IDENTICAL, **same),
        game("c", "invalid", control=IDENTICAL, **same),
        game("a", "A", control=WRONG_PICTURE),
        game("b", "B", control=WRONG_PICTURE),
        game("c", "refused", control=WRONG_PICTURE),
        game("z", "A", control=WRONG_PICTURE),  # whose own game has no verdict yet
    ]
    found, alone = the_only([*real, *controls]), the_only(real)
    assert counts(found, "identical") == (1, 2)
    assert counts(found, "wrong_picture") == (1, 2)
    for name in ("ties", "consistent", "first", "longer", "family"):
        assert found.find(name) == alone.find(name)
    assert (found.games, found.invalid) == (alone.games, alone.invalid) == (6, 1)


def test_judges_and_pairs_of_models_are_not_mixed() -> None:
    other: dict[str, Any] = {"left": "latxa", "right": "gpt-3"}
    games = [game("a", "A"), game("a", "B", rater="another"), game("a", "tie", **other)]
    assert [(one.rater, one.models) for one in compute(games)] == [
        ("another", ("gpt-2", "latxa")), (RATER, ("gpt-2", "latxa")), (RATER, ("gpt-3", "latxa")),
    ]  # fmt: skip
    same = game("a", "tie", control=IDENTICAL, left="gpt-2", right="gpt-2")
    found = compute([*games, same])
    assert [one.find("identical") is not None for one in found] == [False, True, False]


def lines(people: list[Judgement], games: list[Played]) -> list[str]:
    judged = [one.judgement() for one in games if not one.control]
    figures = compute_judgements([*people, *judged], resamples=50)
    judging = compute(games)
    table = next(one for one in make_tables(figures, judging) if one.name == "judging")
    assert all(len(row) == len(table.columns) for row in table.rows)
    return [note for note in write_notes(figures, judging) if "believe it as far" in note]


def test_a_line_says_on_what_it_rests_to_believe_a_judge() -> None:
    games = [
        one
        for number in range(30)
        for one in both(f"q{number}", *[("A", "B"), ("tie", "tie"), ("B", "A")][number % 3])
    ]
    (line,) = lines([], games)
    assert "no other rater has judged these pairs" in line
    assert "it says the same in both orders for 30 of 30 (0.89 to 1.00)" in line
    winners = ("latxa", "tie", "gpt-2")
    sides: dict[str, Any] = {"left": "latxa", "right": "gpt-2"}

    def said(shift: int, kind: str) -> list[Judgement]:
        return [
            samples.compared(
                f"q{n}",
                "ane",
                {"latxa": "A", "tie": "tie", "gpt-2": "B"}[winners[(n + shift) % 3]],
                kind=kind,
                **sides,
            )
            for n in range(30)
        ]

    (line,) = lines(said(0, "person"), games)
    assert "Cohen's kappa with people is 1.00 (" in line and "chance" not in line
    (line,) = lines(said(1, "person"), games)
    assert "Cohen's kappa with people is -0.50 (" in line and "which may be chance" in line
    (line,) = lines(said(0, "simulated"), games)
    assert "Cohen's kappa with SIMULATED raters is" in line


def test_a_judge_that_prefers_what_stands_first_is_named_so() -> None:
    (line,) = lines([], [one for n in range(12) for one in both(f"q{n}", "A", "A")])
    assert "it leans to the first answer (24 of 24 (" in line and "longer" not in line


def test_answers_without_a_verdict_are_shares_of_all_games() -> None:
    games = [*both("a", "A", "B"), *both("b", "tie", "invalid")]
    rows = judging.make_table(compute(games)).rows
    (row,) = (row for row in rows if "games: invalid" in row)
    assert row[4:] == ["games: invalid", 1, 4, 0.25, None, None, None]
