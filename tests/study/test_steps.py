"""Steps do what the recipe says, with the real rooms behind them."""

import inspect
import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoProcessor

from data_rows import instruction, picture
from ikusi import recipe
from ikusi.data.corpus import CorpusWriter
from ikusi.errors import InputError
from ikusi.evaluate import corpora
from ikusi.evaluate import run as evaluate_run
from ikusi.model import fusion
from ikusi.recipe import Recipe
from ikusi.recipe.folder import StudyFolder, locate_checkpoint, locate_evaluation
from ikusi.study import layout, steps
from ikusi.study.context import Context, call
from ikusi.study.steps import (
    Align,
    AlignSeeing,
    Data,
    Evaluate,
    EvaluateBackbone,
    Features,
    Instruct,
    InstructSeeing,
    Merging,
    Report,
)
from ikusi.study.steps.settings import Settings
from ikusi.train import stages
from model.families import tokenizer
from model.pairs import llm, tower

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tiny(tmp_path: Path) -> list[str]:
    """Overrides for a study whose alignment is one step on four captions."""
    tower().save_pretrained(tmp_path / "vision")
    fusion.save(llm(), tokenizer("plain"), tmp_path / "llm")
    with CorpusWriter(tmp_path / "captions", "caption", ["en", "eu"]) as writer:
        writer.add_image("1", picture(), "png", 8, 8, "made here")
        for number in range(4):
            told = {"text": f"A red square, {number}."}
            writer.add_row(f"row-{number}", "1", {"en": told, "eu": told})
    return [
        f"vision={tmp_path / 'vision'}",
        f"backbones.english={tmp_path / 'llm'}",
        "grid.backbones=[english]",
        f"stages.align.corpus={tmp_path / 'captions'}",
        "stages.align.batch_size=4",
        "stages.align.epochs=1",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("aspect", "pads"), [("square", False), ("pad", True)])
def test_an_aligned_model_takes_pictures_as_the_recipe_says(
    aspect: str, pads: bool, tiny: list[str], tmp_path: Path
) -> None:
    wanted = recipe.load(
        ROOT / "recipes/emoji-eu.yaml", [*tiny, f"image_aspect={aspect}", "cache_features=false"]
    )
    make(wanted, "align/english", tmp_path / "aligned", tmp_path)
    processor = AutoProcessor.from_pretrained(locate_checkpoint(tmp_path / "aligned"))
    assert bool(getattr(processor.image_processor, "do_pad", False)) == pads


def make(wanted: Recipe, name: str, output: Path, study: Path, **runs_on: Any) -> list[str]:
    """Make one step, as a worker does, and return what it says of itself on the way."""
    notes: list[str] = []
    step = next(step for step in layout.list_steps(wanted) if step.name == name)
    around = Context(
        StudyFolder(study), lambda report: notes.append(report.note), {**step.compute, **runs_on}
    )
    call(step.function, output, around, step.settings, step.name)
    return notes


@pytest.mark.parametrize(("parallel", "said"), [("zero2", 1), ("ddp", 0)])
def test_a_training_under_zero_says_that_deepspeed_may_compile_first(
    parallel: str, said: int, tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "train_stage", lambda *given, **named: None)
    wanted = recipe.load(ROOT / "recipes/emoji-eu.yaml", [*tiny, "cache_features=false"])
    runs_on = {"processes": 2, "parallel": parallel}
    notes = make(wanted, "align/english", tmp_path / "aligned", tmp_path, **runs_on)
    assert sum("compiles its operators" in note for note in notes) == said


@pytest.mark.slow
def test_text_only_rows_join_the_runs_that_ask_for_them(
    tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CorpusWriter(tmp_path / "text", "instruction", ["en", "eu"]) as writer:
        for number in range(6):
            writer.add_row(str(number), None, instruction(number))
    mixed: list[tuple[int, int | None]] = []

    def noted(model: Any, processor: Any, mixture: Any, *rest: Any, **named: Any) -> None:
        mixed.append((len(mixture), mixture.batch_size))

    monkeypatch.setattr(stages, "train_stage", noted)
    model, processor = fusion.assemble(tmp_path / "vision", tmp_path / "llm")
    fusion.save(model, processor, tmp_path / "align" / "english")
    changes = [
        *tiny,
        f"stages.instruct.corpus={tmp_path / 'captions'}",
        f"text_only.corpus={tmp_path / 'text'}",
        "text_only.rows=5",
        "cache_features=false",
    ]
    wanted = recipe.load(ROOT / "recipes/emoji-eu.yaml", changes)
    for name in ("english-eu020", "english-eu020-text"):
        make(wanted, f"instruct/{name}", tmp_path / name, tmp_path)
    for grouped in ("false", "true"):
        named = [*changes, f"stages.align.group_by_task={grouped}"]
        wanted = recipe.load(ROOT / "recipes/emoji-eu.yaml", named)
        make(wanted, "align/english", tmp_path / grouped, tmp_path)
    # With the rows of a batch where these are grouped by task, as the recipe's instructions are.
    assert mixed == [(4, 32), (9, 32), (4, None), (4, 4)]


def test_a_measurement_is_told_what_the_recipe_says(
    tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(
        evaluate_run, "evaluate", lambda *given, **named: told.append((given, named))
    )
    monkeypatch.setattr(corpora, "find", lambda *given: given)
    changes = ["bootstrap=7", "benchmark_rows=3", "seed=11", "benchmarks=[miniature/bertaqa]"]
    changes.append("compute.eval_batch_size=5")
    wanted = recipe.load(ROOT / "recipes/emoji-eu.yaml", [*tiny, *changes])
    make(wanted, "evaluate/english-backbone", tmp_path / "out", tmp_path)
    ((engine, (benchmarks, languages, data), _, packs, output), named) = told[0]
    assert (engine.name, engine.batch_size) == (str(tmp_path / "llm"), 5)
    assert [one.name for one in benchmarks] == ["miniature/bertaqa"]
    assert (languages, list(packs), data) == (("eu", "en"), ["eu", "en"], tmp_path / "data")
    assert output == tmp_path / "out"
    assert (named["bootstrap"], named["limit"], named["seed"]) == (7, 3, 11)


def test_only_trainings_are_shared_and_only_models_run_on_what_the_recipe_says() -> None:
    steps = layout.list_steps(
        recipe.load(ROOT / "recipes/emoji-eu.yaml", ["compute.data_workers=2"])
    )
    shared = {step.kind for step in steps if "processes" in step.compute}
    assert shared == {"align", "instruct"}
    here = {step.kind for step in steps if not step.compute}
    assert here == {"data", "report"} == {step.kind for step in steps if not step.resumes}
    told = {step.compute["data_workers"] for step in steps if step.compute}
    assert told == {2}


@pytest.mark.parametrize(
    ("precision", "kept"), [("bf16", "bf16"), ("fp32", "fp32"), ("auto", "fp32")]
)
def test_features_are_as_exact_as_any_stage_asks_for(precision: str, kept: str) -> None:
    changes = ["stages.align.precision=bf16", f"stages.instruct.precision={precision}"]
    steps = layout.list_steps(recipe.load(ROOT / "recipes/emoji-eu.yaml", changes))
    found = {step.settings["precision"] for step in steps if step.kind == "features"}
    assert found == {kept}


CLASSES: dict[str, type[Settings]] = {
    "data": Data,
    "features": Features,
    "align": Align,
    "align_seeing": AlignSeeing,
    "instruct": Instruct,
    "instruct_seeing": InstructSeeing,
    "merge": Merging,
    "evaluate": Evaluate,
    "evaluate_backbone": EvaluateBackbone,
    "report": Report,
}


MERGED = ["merges.a={run: english-eu000, plus: adapted, minus: english, weights: [1]}"]


def test_each_function_takes_the_settings_that_name_it() -> None:
    for name, shape in CLASSES.items():
        taken = inspect.signature(getattr(steps, name), eval_str=True).parameters["settings"]
        assert (taken.annotation, shape.function) == (shape, name)


def test_what_a_fingerprint_knows_of_a_recipe_keeps_its_names() -> None:
    """A setting by another name makes every finished study anew."""
    both = {"language_code", "source_code"}
    stage = both | {"stage", "features", "seed"}
    measured = both | {"benchmarks", "bootstrap", "limit", "seed"}
    wanted = {
        "data": both | {"miniature"},
        "features": {"vision", "corpus", "feature_layer", "image_aspect", "precision"},
        "align": stage | {"vision", "backbone", "connector", "image_aspect", "feature_layer"},
        "instruct": stage | {"aligned", "text_only"},
        "merge": {"run", "plus", "minus", "trained", "weight", "method", "density", "parts"},
        "evaluate": measured | {"checkpoint"},
        "evaluate_backbone": measured | {"model"},
        "report": {"recipe"},
    }
    found: dict[str, set[str]] = {}
    for step in layout.list_steps(recipe.load(ROOT / "recipes/emoji-eu.yaml", MERGED)):
        found.setdefault(step.function.partition(":")[2], set(step.settings))
    assert found == wanted


def test_a_report_does_not_know_what_its_study_ran_on() -> None:
    (step,) = (
        step
        for step in layout.list_steps(recipe.load(ROOT / "recipes/emoji-eu.yaml"))
        if step.name == "report"
    )
    assert {"workers", "compute"}.isdisjoint(step.settings["recipe"])


def test_settings_read_back_are_those_that_were_laid_out() -> None:
    for step in layout.list_steps(recipe.load(ROOT / "recipes/emoji-eu.yaml", MERGED)):
        shape = CLASSES[step.function.partition(":")[2]]
        read = shape.model_validate(json.loads(json.dumps(dict(step.settings))))
        assert read.model_dump(mode="json") == step.settings


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"aligned": None}, "aligned: expected text, found nothing"),
        ({"stage": {}}, "stage.corpus: expected a value, found nothing"),
        ({"sed": 1}, "sed: expected a known key, found sed (did you mean seed?)"),
    ],
)
def test_settings_that_do_not_fit_are_refused_in_one_line(
    change: dict[str, Any], told: str, tmp_path: Path
) -> None:
    wanted = recipe.load(ROOT / "recipes/emoji-eu.yaml")
    step = next(step for step in layout.list_steps(wanted) if step.kind == "instruct")
    around = Context(StudyFolder(tmp_path), send=lambda report: None)
    with pytest.raises(InputError) as refused:
        call(step.function, tmp_path, around, {**step.settings, **change}, "jobs/a/task.json")
    assert str(refused.value) == f"jobs/a/task.json: settings: {told}"


def test_where_things_of_a_study_lie(tmp_path: Path) -> None:
    study = StudyFolder(tmp_path)
    assert study.corpus("miniature/captions") == tmp_path / "data" / "captions"
    assert study.corpus("corpora/own") == Path("corpora/own")
    model = study.step("instruct/a") / "checkpoint"
    model.mkdir(parents=True)
    assert StudyFolder.around(model) is None
    study.recipe.touch()
    assert StudyFolder.around(model) == StudyFolder(tmp_path.resolve())
    assert study.kind(model) == "instruct"
    assert locate_checkpoint(study.step("instruct/a")) == model == locate_checkpoint(model)
    assert locate_evaluation(study.step("instruct/a")) == study.step("instruct/a")
    study.step("evaluate/a").mkdir(parents=True)
    assert locate_evaluation(study.step("instruct/a")) == study.step("evaluate/a").resolve()
