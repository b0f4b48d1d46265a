"""Plans of recipes, from their corpora and models' shapes to hours, money and what would fit."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from data_rows import instruction
from ikusi import recipe
from ikusi.data.corpus import CorpusWriter
from ikusi.errors import InputError
from ikusi.plan import card, page, planning, table
from ikusi.plan.amounts import STAMPS
from ikusi.plan.card import Card, Hardware
from ikusi.plan.planning import Asked, Plan
from ikusi.plan.serving import Prices
from ikusi.recipe import Recipe
from ikusi.recipe.folder import StudyFolder
from ikusi.speeds import Speed
from ikusi.translate import settings

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "recipes"


def load(name: str, *changes: str) -> Recipe:
    return recipe.load(RECIPES / f"{name}.yaml", changes)


def plan(
    name: str,
    *changes: str,
    gpu: str = "h100",
    gpus: int = 8,
    price: float | None = None,
    **more: Any,
) -> Plan:
    hardware = Hardware(card.load(gpu), gpus, price)
    study, known = StudyFolder(Path("nowhere")), more.pop("known", [])
    return planning.make_plan(load(name, *changes), hardware, study, Asked(**more), known)


def line(made: Plan, name: str) -> planning.Line:
    return next(one for one in made.lines if one.work.name == name)


def hours(made: Plan, name: str) -> float:
    seconds = line(made, name).pace.seconds
    assert seconds
    return seconds.middle / 3600


def test_every_step_of_a_study_has_a_line() -> None:
    kinds = [one.work.kind for one in plan("basque-8b").lines]
    counted = {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
    assert counted == {"align": 2, "instruct": 16, "evaluate": 18, "report": 1}


def test_the_pictures_of_a_miniature_are_those_of_its_scenes_and_its_four_benchmarks() -> None:
    sizes = ["miniature.caption_scenes=10", "miniature.train_scenes=20", "miniature.test_scenes=5"]
    assert line(plan("emoji-eu-demo", *sizes), "data").work.rows == 10 + 20 + 4 * 3 * 5
    more = line(plan("emoji-eu-demo", *sizes, "miniature.stamps=true"), "data").work.rows
    assert more == 10 + 20 + 4 * (3 * 5 + STAMPS)
    checked = plan("emoji-eu-demo", *sizes, "miniature.checked=0.25")
    assert line(checked, "data").work.rows == 10 + 20 + 4 * 3 * 5
    assert line(checked, "instruct/adapted-eu080").work.rows == 20 + 5


def test_every_training_under_every_seed_is_planned() -> None:
    once, thrice = plan("basque-8b"), plan("basque-8b", "grid.seeds=[0,1,2]")
    names = [one.work.name for one in once.lines if one.work.kind in ("align", "instruct")]
    assert {f"{name}-seed2" for name in names} <= {one.work.name for one in thrice.lines}
    taken = [line(made, names[0]).pace.seconds for made in (once, thrice)]
    assert taken[0] == taken[1] == line(thrice, f"{names[0]}-seed1").pace.seconds


def test_operations_follow_from_rows_tokens_and_weights() -> None:
    """Checked by hand: a pass there and back is 4 operations for each weight that is passed and 2
    more for each that learns."""
    made = plan("basque-8b", "stages.align.max_steps=100")
    work = line(made, "align/llama").work
    assert work.rows == 3200
    tokens = work.amount.middle
    assert tokens / work.rows == pytest.approx(576 + (50 * 110) ** 0.5, rel=1e-6)
    assert work.operations.middle == pytest.approx(4 * 7.5e9 * tokens, rel=0.1)
    full = line(made, "instruct/llama-eu000").work
    assert full.operations.middle == pytest.approx(6 * 7.5e9 * full.amount.middle, rel=0.1)


def test_a_benchmark_is_asked_in_both_languages_and_its_pictures_seen_once() -> None:
    work = line(plan("basque-8b", "benchmarks=[aokvqa]"), "evaluate/llama-eu000").work
    assert work.rows == 2 * 2500
    seen = 2500 * 2 * (7.5e9 * 576 + 0.3e9 * 577)
    assert seen < work.operations.low < work.operations.high < 2 * seen
    assert plan("basque-8b", "benchmark_rows=10").lines[-2].work.rows == 2 * 10  # the last: text


def test_hours_money_and_energy_follow_from_the_cards() -> None:
    one, two = plan("basque-8b", gpus=4, price=2.0), plan("basque-8b", gpus=4, price=4.0)
    step = line(one, "instruct/llama-eu000")
    seconds, money, energy = step.pace.seconds, step.money, step.energy
    assert seconds and money and energy
    assert money.middle == pytest.approx(seconds.middle * 4 / 3600 * 2)
    assert energy.middle == pytest.approx(seconds.middle * 4 * 700 / 3.6e6)
    assert two.money.high == pytest.approx(2 * one.money.high)
    assert seconds.low < seconds.middle < seconds.high
    fast = hours(one, "instruct/llama-eu000")
    assert hours(plan("basque-8b", gpu="a100-80"), "instruct/llama-eu000") > fast


def test_the_whole_grid_takes_as_long_as_its_cards_allow() -> None:
    few, many = plan("basque-8b", gpus=4), plan("basque-8b", "workers=auto", gpus=32)
    assert few.whole and many.whole
    assert (few.slots, many.slots) == (1, 8)
    assert few.whole.middle == pytest.approx(
        sum(one.pace.seconds.middle for one in few.lines if one.pace.seconds), rel=1e-6
    )
    assert many.whole.middle < few.whole.middle / 3  # alignment comes first


def test_slurm_runs_as_many_steps_as_it_has_cards_for() -> None:
    cluster = "compute.slurm={nodes: 2, minutes: 600}"
    made = plan("basque-8b", "workers=auto", cluster, gpus=16)
    assert line(made, "align/llama").work.cards == 8
    assert made.whole
    assert made.slots == 32


def test_a_step_that_wants_more_cards_than_there_are_is_told() -> None:
    made = plan("basque-8b", gpus=2)
    assert made.whole is None
    assert "a step needs 4 cards at once, and there are 2" in table.write_text(made)


LONGER = ["stages.instruct.max_length=4096", "compute.micro_tokens=8192"]
TOO_LARGE = [
    ("basque-8b-lora", "rtx4090", 1, LONGER),
    ("basque-8b", "a100-40", 8, []),
    ("basque-8b", "h100", 8, ["compute.processes=1", "compute.parallel=ddp"]),
    ("basque-8b-lora", "l4", 1, ["stages.instruct.gradient_checkpointing=false"]),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "gpu", "gpus", "changes"), TOO_LARGE)
def test_what_is_proposed_for_a_step_that_does_not_fit_makes_it_fit(
    name: str, gpu: str, gpus: int, changes: list[str]
) -> None:
    made = plan(name, *changes, gpu=gpu, gpus=gpus)
    step = next(one for one in made.lines if one.work.kind == "instruct")
    assert step.fits is False
    assert step.remedy
    kept = {text.partition("=")[0]: text for text in [*changes, *step.remedy.overrides]}
    again = line(plan(name, *kept.values(), gpu=gpu, gpus=gpus), step.work.name)
    assert again.fits
    assert again.work.peak == pytest.approx(step.remedy.peak)
    assert " ".join(map(table._quote, step.remedy.overrides)) in table.write_text(made)


def test_a_measurement_that_does_not_fit_works_on_fewer_at_once() -> None:
    changes = ["stages.instruct.lora.quantize=nf4", "compute.micro_tokens=4096"]
    made = plan("basque-8b-lora", *changes, gpu="rtx4090", gpus=1)
    step = line(made, "evaluate/llama-eu020-text")
    assert step.fits is False and step.remedy
    (override,) = step.remedy.overrides
    name, _, size = override.partition("=")
    assert name == "compute.eval_batch_size" and 1 <= int(size) < 64
    again = line(plan("basque-8b-lora", *changes, override, gpu="rtx4090", gpus=1), step.work.name)
    assert again.fits and again.work.peak == pytest.approx(step.remedy.peak)
    twice = f"{name}={2 * int(size)}"
    more = line(plan("basque-8b-lora", *changes, twice, gpu="rtx4090", gpus=1), step.work.name)
    assert more.fits is False


def test_what_changes_only_speed_is_proposed_before_what_changes_what_is_learnt() -> None:
    changes = "stages.instruct.gradient_checkpointing=false"
    made = plan("basque-8b-lora", changes, gpu="l40s", gpus=1)
    remedy = line(made, "instruct/llama-eu000-text").remedy
    assert remedy
    assert not any("optimizer" in one or "nf4" in one for one in remedy.overrides)


@pytest.mark.slow
def test_where_nothing_makes_a_step_fit_that_is_told() -> None:
    tiny = Card(name="tiny", generation="ada", memory=1e9, peak=1e12, bandwidth=1e9, power=10,
                source="made up")  # fmt: skip
    one = load("basque-8b", "grid.ratios=[0]")
    made = planning.make_plan(one, Hardware(tiny, 8), StudyFolder(Path("nowhere")), known=[])
    assert line(made, "align/llama").remedy is None
    assert "nothing found that makes it fit" in table.write_text(made)


def test_a_corpus_that_is_there_is_counted(tmp_path: Path) -> None:
    with CorpusWriter(tmp_path / "own", "instruction", ["en", "eu"]) as writer:
        for number in range(12):
            turns = instruction(number)
            writer.add_row(str(number), None, {"en": turns["en"], "eu": turns["eu"]})
    made = plan("basque-8b", f"stages.instruct.corpus={tmp_path / 'own'}")
    work = line(made, "instruct/llama-eu000").work
    assert work.rows == 12
    assert any(f"24 rows of {tmp_path / 'own'}, by their letters" in note for note in work.notes)
    said = [turn["content"] for n in range(12) for code in ("en", "eu")
            for turn in instruction(n)[code]["turns"]]  # fmt: skip
    letters = sum(map(len, said)) / 24
    text = work.amount.middle / 12  # no picture, so text alone
    assert letters / 3.5 < text < letters / 3.5 + 27


def test_a_corpus_that_nothing_is_known_of_is_asked_for_unless_the_recipe_limits_it() -> None:
    with pytest.raises(InputError, match=r"corpora/instructions-gl: .*--rows"):
        plan("forkme")
    made = plan("forkme", rows={"corpora/instructions-gl": 500})
    assert line(made, "align/llama").work.rows == 17500 * 32
    assert line(made, "instruct/llama-gl000-text").work.rows == 500 + 29000


def test_what_is_assumed_is_told_with_its_source() -> None:
    told = table.write_text(plan("basque-8b"))
    assert "rows: published: the card of pixparse/cc3m-wds" in told
    assert "assumed: 17% to 46% of the peak (most: 7B on 8 H100" in told
    assert "meta-llama/Llama-3.1-8B-Instruct: the model's config.json" in told


def measured(kind: str, about: str, **changed: Any) -> Speed:
    given = {"machine": "NVIDIA H100 80GB HBM3", "kind": kind, "about": about, "amount": 1e6}
    return Speed(**{**given, "rows": 1000, "seconds": 110.0, "steady": 100.0, **changed})


def test_a_speed_that_was_measured_on_such_a_card_comes_before_assumptions() -> None:
    about = line(plan("basque-8b"), "align/llama").work.about
    made = plan("basque-8b", known=[measured("align", about, memory=5e9)])
    step = line(made, "align/llama")
    assert step.pace.measured
    assert step.memory == 5e9
    rows = step.work.rows
    # A thousand tokens a row, as was seen; ten seconds come but once.
    assert step.pace.seconds
    assert step.pace.seconds.middle == pytest.approx(10 + rows * 1000 * 100 / 1e6)
    assert step.pace.seconds.high / step.pace.seconds.middle < 1.11
    assert not line(made, "instruct/llama-eu000").pace.measured


@pytest.mark.parametrize(
    "changed", [{"machine": "NVIDIA L4"}, {"about": "another"}, {"kind": "instruct"}]
)
def test_a_speed_of_another_machine_or_step_counts_for_nothing(changed: dict[str, Any]) -> None:
    about = line(plan("basque-8b"), "align/llama").work.about
    one = measured("align", about).model_copy(update=changed)
    assert not line(plan("basque-8b", known=[one]), "align/llama").pace.measured


def test_a_translation_takes_what_its_server_needs_and_costs() -> None:
    changes = ["engine.tokens_per_second=1000", "engine.price_written=2", "engine.price_read=1"]
    asked = settings.load(RECIPES / "translate" / "pixmo-ama.yaml", changes)
    made = plan("basque-8b", translations=[(asked, Path("corpora/ama"))])
    step = made.lines[-1]
    assert step.work.name == "translate/pixmo_ama"
    assert step.tokens
    read, written = step.tokens
    assert step.pace.seconds and step.money
    assert step.pace.seconds.middle == pytest.approx(written.middle / 1000, rel=1e-5)
    assert step.money.middle == pytest.approx((read.middle + 2 * written.middle) / 1e6, rel=1e-5)
    assert step.work.rows == 146_000


def test_a_model_that_is_served_here_takes_as_many_cards_as_hold_it() -> None:
    asked = settings.load(RECIPES / "translate" / "pixmo-ama.yaml")
    made = plan("basque-8b", translations=[(asked, Path("corpora/ama"))])
    step = made.lines[-1]
    assert step.work.cards == 4  # 141 GB on cards of 80
    assert step.fits
    assert step.pace.seconds


def test_a_translator_of_which_nothing_is_known_has_no_hours() -> None:
    asked = settings.load(RECIPES / "translate" / "apertium-gl.yaml")
    made = plan("basque-8b", translations=[(asked, Path("corpora/cc3m"))])
    assert made.lines[-1].pace.seconds is None
    assert "not known" in table.write_text(made)


def test_a_judge_is_asked_for_every_pair_in_both_orders_and_for_controls() -> None:
    made = plan("basque-8b", pairs=3, prices=Prices(1.0, 10.0))
    step = made.lines[-1]
    assert step.work.name == "judge/wildvision"
    assert step.work.rows == 3 * (2 * 500 + 40)
    assert step.money and step.tokens
    read, written = step.tokens
    assert step.money.middle == pytest.approx((read.middle + 10 * written.middle) / 1e6)
    with pytest.raises(InputError, match="--judge"):
        plan("basque-8b", "benchmarks=[vqav2]", pairs=1)


def test_steps_that_are_alike_share_a_line() -> None:
    rows = table.write_rows(plan("basque-8b"))
    assert [row[0] for row in rows] == [
        "align, 2 times", "instruct, 8 times", "instruct, 8 times", "evaluate, 16 times",
        "evaluate, 2 times", "report",
    ]  # fmt: skip
    assert table.write_markdown(plan("basque-8b")).count("\n") == len(rows) + 1


def test_a_page_and_a_file_hold_all_figures(tmp_path: Path) -> None:
    made = plan("basque-8b", price=2.5)
    page.write(made, tmp_path / "plan.html")
    text = (tmp_path / "plan.html").read_text(encoding="utf-8")
    assert "evaluate, 16 times" in text
    assert "http" not in text.replace("http-equiv", "")
    told = json.loads(json.dumps(made.to_json()))
    step = next(one for one in told["steps"] if one["step"] == "align/latxa")
    assert step["peak"] == pytest.approx(line(made, "align/latxa").memory)
    assert step["bytes"]["frozen"] > 0
    assert told["money"][0] < told["money"][1] < told["money"][2]
    assert len(told["steps"]) == len(made.lines)


@pytest.mark.slow
def test_the_command_answers_at_once_and_loads_no_tensor_library(tmp_path: Path) -> None:
    words = ["plan", str(RECIPES / "basque-8b.yaml"), "--gpu", "h100", "--gpus", "8", "--price",
             "2.5", "--json", str(tmp_path / "plan.json")]  # fmt: skip
    code = (
        "import sys\nfrom ikusi.cli import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit as stop:\n    assert not stop.code\n"
        "print(*sys.modules)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
    )  # fmt: skip
    *told, loaded = shown.stdout.splitlines()
    assert any(one.startswith("instruct, 8 times") for one in told)
    slow = {"torch", "transformers", "datasets", "tokenizers", "scipy", "matplotlib", "sklearn"}
    assert slow & set(loaded.split()) == set()
    assert json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))["cards"] == 8


@pytest.mark.slow
def test_a_plan_is_written_anew_over_a_plan_and_over_nothing_else(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from ikusi.cli import app

    words = ["plan", str(RECIPES / "basque-8b.yaml"), "--gpu", "h100", "--gpus", "8"]
    for option, name in (("--json", "plan.json"), ("--html", "plan.html")):
        made, own = tmp_path / name, tmp_path / f"own-{name}"
        for _ in range(2):
            assert CliRunner().invoke(app, [*words, option, str(made)]).exit_code == 0
        own.write_text("{}")
        told = CliRunner().invoke(app, [*words, option, str(own)])
        assert isinstance(told.exception, InputError) and own.read_text() == "{}"
        assert "expected a new file or one of Ikusi's, found another" in str(told.exception)


def test_one_of_a_card_and_this_machine_is_asked_for() -> None:
    from typer.testing import CliRunner

    from ikusi.cli import app

    told = CliRunner().invoke(app, ["plan", str(RECIPES / "basque-8b.yaml")])
    assert isinstance(told.exception, InputError)
    assert "expected --gpu CARD or --machine, found neither" in str(told.exception)


def test_this_machine_is_a_card_too() -> None:
    here = card.find_machine()
    assert here.count >= 1
    assert here.card.memory > 1e8
    assert here.card.peak > 1e8


def test_a_card_of_ones_own_comes_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    text = (Path(card.__file__).parent / "cards" / "l4.yaml").read_text(encoding="utf-8")
    path.write_text(text.replace("24e9", "12e9"), encoding="utf-8")
    assert card.load(str(path)).memory == 12e9
    path.write_text(text.replace("memory", "memery"), encoding="utf-8")
    with pytest.raises(InputError, match=r"mine.yaml:4: memery: expected a known key"):
        card.load(str(path))
    with pytest.raises(InputError, match=r"gpu: expected one of a10, .* found h1000"):
        card.load("h1000")


def test_the_speed_of_a_translation_depends_on_its_engine() -> None:
    folder = RECIPES / "translate"
    one, other = settings.load(folder / "cc3m.yaml"), settings.load(folder / "apertium-gl.yaml")
    faster = settings.load(folder / "cc3m.yaml", ["engine.beam_size=1"])
    assert len({some.describe_speed() for some in (one, other, faster)}) == 3
