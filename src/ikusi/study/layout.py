"""A recipe laid out as steps, in the order in which the paper describes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ikusi.evaluate import benchmark
from ikusi.recipe import Alignment, Recipe, Run
from ikusi.recipe import folder as names
from ikusi.study import code
from ikusi.study.contents import Contents
from ikusi.study.graph import Step
from ikusi.study.steps import (
    Align,
    AlignRun,
    AlignSeeing,
    Data,
    Evaluate,
    EvaluateBackbone,
    Features,
    Instruct,
    InstructSeeing,
    Merging,
    Report,
    encoding,
)
from ikusi.study.steps.settings import Settings

FUNCTIONS = "ikusi.study.steps"


@dataclass(frozen=True)
class Named:
    """A step before anything is read: its name, its settings, and the names of its inputs."""

    name: str
    settings: Settings
    inputs: tuple[str, ...]

    @classmethod
    def of(cls, name: str, settings: Settings, after: Sequence[str] = ()) -> "Named":
        """A step; `after`: others that it reads, besides those that its settings name."""
        return cls(name, settings, (*settings.inputs(), *after))


def list_steps(recipe: Recipe) -> list[Step]:
    """Every step of a study, each after what it needs; without benchmarks it ends with training.

    Raises:
        InputError: a base model or a corpus does not exist.
    """
    contents, versions = Contents(), code.list_versions()
    return [_make(one, recipe, contents, versions) for one in name_steps(recipe)]


def name_steps(recipe: Recipe) -> list[Named]:
    """The same steps with what the recipe says of them; no model and no corpus need be here."""
    backbones, runs = recipe.grid.backbones, recipe.runs()
    made: list[Named] = []
    if names.list_data_steps(*(name for _, name in recipe.data())):
        made.append(Named.of(names.DATA, Data.of(recipe)))
    for name, stage in encoding.find_features_steps(recipe).items():
        made.append(Named.of(name, Features.of(recipe, stage)))
    made += _name_trainings(recipe, [one for one in backbones if not recipe.find_start(one)])
    made += _name_trainings(recipe, [one for one in backbones if recipe.find_start(one)])
    merged = {names.name_merge_step(one.name): one for one in recipe.list_merged()}
    made += [Named.of(step, Merging.of(recipe, one)) for step, one in merged.items()]
    if not recipe.benchmarks:
        return made
    steps = {names.name_instruct_step(run.name): run.name for run in runs}
    steps |= {step: one.name for step, one in merged.items()}
    measured = [
        Named.of(names.name_evaluate_step(name), Evaluate.of(recipe, step, recipe.benchmarks))
        for step, name in steps.items()
    ]
    # Those without pictures, which a bare backbone can take too.
    if on_text := [name for name in recipe.benchmarks if benchmark.load(name).text_only]:
        measured += [
            Named.of(
                names.name_evaluate_step(names.name_bare(backbone)),
                _measure_bare(recipe, backbone, on_text),
            )
            for backbone in backbones
        ]
    after = [one.name for one in measured]
    return [*made, *measured, Named.of(names.REPORT, Report.of(recipe), after)]


def _name_trainings(recipe: Recipe, backbones: Sequence[str]) -> list[Named]:
    """Both stages of all models that start from some backbones of the grid."""
    made = []
    for one in recipe.alignments():
        if one.backbone in backbones and recipe.is_aligned(one.backbone):
            made.append(Named.of(names.name_align_step(one.name), _align(recipe, one)))
    for run in recipe.runs():
        if run.backbone in backbones:
            made.append(Named.of(names.name_instruct_step(run.name), _instruct(recipe, run)))
    return made


def _align(recipe: Recipe, one: Alignment) -> Settings:
    if recipe.find_start(one.backbone):
        return AlignRun.of(recipe, one)
    return (AlignSeeing if recipe.sees(one.backbone) else Align).of(recipe, one)


def _instruct(recipe: Recipe, run: Run) -> Settings:
    made_here = recipe.is_aligned(run.backbone) or recipe.find_start(run.backbone)
    return (Instruct if made_here else InstructSeeing).of(recipe, run)


def _measure_bare(recipe: Recipe, backbone: str, benchmarks: Sequence[str]) -> Settings:
    if start := recipe.find_start(backbone):
        return Evaluate.of(recipe, names.name_instruct_step(start), benchmarks)
    return EvaluateBackbone.of(recipe, backbone, benchmarks)


def _make(one: Named, recipe: Recipe, contents: Contents, versions: Mapping[str, int]) -> Step:
    """A step of its settings; what several of them read is read once."""
    function = f"{FUNCTIONS}:{one.settings.function}"
    return Step(
        one.name,
        function,
        one.inputs,
        one.settings.model_dump(mode="json"),
        one.settings.reads(contents),
        one.settings.runs_on(recipe.compute),
        resumes=one.settings.computes,
        version=versions.get(function, 1),
    )
