"""Sentence-level models in CTranslate2."""

from typing import ClassVar, Literal

from pydantic import Field

from ikusi.recipe.values import Model
from ikusi.translate.engines.base import OfSentences


class CTranslate2(OfSentences):
    """A sentence-level translation model, run by CTranslate2."""

    implementation: ClassVar = "ikusi.translate.nmt:CTranslate2Engine"

    kind: Literal["ctranslate2"] = Field(description="Runs the model with CTranslate2.")
    model: Model = Field(
        description="Model folder, or hub id as NAME or NAME@REVISION; converted on first use, "
        "then kept."
    )
    compute_type: Literal["default", "float32", "float16", "bfloat16", "int8", "int8_float16"] = (
        Field(default="default", description="Number format; int8 is fastest on processors.")
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="Where it runs.")
    beam_size: int | None = Field(
        default=None, ge=1, description="Beam width; none for the model's own. 1 is fastest."
    )
    source_prefix: list[str] = Field(
        default=[], description="Tokens before every source, such as `>>eus<<`."
    )
    target_prefix: list[str] = Field(
        default=[], description="Tokens that every target begins with: `eus_Latn`."
    )
    batch_tokens: int = Field(default=2048, ge=16, description="Tokens in one batch.")


ENGINES = [CTranslate2]
