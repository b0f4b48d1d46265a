"""Steps laid out on cards."""

import pytest

from ikusi.plan.work import Work
from ikusi.study import timetable
from ikusi.study.timetable import Timetable


def step(name: str, *inputs: str, cards: int = 1) -> Work:
    return Work(name, name[0], inputs, "", cards=cards)


def lay_out(works: list[Work], seconds: dict[str, float], cards: int, slots: int) -> Timetable:
    needed = {work.name: work.cards for work in works}
    return timetable.lay_out(works, seconds, slots, cards=needed, count=cards)


def seconds(works: list[Work], each: float = 10) -> dict[str, float]:
    return {work.name: each for work in works}


def test_steps_run_side_by_side_on_as_many_cards_as_there_are() -> None:
    works = [step("a"), step("b"), step("c"), step("d")]
    assert lay_out(works, seconds(works), 2, 8).ends == 20
    assert lay_out(works, seconds(works), 4, 8).ends == 10
    assert lay_out(works, seconds(works), 4, 1).ends == 40


def test_a_step_waits_for_its_inputs() -> None:
    works = [step("a"), step("b", "a"), step("c", "a"), step("d", "b", "c")]
    made = lay_out(works, seconds(works), 8, 8)
    assert made.begins == {"a": 0, "b": 10, "c": 10, "d": 20}
    assert made.ends == 30


def test_what_comes_later_in_the_study_goes_first_once_it_is_ready() -> None:
    works = [step("a"), step("z"), step("b", "a")]
    made = lay_out(works, seconds(works), 1, 1)
    assert made.begins == {"a": 0, "b": 10, "z": 20}


def test_a_step_of_several_cards_waits_until_they_are_free() -> None:
    works = [step("a"), step("b", cards=4)]
    made = lay_out(works, seconds(works), 4, 8)
    assert made.begins == {"a": 0, "b": 10}


def test_a_step_that_can_never_run_is_a_fault() -> None:
    with pytest.raises(ValueError, match="needs what never comes"):
        lay_out([step("b", cards=4)], {"b": 1}, 2, 1)


def test_a_step_that_runs_keeps_its_slot_and_one_that_is_done_holds_up_none() -> None:
    works = [step("a"), step("b", "a"), step("z")]
    taken = {"a": 10.0, "b": 10.0, "z": 3.0}
    made = timetable.lay_out(works, taken, 1, running=["z"], done=["a"])
    assert made.begins == {"z": 0, "b": 3}
    assert made.ends == 13
