"""Features of pictures by a frozen encoder, stored for all trainings that use them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ikusi import artifact
from ikusi.miniature.bases import shipped
from ikusi.recipe import Compute, Recipe, Stage
from ikusi.recipe.folder import MINIATURE, list_data_steps, name_features_step
from ikusi.recipe.values import is_name
from ikusi.study.context import Context
from ikusi.study.steps.settings import Settings

if TYPE_CHECKING:
    from ikusi.study.contents import Contents


def find_features_step(recipe: Recipe, stage: Stage) -> str | None:
    """The step that keeps the features of a stage's pictures; none where the encoder learns."""
    if not recipe.cache_features or "vision" in stage.trainable:
        return None
    return name_features_step(_short(recipe, stage.corpus))


def find_features_steps(recipe: Recipe) -> dict[str, Stage]:
    """Every such step of a recipe, with a stage whose pictures it is for."""
    if all(map(recipe.sees, recipe.grid.backbones)):
        return {}
    named = {find_features_step(recipe, stage): stage for stage in recipe.stages.every}
    return {name: stage for name, stage in named.items() if name}


class Features(Settings):
    """Settings of a step that encodes a corpus's pictures: the encoder, the corpus, and how."""

    function: ClassVar = "features"

    vision: str
    corpus: str
    feature_layer: int
    image_aspect: str
    precision: str

    @classmethod
    def of(cls, recipe: Recipe, stage: Stage) -> Features:
        """The features of a stage's pictures, as exact as any stage of the recipe asks for."""
        exact = any(other.precision != "bf16" for other in recipe.stages.every)
        return cls(
            vision=recipe.encoder,
            corpus=stage.corpus,
            feature_layer=recipe.vision_feature_layer,
            image_aspect=recipe.image_aspect,
            precision="fp32" if exact else "bf16",
        )

    def inputs(self) -> tuple[str, ...]:
        """The data, if the corpus is one of the study's own."""
        return list_data_steps(self.corpus)

    def reads(self, contents: Contents) -> dict[str, str]:
        """The encoder, and a given corpus."""
        return contents.models(self.vision) | contents.corpora(self.corpus)


def features(output: Path, context: Context, settings: Features) -> None:
    """Encode every picture of a corpus once, for all trainings with a frozen encoder."""
    import torch

    from ikusi.data.corpus import Corpus
    from ikusi.model import parts
    from ikusi.train.features import store

    place = shipped.locate_base(settings.vision)
    compute = Compute.model_validate(context.compute)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    half = settings.precision == "bf16" and device.type == "cuda"
    dtype = torch.bfloat16 if half else torch.float32
    tower = parts.open_vision_tower(place).eval().to(device, dtype)
    size = tower.config.image_size
    extra = parts.count_extra_tokens(tower.config, settings.feature_layer)
    image_processor = parts.open_image_processor(place, size)
    if settings.image_aspect == "pad":
        image_processor = parts.make_padding_processor(image_processor, size)

    def progress(done: int, total: int) -> None:
        context.progress(done / total, f"{done:,} of {total:,} pictures")

    store(
        output,
        Corpus.open(context.study.corpus(settings.corpus)),
        tower,
        image_processor,
        layers=settings.feature_layer,
        strategy="default" if extra else "full",
        bf16=settings.precision == "bf16",
        workers=compute.readers(beside_gpu=device.type == "cuda"),
        progress=progress,
    )


def _short(recipe: Recipe, corpus: str) -> str:
    """A corpus's name as that of a folder, no other corpus's of this recipe."""
    short, *others = [
        re.sub(r"[^\w.-]+", "-", name.removeprefix(MINIATURE).strip("./"))
        for name in (corpus, *{stage.corpus for stage in recipe.stages.every} - {corpus})
    ]
    if is_name(short) and short not in others:
        return short
    return f"corpus-{artifact.fingerprint(corpus)}"
