"""Models made of others by addition: a run, and the difference of two models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from ikusi import artifact, disk
from ikusi.miniature.bases import shipped
from ikusi.recipe import Merge, Merged, Part, Recipe
from ikusi.recipe.folder import CHECKPOINT, locate_checkpoint, name_instruct_step
from ikusi.study.context import Context
from ikusi.study.steps.settings import Settings

if TYPE_CHECKING:
    from ikusi.study.contents import Contents


class Merging(Settings):
    """Settings of a merge: the models that are added, and how.

    Attributes:
        run: the step that trained the model it starts from.
        plus, minus: models by name, or the steps of runs.
        trained: those of the two that are steps.
    """

    function: ClassVar = "merge"
    computes: ClassVar = False

    run: str
    plus: str
    minus: str
    trained: list[str]
    weight: float
    method: Literal["linear", "ties"]
    density: float
    parts: list[Part]

    @classmethod
    def of(cls, recipe: Recipe, made: Merged) -> Merging:
        """A model of the recipe's merges."""
        merge = recipe.merges[made.merge]
        runs = {run.name: name_instruct_step(run.name) for run in recipe.runs()}
        given = dict(_find_models(recipe, merge, runs))
        return cls(
            run=runs[merge.run],
            **given,
            trained=[place for place in given.values() if place in runs.values()],
            weight=made.weight,
            method=merge.method,
            density=merge.density,
            parts=merge.parts,
        )

    def inputs(self) -> tuple[str, ...]:
        """The runs."""
        return tuple(dict.fromkeys((self.run, *self.trained)))

    def reads(self, contents: Contents) -> dict[str, str]:
        """The models that no step makes."""
        return contents.models(*({self.plus, self.minus} - {*self.trained}))


def _find_models(recipe: Recipe, merge: Merge, runs: dict[str, str]) -> Iterator[tuple[str, str]]:
    for key, name in (("plus", merge.plus), ("minus", merge.minus)):
        run = recipe.find_start(name) if name in recipe.backbones else name
        yield key, runs[run] if run else recipe.backbone(name)


def merge(output: Path, context: Context, settings: Merging) -> None:
    """Write a stock checkpoint: a run plus `weight * (plus - minus)`."""
    from ikusi.model import hub, merging

    def find(place: str) -> Path:
        if place == settings.run or place in settings.trained:
            return locate_checkpoint(context.study.step(place))
        return hub.find_folder(shipped.locate_base(place))

    def progress(done: int, total: int) -> None:
        context.progress(done / max(total, 1), f"{disk.format_bytes(done)} written")

    mix = merging.Mix(settings.weight, settings.method, settings.density, settings.parts)
    run, plus, minus = map(find, (settings.run, settings.plus, settings.minus))
    write = merging.prepare(run, plus, minus, mix, progress)
    checkpoint = output / CHECKPOINT
    checkpoint.mkdir()
    write(checkpoint)
    artifact.add_counts(output, bytes=disk.measure_size(checkpoint))
