"""The miniature's pictures and rows, made once for all runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ikusi import language
from ikusi.recipe import Miniature, Recipe
from ikusi.study.context import Context
from ikusi.study.steps.settings import Bilingual

if TYPE_CHECKING:
    from ikusi.study.contents import Contents


class Data(Bilingual):
    """Settings of making the miniature's data: how much, and in which languages."""

    function: ClassVar = "data"
    computes: ClassVar = False

    miniature: Miniature

    @classmethod
    def of(cls, recipe: Recipe) -> Data:
        """The data of a study."""
        assert recipe.miniature is not None  # the recipe's own check
        return cls(
            miniature=recipe.miniature,
            language_code=recipe.language,
            source_code=recipe.source_language,
        )

    def reads(self, contents: Contents) -> dict[str, str]:
        """The tables of the packages that pictures and words come from, both packs, the stamps."""
        return (
            contents.drawings()
            | contents.packs(*self.languages)
            | contents.stamps(self.miniature.stamps)
        )


def data(output: Path, context: Context, settings: Data) -> None:
    """Draw the miniature's pictures and word its rows in both languages."""
    from ikusi.miniature import corpora

    def progress(done: int, total: int, what: str) -> None:
        context.progress(done / max(total, 1), what)

    packs = {code: language.load(code) for code in settings.languages}
    corpora.build(settings.miniature, *settings.languages, packs, output, progress)
