"""The step that writes the report: tables, figures, tests of the findings, and their page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import field_serializer

from ikusi.recipe import Recipe
from ikusi.study.context import Context
from ikusi.study.steps.settings import Settings

if TYPE_CHECKING:
    from ikusi.study.contents import Contents


class Report(Settings):
    """The recipe, but for what the study ran on."""

    function: ClassVar = "report"
    computes: ClassVar = False

    recipe: Recipe

    @classmethod
    def of(cls, recipe: Recipe) -> Report:
        """The report of a study."""
        return cls(recipe=recipe)

    @field_serializer("recipe")
    def _what_counts(self, recipe: Recipe) -> dict[str, Any]:
        left_out = {"workers", "compute", *([] if recipe.judgements else ["judgements"])}
        written = recipe.model_dump(mode="json", exclude=left_out)
        if len(recipe.seeds) == 1:  # it stands in the settings of each training
            del written["grid"]["seeds"]
        return written

    def reads(self, contents: Contents) -> dict[str, str]:
        """Both packs, and what people and judges have said."""
        packs = contents.packs(self.recipe.language, self.recipe.source_language)
        return packs | contents.judgements(self.recipe.judgements)


def report(output: Path, context: Context, settings: Report) -> None:
    """Write tables, figures, tests of the findings and the page that holds them."""
    from ikusi.report import page

    page.write(context.study.root, output)
