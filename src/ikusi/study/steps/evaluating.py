"""Models measured on benchmarks: runs and merged ones on all, bare backbones on those of text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ikusi import language
from ikusi.miniature.bases import shipped
from ikusi.recipe import Compute, Recipe
from ikusi.recipe.folder import list_data_steps, locate_checkpoint
from ikusi.study.context import Context
from ikusi.study.steps.settings import Bilingual

if TYPE_CHECKING:
    from ikusi.study.contents import Contents


class Measured(Bilingual):
    """On which benchmarks a model is measured, and how.

    Attributes:
        bootstrap: resamples behind each interval.
        limit: rows of each benchmark that are asked, from the first; none: all.
    """

    benchmarks: list[str]
    bootstrap: int
    limit: int | None
    seed: int

    @staticmethod
    def common(recipe: Recipe, benchmarks: Sequence[str]) -> dict[str, Any]:
        """The settings that all measurements of a study have in common."""
        return {
            "benchmarks": list(benchmarks),
            "bootstrap": recipe.bootstrap,
            "limit": recipe.benchmark_rows,
            "seed": recipe.seed,
            "language_code": recipe.language,
            "source_code": recipe.source_language,
        }

    def inputs(self) -> tuple[str, ...]:
        """The data, if a benchmark is one of the study's own."""
        return list_data_steps(*self.benchmarks)

    def reads(self, contents: Contents) -> dict[str, str]:
        """The definitions of the benchmarks, their corpora, and both packs."""
        asked = contents.benchmarks(self.benchmarks, self.languages)
        return asked | contents.packs(*self.languages)


class Evaluate(Measured):
    """Settings of the evaluation of a model that the study made.

    Attributes:
        checkpoint: the step that made it.
    """

    function: ClassVar = "evaluate"

    checkpoint: str

    @classmethod
    def of(cls, recipe: Recipe, checkpoint: str, benchmarks: Sequence[str]) -> Evaluate:
        """The measurement of a run or a merged model, by its step."""
        return cls(checkpoint=checkpoint, **cls.common(recipe, benchmarks))

    def inputs(self) -> tuple[str, ...]:
        """The data, and the model."""
        return (*super().inputs(), self.checkpoint)


class EvaluateBackbone(Measured):
    """Settings of the evaluation of an LLM as it was before it saw a picture."""

    function: ClassVar = "evaluate_backbone"

    model: str

    @classmethod
    def of(cls, recipe: Recipe, backbone: str, benchmarks: Sequence[str]) -> EvaluateBackbone:
        """The measurement of a backbone of the grid, on benchmarks without pictures."""
        return cls(model=recipe.backbone(backbone), **cls.common(recipe, benchmarks))

    def reads(self, contents: Contents) -> dict[str, str]:
        """The model too."""
        return super().reads(contents) | contents.models(self.model)


def evaluate(output: Path, context: Context, settings: Evaluate) -> None:
    """Measure a model on every benchmark, in both languages."""
    _measure(locate_checkpoint(context.study.step(settings.checkpoint)), output, context, settings)


def evaluate_backbone(output: Path, context: Context, settings: EvaluateBackbone) -> None:
    """Measure an LLM as it was before it saw a picture, on the text-only benchmarks."""
    _measure(Path(shipped.locate_base(settings.model)), output, context, settings)


def _measure(model: Path, output: Path, context: Context, settings: Measured) -> None:
    from ikusi.answer.engines.here import open_local
    from ikusi.evaluate import benchmark, corpora, run

    def progress(done: int, total: int) -> None:
        context.progress(done / max(total, 1), f"{done} of {total} questions")

    languages, compute = settings.languages, Compute.model_validate(context.compute)
    benchmarks = [benchmark.load(name) for name in settings.benchmarks]
    run.evaluate(
        open_local(model, batch_size=compute.eval_batch_size),
        corpora.find(benchmarks, languages, context.study.data),
        languages,
        {code: language.load(code) for code in languages},
        output,
        bootstrap=settings.bootstrap,
        limit=settings.limit,
        seed=settings.seed,
        progress=progress,
    )
