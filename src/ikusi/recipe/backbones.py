"""Backbones of runs: LLMs that get an encoder, models that see, runs of the same study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from ikusi import yamlfile
from ikusi.recipe.grid import Run
from ikusi.recipe.values import Model, Name, Share, make_error
from ikusi.yamlfile import Section


class Reader(Section):
    """An LLM of which it is known how much of the target language it has read."""

    llm: Model = Field(description="`miniature/...`, a folder or a hub id (NAME, NAME@REVISION).")
    read: Share = Field(
        description="Share of the text it was trained on that was in the target language."
    )


class Seeing(Section):
    """A model that sees already, as a backbone."""

    vlm: Model = Field(
        description="A model that takes pictures: a folder or a hub id (NAME, NAME@REVISION)."
    )
    align: bool = Field(
        default=False,
        description="Whether `stages.align` comes first, which may train its own connector.",
    )


class Continued(Section):
    """A run of the same study, as a backbone of others: a model that sees already, made here."""

    run: Name = Field(description="A run of the grid, such as `english-eu000`.")
    align: bool = Field(
        default=False,
        description="Whether `stages.align` comes first once more.",
    )


READ = Reader.model_fields.keys()


def _tag(value: object) -> str:
    if isinstance(value, Continued) or (isinstance(value, dict) and "run" in value):
        return "[run]"
    if isinstance(value, Reader) or (isinstance(value, dict) and not value.keys().isdisjoint(READ)):
        return "[read]"
    return "[vlm]" if isinstance(value, dict | Seeing) else "[llm]"


LLM = str | Reader
"""What a recipe says of an LLM, which is joined to the encoder."""

# The tags stand in pydantic's places of mistakes, from which `yamlfile` takes them out again.
Backbone = Annotated[
    Annotated[Model, Tag("[llm]")]
    | Annotated[Reader, Tag("[read]")]
    | Annotated[Seeing, Tag("[vlm]")]
    | Annotated[Continued, Tag("[run]")],
    Discriminator(_tag),
]


def find_place(given: str | Reader | Seeing | Continued) -> str:
    """The folder or hub id of a backbone that is no run."""
    if isinstance(given, Reader):
        return given.llm
    return given.vlm if isinstance(given, Seeing) else str(given)


def list_read(
    backbones: Mapping[str, str | Reader | Seeing | Continued], wanted: Sequence[str]
) -> dict[str, float]:
    """Shares of the target language in what backbones had read, rising; only those known."""
    chosen = {name: backbones[name] for name in wanted}
    known = {name: one.read for name, one in chosen.items() if isinstance(one, Reader)}
    return dict(sorted(known.items(), key=lambda pair: pair[1]))


def check_backbones(
    backbones: Mapping[str, str | Reader | Seeing | Continued],
    wanted: Sequence[str],
    vision: Any,
    align: Any,
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
    assembled = [name for name, one in chosen.items() if isinstance(one, LLM)]
    aligned = [name for name, one in chosen.items() if isinstance(one, LLM) or one.align]
    if assembled and vision is None:
        expected = f"a vision encoder, as backbones.{assembled[0]} is an LLM"
        raise make_error(expected, ("vision",), found=None)
    if aligned and align is None:
        expected = f"a stage, as backbones.{aligned[0]} is aligned"
        raise make_error(expected, ("stages", "align"), found=None)
    if chosen and not aligned and align is not None:
        expected = "nothing, as no backbone of the grid is aligned"
        raise make_error(expected, ("stages", "align"), found="a stage")


def check_starts(
    backbones: Mapping[str, str | Reader | Seeing | Continued],
    wanted: Sequence[str],
    runs: Sequence[Run],
) -> None:
    """Check that backbones which are runs name runs of the grid that start from none themselves.

    Raises:
        PydanticCustomError: one does not.
    """
    first = [run.name for run in runs if not isinstance(backbones[run.backbone], Continued)]
    for name in wanted:
        given = backbones[name]
        if isinstance(given, Continued) and given.run not in first:
            expected = f"a run of the grid that starts from no other ({', '.join(first)})"
            near = yamlfile.suggest(given.run, first)
            raise make_error(expected, ("backbones", name, "run"), found=given.run, near=near)
