"""What the runs of a study start from: LLMs that get an encoder, and models that see already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from ikusi.recipe.values import Model, make_error
from ikusi.yamlfile import Section


class Seeing(Section):
    """A model that sees already, as a backbone."""

    vlm: Model = Field(
        description="A model that takes pictures: a folder or a hub id (NAME, NAME@REVISION)."
    )
    align: bool = Field(
        default=False,
        description="Whether `stages.align` comes first, which may train its own connector.",
    )


def _tag(value: object) -> str:
    return "[vlm]" if isinstance(value, dict | Seeing) else "[llm]"


# The tags stand in pydantic's places of mistakes, from which `yamlfile` takes them out again.
Backbone = Annotated[
    Annotated[Model, Tag("[llm]")] | Annotated[Seeing, Tag("[vlm]")], Discriminator(_tag)
]


def check_backbones(
    backbones: Mapping[str, str | Seeing], wanted: Sequence[str], vision: Any, align: Any
) -> None:
    """Check that a recipe has what its backbones are joined to and aligned by, and no more.

    Args:
        wanted: names of those that the grid compares.
        vision: the encoder, if there is one.
        align: the first stage, if there is one.

    Raises:
        PydanticCustomError: it has not.
    """
    chosen = {name: backbones[name] for name in wanted if name in backbones}
    assembled = [name for name, one in chosen.items() if isinstance(one, str)]
    aligned = [name for name, one in chosen.items() if isinstance(one, str) or one.align]
    if assembled and vision is None:
        expected = f"a vision encoder, as backbones.{assembled[0]} is an LLM"
        raise make_error(expected, ("vision",), found=None)
    if aligned and align is None:
        expected = f"a stage, as backbones.{aligned[0]} is aligned"
        raise make_error(expected, ("stages", "align"), found=None)
    if chosen and not aligned and align is not None:
        expected = "nothing, as no backbone of the grid is aligned"
        raise make_error(expected, ("stages", "align"), found="a stage")
