"""Tables 1 and 2 of the paper, from counts that give its figures, and people beside judges."""

import pytest

from ikusi.judgements import Judgement
from ikusi.judgements.figures import Figures, compute
from ikusi.judgements.preferences import Preference
from judgements.samples import MADE, PEOPLE, compared, table_1, table_2, validated

LATER = "2026-11-28T11:00:00Z"


def figures(rows: list[Judgement]) -> Figures:
    return compute(rows, resamples=200)


# Acceptance and agreement of the paper's table 1, with rejections of shared items that give them.
PAPER = {
    "VQAv2": (67, 0.8375, [1] * 7 + [2] + [0] * 12, 0.8875),
    "A-OKVQA": (69, 0.8625, [1] * 7 + [2] + [0] * 12, 0.8875),
    "PixMo-CapQA": (78, 0.975, [1] * 4 + [0] * 16, 0.95),
}


@pytest.mark.parametrize("name", PAPER)
def test_table_1_of_the_paper_comes_out_of_its_counts(name: str) -> None:
    own, acceptance, rejections, agreement = PAPER[name]
    (found,) = figures(list(table_1(own, rejections))).table_1
    shares = {share.of: share for share in found.shares}
    assert (shares["own"].accepted, shares["own"].n) == (own, 80)
    assert shares["own"].interval.mean == pytest.approx(acceptance)
    rule = {one.name: one for one in found.agreement}["majority_share"]
    assert rule.value == pytest.approx(agreement)
    assert (rule.items, rule.ratings) == (20, 80)
    rejected = sum(rejections)
    assert (shares["shared"].accepted, shares["shared"].n) == (80 - rejected, 80)
    assert (shares["ratings"].accepted, shares["ratings"].n) == (own + 80 - rejected, 160)
    split = rejections.count(2)
    assert (shares["items"].n, found.inconclusive) == (100 - split, split)
    assert "kappa and alpha are near 0" in found.note


def test_no_warning_stands_beside_evenly_used_verdicts() -> None:
    (found,) = figures(list(table_1(40, [0, 4] * 8 + [1, 3, 1, 3]))).table_1
    assert found.note == ""
    kappa = {one.name: one for one in found.agreement}["fleiss_kappa"]
    assert kappa.value is not None and kappa.value > 0.7


def test_rows_that_were_drawn_more_often_count_less() -> None:
    """Of 100 rows 20 are flagged; 10 of these are asked about, and 10 of the other 80."""
    rows = [
        validated(f"{flag}-{n}", "ane", "accept" if n < accepted else "reject", weight=weight)
        for flag, accepted, weight in (("flagged", 5, 0.4), ("plain", 9, 1.6))
        for n in range(10)
    ]
    (found,) = figures(rows).table_1
    for share in found.shares:
        assert (share.accepted, share.n) == (14, 20)
        assert share.interval.mean == pytest.approx(0.2 * 0.5 + 0.8 * 0.9)
        assert share.interval.low < 0.82 < share.interval.high
        assert share.effective < 20
    (plain,) = figures([row.model_copy(update={"weight": 1.0}) for row in rows]).table_1
    assert plain.shares[0].interval.mean == pytest.approx(0.7)


def test_a_weight_belongs_to_its_item_in_its_own_table() -> None:
    rows = [validated("1", "ane", "accept", weight=3.0), validated("2", "ane", "reject")]
    rows += [validated("1", "ane", "accept", benchmark="other")]
    rows += [validated("2", "ane", "reject", benchmark="other")]
    found = {one.sheet.benchmark: one.shares[0].interval for one in figures(rows).table_1}
    assert found["vqav2"].mean == 0.75 and found["other"].mean == 0.5


def test_rows_that_are_kept_are_counted_as_those_that_are_accepted() -> None:
    said = [("1", "keep"), ("2", "keep"), ("3", "drop")]
    rows = [validated(id, who, one, task="select") for id, one in said for who in PEOPLE]
    (found,) = figures(rows).table_1
    counts = {share.of: share.accepted for share in found.shares}
    assert counts == {"ratings": 8, "shared": 8, "items": 2}
    assert {one.name: one.value for one in found.agreement}["majority_share"] == 1


def by_kind(found: Figures) -> dict[str, Preference]:
    return {one.sheet.kind: one for one in found.table_2 if not one.rater}


def test_table_2_of_the_paper_comes_out_of_its_counts() -> None:
    found = by_kind(figures(list(table_2())))
    people, judge = found["person"], found["model"]
    assert people.counts == {"latxa": 61, "tie": 142, "llama": 54, "inconclusive": 7}
    assert judge.counts == {"latxa": 83, "tie": 97, "llama": 84, "inconclusive": 0}
    for one, shares in ((people, (23.11, 53.79, 20.45)), (judge, (31.44, 36.74, 31.82))):
        assert one.items == sum(one.counts.values()) == 264
        printed = [round(100 * share.mean, 2) for share in one.shares.values()]
        assert tuple(printed) == shares
    assert (people.test.wins, people.test.losses) == (61, 54)
    assert people.test.p_value == pytest.approx(0.576, abs=5e-4)
    assert judge.test.p_value == 1
    agreement = {one.name: one for one in people.agreement}
    assert (agreement["cohen_kappa"].items, agreement["cohen_kappa"].ratings) == (44, 176)


def test_a_verdict_is_the_models_whichever_side_its_answer_stood_on() -> None:
    rows = [compared("1", rater, "llama", swapped=n % 2 == 0) for n, rater in enumerate(PEOPLE)]
    assert {row.verdict for row in rows} == {"A", "B"}
    found = by_kind(figures(rows))["person"]
    assert found.counts == {"latxa": 0, "tie": 0, "llama": 1, "inconclusive": 0}
    assert {one.name: one.value for one in found.agreement}["percent"] == 1


def test_a_majority_is_more_than_half_of_the_verdicts_given() -> None:
    def decided(*winners: str) -> dict[str, int]:
        said = zip(PEOPLE, winners, strict=False)
        counts = by_kind(figures([compared("1", *one) for one in said]))["person"].counts
        return {name: count for name, count in counts.items() if count}

    assert decided("latxa", "latxa", "tie", "llama") == {"inconclusive": 1}
    assert decided("latxa", "latxa", "tie", "latxa") == {"latxa": 1}
    assert decided("latxa", "llama") == {"inconclusive": 1}
    assert decided("latxa", "skipped", "invalid", "skipped") == {"latxa": 1}
    assert decided("skipped", "invalid", "refused") == {"skipped": 1}


def test_a_changed_mind_counts_once_and_stays_in_the_table() -> None:
    rows = [validated("1", "ane", "reject"), validated("1", "ane", "accept", made=LATER)]
    for given in (rows, rows[::-1]):  # by time, not by place
        found = figures(given)
        assert (found.rows, found.replaced, found.kinds) == (2, 1, {"person": 1})
        assert found.table_1[0].shares[0].accepted == 1
    same = figures([validated("1", "ane", "reject"), validated("1", "ane", "accept")])
    assert same.table_1[0].shares[0].accepted == 1  # of one time: the one further down


def test_what_was_taken_back_is_no_verdict() -> None:
    rows = [validated("1", "ane", "accept"), validated("1", "ane", "skipped", made=LATER)]
    found = figures(rows).table_1[0]
    assert found.shares == [] and found.sheet.apart() == {"skipped": 1}


def test_a_judge_that_sees_both_orders_must_say_the_same_twice() -> None:
    def said(first: str, second: str) -> dict[str, int]:
        rows = [compared("1", "gpt-5", first, kind="model")]
        rows.append(compared("1", "gpt-5", second, swapped=True, kind="model"))
        counts = by_kind(figures(rows))["model"].counts
        return {name: count for name, count in counts.items() if count}

    assert said("latxa", "latxa") == {"latxa": 1}
    assert said("tie", "tie") == {"tie": 1}
    assert said("latxa", "llama") == {"inconsistent": 1}
    assert said("latxa", "tie") == {"inconsistent": 1}
    assert said("latxa", "invalid") == {"invalid": 1}
    assert said("refused", "tie") == {"refused": 1}


def test_kinds_of_raters_are_never_counted_together() -> None:
    rows = [validated("1", "ane", "accept"), validated("1", "ane", "reject", kind="simulated")]
    found = figures(rows)
    assert found.simulated and found.kinds == {"person": 1, "simulated": 1}
    assert [(one.sheet.kind, one.shares[0].n) for one in found.table_1] == [
        ("person", 1),
        ("simulated", 1),
    ]
    assert not figures(rows[:1]).simulated


def test_several_judges_are_shown_alone_and_by_majority() -> None:
    said = {"one": "latxa", "two": "latxa", "three": "tie"}
    rows = [compared("1", name, verdict, kind="model") for name, verdict in said.items()]
    found = {one.rater: one.counts for one in figures(rows).table_2}
    assert found[""]["latxa"] == found["one"]["latxa"] == found["three"]["tie"] == 1
    assert set(found) == {"", "one", "two", "three"}
    people = [row.model_copy(update={"kind": "person"}) for row in rows]
    assert [one.rater for one in figures(people).table_2] == [""]


def test_people_and_judge_are_compared_on_what_both_have_decided() -> None:
    rows = list(table_2())
    rows.append(compared("own-0", "gpt-5", "invalid", kind="model", made=LATER))
    rows.append(compared("extra", "gpt-5", "tie", kind="model"))
    (found,) = figures(rows).judges
    assert (found.kind, found.judge) == ("person", "gpt-5")
    assert found.left_out["inconclusive among the others"] == 7
    assert found.left_out["only asked of the judge"] == 1
    assert found.left_out["no verdict of the judge"] in (0, 1)
    undecided = sum(found.left_out.values()) - 1
    assert found.table.sum() == 264 - undecided
    kappa = {one.name: one for one in found.agreement}["cohen_kappa"]
    assert kappa.items == found.table.sum()
    observed = found.table.trace() / found.table.sum()
    theirs, its = found.table.sum(axis=1), found.table.sum(axis=0)
    chance = (theirs * its).sum() / found.table.sum() ** 2
    assert kappa.value == pytest.approx((observed - chance) / (1 - chance))
    assert found.ties is not None
    assert found.ties.only_a == theirs[1] - found.table[1, 1]
    assert found.ties.only_b == its[1] - found.table[1, 1]
    assert found.ties.p_value < 0.01  # the judge says tie less often


def test_a_judge_of_other_questions_is_not_compared() -> None:
    rows = [compared("1", "ane", "tie"), compared("1", "gpt-5", "tie", kind="model", language="en")]
    assert figures(rows).judges == []


def test_a_judge_validates_beside_people_too() -> None:
    rows = list(table_1(67, [1] * 20))
    rows += [validated(f"own-{n}", "gpt-5", "accept", kind="model") for n in range(80)]
    (found,) = figures(rows).judges
    assert found.table.tolist() == [[0, 13], [0, 67]]
    assert found.ties is None


def test_three_models_are_ranked_and_their_tests_corrected() -> None:
    rows = []
    pairs = (("best", "middle"), ("middle", "worst"), ("best", "worst"))
    for item in range(60):
        for stronger, weaker in pairs:
            winner = weaker if item % 6 == 0 else "tie" if item % 6 == 1 else stronger
            left, right = (weaker, stronger) if item % 2 else (stronger, weaker)
            rows.append(compared(f"{item}", "ane", winner, left=left, right=right))
    found = figures(rows)
    (ranking,) = found.rankings
    assert [name for name, _ in ranking.strengths] == ["best", "middle", "worst"]
    assert (ranking.comparisons, ranking.items) == (180, 60)
    values = [one.value for _, one in ranking.strengths]
    assert sum(value or 0 for value in values) == pytest.approx(0)
    for one in found.table_2:
        assert one.adjusted == pytest.approx(min(1, 3 * one.test.p_value))
    assert figures(list(table_2())).rankings == []


def test_inconclusive_items_are_no_comparison_of_a_ranking() -> None:
    rows = [compared("1", "ane", "latxa"), compared("1", "jon", "llama")]
    rows += [compared("1", "ane", "tie", left="latxa", right="third")]
    (ranking,) = figures(rows).rankings
    assert ranking.comparisons == 1
    assert "no comparison joins" in ranking.strengths[0][1].why


def test_the_same_table_gives_the_same_figures() -> None:
    rows = list(table_2())
    first, again = figures(rows), figures(rows)
    assert [one.agreement for one in first.table_2] == [one.agreement for one in again.table_2]
    assert rows[0].made == MADE
