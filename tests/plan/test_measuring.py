"""Speeds that are measured, and plans that go by them."""

import json
from pathlib import Path
from typing import Any

import pytest

import warm
from ikusi import recipe, speeds
from ikusi.data.corpus import CorpusWriter
from ikusi.errors import InputError
from ikusi.plan import card, measuring, pace, planning
from ikusi.plan.card import Card, Hardware
from ikusi.plan.span import Span
from ikusi.plan.work import Work
from ikusi.recipe import Recipe
from ikusi.recipe.folder import StudyFolder
from ikusi.speeds import Speed
from ikusi.study import layout, noting
from ikusi.study.graph import Step
from ikusi.translate import run, settings

ROOT = Path(__file__).parents[2]
FEWER = {"eval_batch_size": 8}
GPU = card.load("h100")
CORE = Card(name="a core", generation="processor", memory=1e10, peak=1e10, bandwidth=1e10,
            power=None, source="made up")  # fmt: skip


def speed(amount: float, seconds: float, **more: Any) -> Speed:
    given = {"machine": "H200", "kind": "evaluate", "about": "x", "rows": 10}
    return Speed(**{**given, "amount": amount, "seconds": seconds, **more})


def estimate(known: list[Speed], amount: float, which: Card = GPU) -> pace.Pace:
    named = [one.model_copy(update={"machine": which.name}) for one in known]
    work = Work("e", "evaluate", (), "x", "reading", amount=Span.exactly(amount), rows=10)
    return pace.estimate(work, which, named)


def middle(known: list[Speed], amount: float, which: Card = GPU) -> float:
    seconds = estimate(known, amount, which).seconds
    assert seconds
    return seconds.middle


def test_two_sizes_tell_what_does_not_depend_on_the_size() -> None:
    assert middle([speed(10, 15), speed(100, 105)], 1000) == pytest.approx(5 + 1000)


def test_one_size_tells_a_rate_alone() -> None:
    assert middle([speed(10, 20)], 1000) == pytest.approx(2000)


def test_a_rate_is_never_negative() -> None:
    assert middle([speed(10, 30), speed(100, 20)], 1000) == pytest.approx(25)


def test_a_trainings_own_pace_counts_once_its_models_are_open() -> None:
    known = [speed(10, 17, steady=10), speed(20, 27, steady=20)]
    assert middle(known, 1000) == pytest.approx(7 + 1000)


def test_a_processor_that_others_share_counts_in_its_own_time() -> None:
    known = [speed(10, 40, processor=10), speed(100, 250, processor=100)]
    assert middle(known, 1000, CORE) == pytest.approx(1000)
    assert middle(known, 1000) > 2000


def test_speeds_that_differ_much_make_a_wide_error() -> None:
    near, far = estimate([speed(10, 10), speed(10, 10)], 10), estimate(
        [speed(10, 10), speed(10, 20)], 10
    )  # fmt: skip
    assert near.seconds and far.seconds
    assert near.seconds.high / near.seconds.middle == pytest.approx(1.1)
    assert far.seconds.high / far.seconds.middle == pytest.approx(1 + 5 / 15)


def test_the_most_memory_that_was_seen_is_told() -> None:
    known = [speed(10, 10, memory=3.0), speed(10, 10, memory=5.0), speed(10, 10)]
    assert estimate(known, 10).memory == 5


def test_a_first_step_takes_and_holds_what_loading_adds() -> None:
    known = [
        speed(10, 45, memory=3.0, fresh=True),
        *(speed(n, n + 5, memory=9.0) for n in (20, 60)),
    ]
    found = estimate(known, 1000)
    first = found.at_first()
    assert found.seconds and first.seconds
    assert (found.seconds.middle, found.memory) == (pytest.approx(1005), 9)
    assert (first.seconds.middle, first.memory) == (pytest.approx(1005 + 30), 3)
    assert estimate(known[1:], 1000).at_first().memory == 9
    assert middle(known[:1], 20) == pytest.approx(90)  # better than nothing
    quick = estimate([speed(10, 1, fresh=True), *known[1:]], 1000)
    assert quick.at_first().seconds == quick.seconds  # never less than a later one


def test_each_process_loads_libraries_once_for_each_kind_of_step() -> None:
    recipe, here = load("emoji-eu-quick"), Hardware(CORE, 4)
    about = next(
        one.work.about
        for one in planning.make_plan(recipe, here, StudyFolder(ROOT / "none"), known=[]).lines
        if one.work.kind == "instruct"
    )
    told = {"machine": CORE.name, "kind": "instruct", "about": about}
    known = [speed(10, 45, fresh=True, **told), speed(20, 25, **told), speed(60, 65, **told)]
    for workers in (1, 3):
        made = planning.make_plan(
            recipe.model_copy(update={"workers": workers}), here, StudyFolder(ROOT / "none"),
            known=known,
        )  # fmt: skip
        taken = [one.pace.seconds for one in made.lines if one.work.kind == "instruct"]
        more = [round(one.middle - taken[-1].middle) for one in taken if one and taken[-1]]
        assert more == [30] * workers + [0] * (4 - workers)


def test_the_steps_of_a_study_are_estimated_by_speeds_of_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe, here, study = load("emoji-eu-quick"), Hardware(CORE, 2), StudyFolder(ROOT / "none")
    monkeypatch.setattr(planning, "find_machine", lambda: here)
    made = planning.make_plan(recipe, here, study, known=[])
    work = next(one.work for one in made.lines if one.work.kind == "evaluate")
    about = {"machine": CORE.name, "kind": "evaluate", "about": work.about}
    known = [speed(10, 20, fresh=True, **about), speed(10, 10, **about)]
    estimated = planning.estimate_steps(recipe, study, 1, known)
    assert estimated.keys() == {one.work.name for one in made.lines}
    assert estimated[work.name].seconds == pytest.approx(work.amount.middle + 10)
    assert estimated[work.name].measured
    alike = [one.name for one in layout.name_steps(recipe) if one.name.startswith("evaluate/e")]
    later = next(name for name in alike if name != work.name)
    assert estimated[later].seconds == pytest.approx(work.amount.middle)
    assert not estimated["instruct/english-eu000"].measured


def test_a_study_of_which_nothing_is_known_is_not_foretold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "find_machine", lambda: Hardware(CORE, 1))
    assert planning.estimate_steps(load("forkme"), StudyFolder(ROOT / "none"), None, []) == {}


@pytest.mark.parametrize("error", [InputError("no card"), TimeoutError("nvidia-smi"), KeyError(1)])
def test_no_study_fails_for_want_of_its_time_to_go(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail() -> Hardware:
        raise error

    monkeypatch.setattr(planning, "find_machine", fail)
    assert planning.estimate_steps(load("emoji-eu-quick"), StudyFolder(ROOT / "none"), 1, []) == {}


def test_a_step_that_takes_no_time_is_left_out_of_a_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "find_machine", lambda: Hardware(CORE, 1))
    nothing = pace.Pace(Span.exactly(0), True, None, "made up")
    monkeypatch.setattr(pace, "estimate", lambda *_: nothing)
    assert planning.estimate_steps(load("emoji-eu-quick"), StudyFolder(ROOT / "none"), 1, []) == {}


def test_what_is_measured_is_one_run_whatever_the_grid_leaves_out() -> None:
    (run,) = measuring.shorten(load("emoji-eu-demo"), 1).runs()
    assert run.name == "english-eu000"


def test_a_report_is_planned_by_the_questions_that_were_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    study = StudyFolder(tmp_path / "study")
    for name, count in (("a", 30), ("b", 12)):
        told = {"miniature/vqa": {code: {"all": {"n": count}} for code in ("en", "eu")}}
        (study.step(f"evaluate/{name}")).mkdir(parents=True)
        (study.step(f"evaluate/{name}") / "results.json").write_text(json.dumps(told))
    noting.keep(Step("report", "module:report"), study, 9.0, 8.0, False)
    (kept,) = speeds.read()
    assert (kept.amount, kept.rows, kept.processor) == (84, 84, 8)
    small, large = (load("emoji-eu-quick", *more) for more in ([], ["miniature.test_scenes=480"]))
    plans = [
        planning.make_plan(one, Hardware(CORE, 1), StudyFolder(tmp_path), known=[
            kept.model_copy(update={"machine": CORE.name})
        ])
        for one in (small, large)
    ]  # fmt: skip
    counted, more = (made.lines[-1] for made in plans)
    assert counted.work.amount.middle == 4 * 2 * (4 * 720 + 375) + 2 * 375
    assert more.work.amount.middle == 4 * 2 * (4 * 1440 + 375) + 2 * 375
    assert counted.pace.measured and counted.pace.seconds
    each = pace.read_table().reporting.question.span().middle
    assert counted.pace.seconds.middle == pytest.approx(8 + each * (counted.work.rows - 84))


def test_a_measurement_of_other_batches_has_another_speed() -> None:
    told = [noting.describe_evaluation("llava", ["vqav2"], one) for one in ({}, FEWER)]
    assert told[0] != told[1]


def load(name: str, *changes: str) -> Recipe:
    return recipe.load(ROOT / "recipes" / f"{name}.yaml", changes)


def test_what_is_measured_is_one_run_of_few_steps() -> None:
    short = measuring.shorten(load("emoji-eu"), 2)
    assert [run.name for run in short.runs()] == ["english-eu000"]
    steps = short.stages.instruct.max_steps
    assert steps == 4
    assert short.stages.alignment.max_steps == 12
    assert short.miniature
    assert short.miniature.train_scenes == steps * 32
    assert short.stages.instruct.batch_size == 32
    few = load("emoji-eu", "stages.instruct.epochs=0.1", "stages.align.epochs=0.1")
    assert {one.epochs for one in measuring.shorten(few, 2).stages.every} == {1}
    assert (
        measuring.shorten(load("basque-8b", "compute.slurm={minutes: 9}"), 1).compute.slurm is None
    )


def write_config(folder: Path, **config: Any) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.mark.slow
def test_a_study_of_which_nothing_is_here_is_measured_by_stand_ins_and_planned_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    llm = write_config(
        tmp_path / "llm", model_type="llama", hidden_size=32, intermediate_size=64,
        num_hidden_layers=2, num_attention_heads=2, vocab_size=4096,
    )  # fmt: skip
    encoder = write_config(
        tmp_path / "encoder", model_type="clip_vision_model", hidden_size=32,
        intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=28,
        patch_size=14,
    )  # fmt: skip
    loaded = load(
        "basque-8b", f"vision={encoder}", f"backbones.llama={llm}", "benchmarks=[vqav2]",
        "compute={processes: 1}", "stages.align.batch_size=4", "stages.instruct.batch_size=4",
        "stages.align.precision=fp32", "stages.instruct.precision=fp32",
    )  # fmt: skip
    monkeypatch.chdir(tmp_path)
    warm.let_workers_be_copies(monkeypatch)
    told: list[int] = []
    measuring.measure_study(loaded, lambda done, total=None, **rest: told.append(done), 1, (1,))
    assert told == [*range(4)]
    known = speeds.read()
    kinds = [("align", True), ("instruct", True), ("align", False), ("instruct", False)]
    assert [(one.kind, one.fresh) for one in known] == kinds
    here = Hardware(card.find_machine().card, 1)
    made = planning.make_plan(loaded, here, StudyFolder(tmp_path / "none"), known=known)
    lines = {line.work.name: line for line in made.lines}
    assert lines["align/llama"].pace.measured
    assert lines["instruct/llama-eu000-text"].pace.measured
    assert lines["instruct/llama-eu000"].memory == known[1].memory
    assert lines["instruct/llama-eu000-text"].memory == known[3].memory
    assert not lines["align/latxa"].pace.measured  # it has another shape
    assert not lines["evaluate/llama-eu000"].pace.measured


def test_a_translation_keeps_its_speed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with CorpusWriter(tmp_path / "own", "caption", ["en"]) as writer:
        for number in range(6):
            writer.add_row(
                str(number), None, {"en": {"text": f"A dog waits, and then {number} more."}}
            )
    plain = ["checks.round_trip=", *(f"checks.{one}=off" for one in ("copied", "language"))]
    given = settings.load(
        ROOT / "recipes/translate/apertium-gl.yaml", ["engine.command=[cat]", *plain]
    )
    run.translate(given, tmp_path / "own", tmp_path / "two")
    (kept,) = speeds.read()
    assert (kept.kind, kept.about, kept.rows) == ("translate", given.describe_speed(), 6)
    run.translate(given, tmp_path / "own", tmp_path / "two")  # it is whole, and asks for nothing
    assert len(speeds.read()) == 1
