"""A recipe laid out as steps, in the order in which the paper tells them."""

from collections.abc import Sequence

from ikusi.recipe import Recipe
from ikusi.recipe import folder as names
from ikusi.study import code
from ikusi.study.contents import Contents
from ikusi.study.graph import Step
from ikusi.study.steps import (
    Align,
    Data,
    Evaluate,
    EvaluateBackbone,
    Features,
    Instruct,
    Report,
    encoding,
)
from ikusi.study.steps.settings import Settings

FUNCTIONS = "ikusi.study.steps"


def list_steps(recipe: Recipe) -> list[Step]:
    """Every step of a study, each after what it needs; without benchmarks it ends with training.

    Raises:
        InputError: a base model or a corpus does not exist.
    """
    study, backbones, runs = _Layout(recipe), recipe.grid.backbones, recipe.runs()
    made = [study.step(names.DATA, Data.of(recipe))] if study.uses_miniature() else []
    for name, stage in encoding.find_features_steps(recipe).items():
        made.append(study.step(name, Features.of(recipe, stage)))
    made += [study.step(names.name_align_step(name), Align.of(recipe, name)) for name in backbones]
    made += [
        study.step(names.name_instruct_step(run.name), Instruct.of(recipe, run)) for run in runs
    ]
    if not recipe.benchmarks:
        return made
    measured = [
        study.step(names.name_evaluate_step(run.name), Evaluate.of(recipe, run)) for run in runs
    ]
    if on_text := study.text_only_benchmarks():
        for backbone in backbones:
            settings = EvaluateBackbone.of(recipe, backbone, on_text)
            measured.append(
                study.step(names.name_evaluate_step(names.name_bare(backbone)), settings)
            )
    return [*made, *measured, study.step(names.REPORT, Report.of(recipe), measured)]


class _Layout:
    """Makes steps of settings; what several of them read is read once."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.contents, self.versions = recipe, Contents(), code.list_versions()

    def uses_miniature(self) -> bool:
        """Whether any data is made by the study itself."""
        return bool(names.list_data_steps(*(name for _, name in self.recipe.data())))

    def text_only_benchmarks(self) -> list[str]:
        """Those without pictures, which a bare backbone can take too."""
        asked = self.recipe.benchmarks
        return [name for name in asked if self.contents.benchmark(name).text_only]

    def step(self, name: str, settings: Settings, after: Sequence[Step] = ()) -> Step:
        """A step; `after`: others that it reads, besides those that its settings name."""
        function = f"{FUNCTIONS}:{settings.function}"
        return Step(
            name,
            function,
            (*settings.inputs(), *(step.name for step in after)),
            settings.model_dump(mode="json"),
            settings.reads(self.contents),
            settings.runs_on(self.recipe.compute),
            resumes=settings.computes,
            version=self.versions.get(function, 1),
        )
