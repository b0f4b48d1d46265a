"""The same models in transformers."""

from typing import ClassVar, Literal

from pydantic import Field

from ikusi.recipe.values import Text
from ikusi.translate.engines.base import OfSentences


class Transformers(OfSentences):
    """The same models run by transformers: slower; what CTranslate2 is held against."""

    implementation: ClassVar = "ikusi.translate.reference:TransformersEngine"

    kind: Literal["transformers"] = Field(description="Runs the model with transformers.")
    model: Text = Field(description="Model folder or hub id.")
    revision: str | None = Field(default=None, description="Revision of the model on the hub.")
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="Where it runs.")
    beam_size: int | None = Field(
        default=None, ge=1, description="Beam width; none for the model's own."
    )
    source_prefix: list[str] = Field(
        default=[], description="Tokens before every source, such as `>>eus<<`."
    )
    target_prefix: list[str] = Field(
        default=[], description="Tokens that every target begins with: `eus_Latn`."
    )
    batch_size: int = Field(default=32, ge=1, description="Sentences in one batch.")


ENGINES = [Transformers]
