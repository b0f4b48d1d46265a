"""The two stages of training: alignment for each backbone, then instruction tuning for each run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ikusi import catalogue, language
from ikusi.miniature.bases import shipped
from ikusi.recipe import Alignment, Compute, Recipe, Run, Stage, TextOnly
from ikusi.recipe.folder import (
    list_data_steps,
    locate_checkpoint,
    name_align_step,
    name_instruct_step,
)
from ikusi.study.context import Context
from ikusi.study.steps import encoding
from ikusi.study.steps.settings import Bilingual

if TYPE_CHECKING:
    from ikusi.data.mixture import Mixture, MixturePart
    from ikusi.study.contents import Contents
    from ikusi.train.progress import Progress

CALIBRATION_PICTURES = 64


class Trained(Bilingual):
    """The settings that both stages have.

    Attributes:
        features: the step that keeps those of the stage's pictures, if there is one.
    """

    shared: ClassVar = True

    stage: Stage
    features: str | None
    seed: int


class Aligned(Trained):
    """Settings of the first training stage, whatever model it starts from."""

    @staticmethod
    def common(recipe: Recipe, alignment: Alignment) -> dict[str, Any]:
        """The settings that all alignments of a study have in common."""
        stage = recipe.stages.alignment
        sees = recipe.sees(alignment.backbone)
        return {
            "stage": stage,
            "features": None if sees else encoding.find_features_step(recipe, stage),
            "seed": alignment.seed,
            "language_code": recipe.language,
            "source_code": recipe.source_language,
        }

    def inputs(self) -> tuple[str, ...]:
        """The data, and the features of its pictures."""
        return (*list_data_steps(self.stage.corpus), *([self.features] if self.features else []))

    def reads(self, contents: Contents) -> dict[str, str]:
        """Both packs, a given corpus."""
        return contents.packs(*self.languages) | contents.corpora(self.stage.corpus)


class Align(Aligned):
    """Settings of joining an encoder and an LLM: both, the connector, and what it is trained on."""

    function: ClassVar = "align"

    vision: str
    backbone: str
    connector: str
    image_aspect: str
    feature_layer: int

    @classmethod
    def of(cls, recipe: Recipe, alignment: Alignment) -> Align:
        """An alignment of an LLM of the grid."""
        return cls(
            vision=recipe.encoder,
            backbone=recipe.backbone(alignment.backbone),
            connector=recipe.connector,
            image_aspect=recipe.image_aspect,
            feature_layer=recipe.vision_feature_layer,
            **cls.common(recipe, alignment),
        )

    def reads(self, contents: Contents) -> dict[str, str]:
        """Encoder, LLM, both packs, a given corpus."""
        return contents.models(self.vision, self.backbone) | super().reads(contents)


class AlignSeeing(Aligned):
    """Settings of the first training stage of a model that sees already."""

    function: ClassVar = "align_seeing"

    model: str

    @classmethod
    def of(cls, recipe: Recipe, alignment: Alignment) -> AlignSeeing:
        """An alignment of the grid of a model that sees already."""
        model = recipe.backbone(alignment.backbone)
        return cls(model=model, **cls.common(recipe, alignment))

    def reads(self, contents: Contents) -> dict[str, str]:
        """The model, both packs, a given corpus."""
        return contents.models(self.model) | super().reads(contents)


class AlignRun(Aligned):
    """Settings of the first training stage of a model that another run of the study made.

    Attributes:
        start: the step that made it.
    """

    function: ClassVar = "align_run"

    start: str

    @classmethod
    def of(cls, recipe: Recipe, alignment: Alignment) -> AlignRun:
        """An alignment of the grid of a run that others start from."""
        start = name_instruct_step(str(recipe.find_start(alignment.backbone)))
        return cls(start=start, **cls.common(recipe, alignment))

    def inputs(self) -> tuple[str, ...]:
        """The run too."""
        return (*super().inputs(), self.start)


class Instructed(Trained):
    """Settings of a run's training, whatever model it starts from."""

    text_only: TextOnly | None

    @staticmethod
    def common(recipe: Recipe, run: Run) -> dict[str, Any]:
        """The settings that all runs of a study have in common."""
        stage = recipe.stages.instruct.model_copy(update={"ratio": run.ratio})
        sees = recipe.sees(run.backbone)
        return {
            "stage": stage,
            "text_only": recipe.text_only if run.text_only else None,
            "features": None if sees else encoding.find_features_step(recipe, stage),
            "seed": run.seed,
            "language_code": recipe.language,
            "source_code": recipe.source_language,
        }

    @property
    def corpora(self) -> list[str]:
        """The corpora that it is trained on: with pictures, then text-only, if there is one."""
        return [self.stage.corpus, *([self.text_only.corpus] if self.text_only else [])]

    def inputs(self) -> tuple[str, ...]:
        """The data, and the features of its pictures."""
        return (*list_data_steps(*self.corpora), *([self.features] if self.features else []))

    def reads(self, contents: Contents) -> dict[str, str]:
        """Given corpora."""
        return contents.corpora(*self.corpora)


class Instruct(Instructed):
    """From which model of the study a run starts, and what it is trained on.

    Attributes:
        aligned: the step that made the model: an alignment, or another run.
    """

    function: ClassVar = "instruct"

    aligned: str

    @classmethod
    def of(cls, recipe: Recipe, run: Run) -> Instruct:
        """The training of a run of the grid whose backbone is aligned, or another run."""
        start, aligned = recipe.find_start(run.backbone), recipe.is_aligned(run.backbone)
        made = name_instruct_step(start) if start and not aligned else name_align_step(run.aligned)
        return cls(aligned=made, **cls.common(recipe, run))

    def inputs(self) -> tuple[str, ...]:
        """The model too, in which all else is."""
        return (*super().inputs(), self.aligned)


class InstructSeeing(Instructed):
    """Settings of training a model that sees already, as it is."""

    function: ClassVar = "instruct_seeing"

    model: str

    @classmethod
    def of(cls, recipe: Recipe, run: Run) -> InstructSeeing:
        """The training of a run of the grid whose backbone sees, and is not aligned."""
        return cls(model=recipe.backbone(run.backbone), **cls.common(recipe, run))

    def reads(self, contents: Contents) -> dict[str, str]:
        """The model and both packs too."""
        return (
            super().reads(contents) | contents.models(self.model) | contents.packs(*self.languages)
        )


def align(output: Path, context: Context, settings: Align) -> None:
    """Join an encoder and an LLM, and train the connector on captions."""
    catalogue.load("ikusi.train.stages:train_stage")  # brings all that is large, in less time
    from accelerate.utils import set_seed

    from ikusi.model import fusion
    from ikusi.model.pixels import prepare_first

    set_seed(settings.seed)
    model, processor = fusion.assemble(
        shipped.locate_base(settings.vision),
        shipped.locate_base(settings.backbone),
        connector=settings.connector,
        feature_layer=settings.feature_layer,
        seed=settings.seed,
        aspect=settings.image_aspect,
    )
    stage, languages = settings.stage, settings.languages
    captions = _part(stage.corpus, stage.ratio, None, context, languages)
    mixture = _mix([captions], settings)
    pictures = prepare_first(processor.image_processor, captions.corpus, CALIBRATION_PICTURES)
    fusion.calibrate(model, pictures)
    _train(model, processor, mixture, settings, output, context)


def align_seeing(output: Path, context: Context, settings: AlignSeeing) -> None:
    """Train a model that sees already on captions, its own connector by default."""
    _align(shipped.locate_base(settings.model), output, context, settings)


def align_run(output: Path, context: Context, settings: AlignRun) -> None:
    """Train a run of the study on captions once more."""
    _align(locate_checkpoint(context.study.step(settings.start)), output, context, settings)


def _align(place: str | Path, output: Path, context: Context, settings: Trained) -> None:
    catalogue.load("ikusi.train.stages:train_stage")  # brings all that is large, in less time
    from accelerate.utils import set_seed

    from ikusi.model import opening

    set_seed(settings.seed)
    model, processor = opening.open_seeing(place)
    stage, languages = settings.stage, settings.languages
    captions = _part(stage.corpus, stage.ratio, None, context, languages)
    mixture = _mix([captions], settings)
    _train(model, processor, mixture, settings, output, context)


def instruct(output: Path, context: Context, settings: Instruct) -> None:
    """Train connector and LLM on instructions, from an aligned model or another run."""
    _instruct(locate_checkpoint(context.study.step(settings.aligned)), output, context, settings)


def instruct_seeing(output: Path, context: Context, settings: InstructSeeing) -> None:
    """Train a model that sees already on instructions."""
    _instruct(shipped.locate_base(settings.model), output, context, settings)


def _instruct(place: str | Path, output: Path, context: Context, settings: Instructed) -> None:
    catalogue.load("ikusi.train.stages:train_stage")  # brings all that is large, in less time
    from accelerate.utils import set_seed

    from ikusi.model import opening

    set_seed(settings.seed)
    model, processor = opening.open_seeing(place)
    stage, languages, added = settings.stage, settings.languages, settings.text_only
    mixed = [_part(stage.corpus, stage.ratio, None, context, languages)]
    if added:
        mixed.append(_part(added.corpus, added.ratio, added.rows, context, languages))
    mixture = _mix(mixed, settings)
    _train(model, processor, mixture, settings, output, context)


def _mix(parts: Sequence[MixturePart], settings: Trained) -> Mixture:
    """The rows of corpora in the languages and the order that a training reads them in."""
    from ikusi.data.mixture import Mixture

    return Mixture(parts, *settings.languages, settings.seed, settings.stage.grouped)


def _part(
    corpus: str, ratio: float | None, rows: int | None, context: Context, languages: Sequence[str]
) -> MixturePart:
    """A corpus of the mixture, with each language's ways to ask for its rows."""
    from ikusi.data.corpus import Corpus
    from ikusi.data.mixture import MixturePart

    assert ratio is not None  # the recipe gives align's, the grid instruct's
    opened = Corpus.open(context.study.corpus(corpus))
    prompts = {code: opened.row_type.requests(language.load(code)) for code in languages}
    return MixturePart(opened, ratio, rows, prompts)


def _train(
    model: Any,
    processor: Any,
    mixture: Mixture,
    settings: Trained,
    output: Path,
    context: Context,
) -> None:
    from ikusi.train.features import StoredFeatures
    from ikusi.train.parallel import choose_strategy, make_deepspeed_settings
    from ikusi.train.stages import train_stage

    def progress(made: Progress) -> None:
        pace = f"{made.tokens_per_second:,.0f} tokens/s, MFU {made.mfu:.0%}"
        words = f"step {made.step} of {made.total}, loss {made.loss:.3f}, {pace}"
        context.progress(made.step / made.total, words)

    compute, kept = Compute.model_validate(context.compute), settings.features
    if make_deepspeed_settings(choose_strategy(compute, compute.together), bf16=False):
        context.progress(0.0, "starting DeepSpeed, which compiles its operators the first time")
    train_stage(
        model,
        processor,
        mixture,
        settings.stage,
        output=output,
        seed=settings.seed,
        compute=compute,
        features=StoredFeatures({0: context.study.step(kept)}) if kept else None,
        progress=progress,
    )
