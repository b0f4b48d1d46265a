"""The time that a study which runs will still take."""

import pytest

from ikusi.study.graph import State, Step
from ikusi.study.remaining import Plan, Planned, estimate_seconds
from study.grids import STEPS

FLAT = {step.name: Planned(100.0, True) for step in STEPS}


def states(**changed: State) -> dict[str, State]:
    named = {name.replace("_", "/", 1).replace("_", "-"): state for name, state in changed.items()}
    assert named.keys() <= {step.name for step in STEPS}
    return {step.name: named.get(step.name, State()) for step in STEPS}


def estimate(
    changed: dict[str, State], plan: Plan | None = None, workers: int = 1, now: float = 0.0
) -> tuple[float, list[str]]:
    seconds, unknown = estimate_seconds(STEPS, changed, workers, now, plan)
    return pytest.approx(seconds), unknown  # type: ignore[return-value]


def done(seconds: float) -> State:
    return State("done", 1.0, seconds=seconds)


def halfway() -> dict[str, State]:
    return states(
        data=done(60),
        align_a=State("current", 1.0, seconds=30),
        instruct_a_000=done(100),
        evaluate_a_000=done(10),
        instruct_a_100=State("running", 0.43, began=0.0),
    )


def test_steps_are_judged_by_those_of_their_kind() -> None:
    now = 43.0  # the running step made 43 % in 43 seconds
    assert estimate(halfway(), workers=2, now=now) == (57 + 10, [])


def test_a_resumed_step_is_judged_by_what_it_did_since() -> None:
    going = halfway() | {"instruct/a-100": State("running", 0.6, started_at=0.5, began=0.0)}
    assert estimate(going, now=10.0) == (40 + 10, [])


def test_kinds_of_which_nothing_is_known_are_named_and_not_counted() -> None:
    early = states(data=State("running", 0.99, began=0.0))
    assert estimate(early, now=99.0, workers=2) == (1, ["align", "instruct", "evaluate"])


def test_a_plan_by_measured_speeds_stands_in_for_kinds_that_were_not_measured() -> None:
    assert estimate(states(), FLAT) == (600, [])
    assert estimate(states(data=done(50)), FLAT) == (500, [])


def test_steps_of_a_kind_are_as_long_beside_each_other_as_planned() -> None:
    plan = FLAT | {"instruct/a-100": Planned(150.0, True)}
    now = states(data=done(1), align_a=done(1), instruct_a_000=done(300), evaluate_a_000=done(7))
    assert estimate(now, plan) == (450 + 7, [])


def test_a_kind_is_judged_by_its_mean_where_one_of_it_is_not_planned() -> None:
    plan = {name: planned for name, planned in FLAT.items() if name != "instruct/a-000"}
    now = states(data=done(1), align_a=done(1), instruct_a_000=done(300), evaluate_a_000=done(7))
    assert estimate(now, plan) == (300 + 7, [])


def test_a_plan_by_assumed_speeds_only_compares_trainings() -> None:
    plan = {name: Planned(planned.seconds, False) for name, planned in FLAT.items()}
    assert estimate(states(), plan) == (0, ["data", "align", "instruct", "evaluate"])
    aligned = states(data=done(5), align_a=done(30))
    assert estimate(aligned, plan | {"instruct/a-100": Planned(300.0, False)}) == (
        30 + 90,
        ["evaluate"],
    )


def test_a_step_that_has_hardly_begun_is_mostly_judged_by_the_plan() -> None:
    plan = {step.name: Planned(100.0, True) for step in STEPS}
    begun = halfway() | {"instruct/a-000": State(), "evaluate/a-000": State()}
    begun["instruct/a-100"] = State("running", 0.05, began=0.0)
    # By its own pace it takes 200 seconds. The other of its kind is judged by the same pace.
    (seconds, _) = estimate(begun, plan, workers=1, now=10.0)
    assert seconds == 200 * 0.95 + 200 + 2 * 100
    known = begun | {"instruct/a-000": done(100)}
    (seconds, _) = estimate(known, plan, workers=1, now=10.0)
    assert seconds == (0.25 * 200 + 0.75 * 100) * 0.95 + 2 * 100


def test_a_step_without_any_pace_yet_has_what_is_planned_less_what_is_gone() -> None:
    begun = states(data=done(1), align_a=State("running", 0.0, began=0.0))
    assert estimate(begun, FLAT, now=30.0) == (70 + 400, [])
    assert estimate(begun, FLAT, now=130.0) == (400, [])


def test_steps_are_laid_out_as_they_will_be_taken_up() -> None:
    steps = [Step(f"instruct/{name}", "m:f") for name in "abc"]
    plan = {step.name: Planned(100.0, True) for step in steps}
    seconds, _ = estimate_seconds(steps, {step.name: State() for step in steps}, 2, 0.0, plan)
    assert seconds == 200  # not 150: the third begins when one of the first two is done


def test_a_step_that_runs_is_not_put_off_for_a_deeper_one() -> None:
    steps = [Step("data", "m:f"), Step("instruct/a", "m:f"), Step("evaluate/a", "m:f", ("data",))]
    plan = {step.name: Planned(100.0, True) for step in steps} | {"data": Planned(10.0, True)}
    now = {"data": done(10), "instruct/a": State("running", 0.0, began=0.0), "evaluate/a": State()}
    chain = [*steps, Step("report", "m:f", ("instruct/a",))]
    seconds, _ = estimate_seconds(
        chain, now | {"report": State()}, 2, 0.0, plan | {"report": Planned(100.0, True)}
    )
    assert seconds == 200
    crowded = [*chain, Step("evaluate/b", "m:f", ("data",))]
    plan |= {"report": Planned(100.0, True), "evaluate/b": Planned(100.0, True)}
    seconds, _ = estimate_seconds(
        crowded, now | {"report": State(), "evaluate/b": State()}, 2, 0.0, plan
    )
    assert seconds == 200  # not 300: the two measurements do not take its slot
