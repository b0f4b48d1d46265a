"""Arguments that several commands share, and what is done with them."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core

from ikusi.terminal import say

if TYPE_CHECKING:
    from ikusi.recipe import Recipe
    from ikusi.study.remaining import Plan

RecipeFile = Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe, as YAML.")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", help="Changes to it, such as grid.ratios=[0,1]."),
]
Studies = Annotated[Path, typer.Option(help="Folder that holds the studies' folders.")]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Steps run at once; the recipe's figure by default.")
]


Redo = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[STEP]...",
        help="Make anew what other code made, or these steps (`*` allowed).",
    ),
]
ALONE = ("--redo",)
"""Options that may stand without a value, which is empty text then."""


class ManyValues(typer.core.TyperCommand):
    """A command whose repeatable options take several values: `--language eu en`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments, an option's further values as if it stood before each."""
        many = {
            name
            for parameter in self.params
            if isinstance(parameter, typer.core.TyperOption) and parameter.multiple
            for name in parameter.opts
        }
        return super().parse_args(ctx, _repeat_option(args, many))


def _repeat_option(args: Sequence[str], many: Collection[str]) -> list[str]:
    """Repeat an option of several values before each of them.

    >>> _repeat_option(["model", "--language", "eu", "en", "--seed", "1"], {"--language"})
    ['model', '--language', 'eu', '--language', 'en', '--seed', '1']
    >>> _repeat_option(["--redo", "recipe.yaml", "--redo", "data", "report", "seed=1"], {"--redo"})
    ['--redo', '', 'recipe.yaml', '--redo', 'data', '--redo', 'report', 'seed=1']
    """
    repeated: list[str] = []
    option = None
    for before, word, after in zip(["", *args], args, [*args[1:], ""], strict=False):
        if word.startswith("-") or option is None or (option in ALONE and not _is_step(word)):
            option = word if word in many else None
            repeated += [word, ""] if word in ALONE and not _is_step(after) else [word]
        else:
            repeated += [word] if before == option else [option, word]
    return repeated


def _is_step(word: str) -> bool:
    """Whether a word may be the name of a step, and is no option, override or recipe."""
    return bool(word) and word[0] != "-" and "=" not in word and Path(word).suffix != ".yaml"


def open_study(path: Path, overrides: Sequence[str] | None, studies: Path) -> "tuple[Recipe, Path]":
    """A recipe and its study's folder; a language given as an override becomes part of its name."""
    from ikusi import recipe as recipes

    changes = overrides or []
    loaded = recipes.load(path, changes)
    by_hand = any(change.startswith("language=") for change in changes)
    return loaded, studies / (f"{loaded.name}-{loaded.language}" if by_hand else loaded.name)


def bring_up_to_date(
    loaded: "Recipe",
    folder: Path,
    workers: int | None,
    only: Sequence[str] | None = None,
    redo: Sequence[str] | None = None,
) -> None:
    """Run the steps of a study that are not done, and end with its exit code.

    Of the processes that torchrun started, the first does so; the others follow it.
    """
    from ikusi import study as studies
    from ikusi.study.launch import torchrun

    _name_unchecked_words(loaded.language)

    def estimate_steps() -> "Plan":
        from ikusi.plan.planning import estimate_steps
        from ikusi.recipe.folder import StudyFolder

        return estimate_steps(loaded, StudyFolder(folder), workers)

    outcome = torchrun.lead(
        lambda: studies.run(loaded, folder, workers, only, redo, estimate_steps=estimate_steps)
    )
    if outcome is not None:
        say(outcome.describe())
        raise typer.Exit(outcome.exit_code)


def _name_unchecked_words(code: str) -> None:
    """Warn before a study begins if no speaker has checked words that it will use."""
    from ikusi import language

    pack = language.load(code)
    if count := len(pack.to_review):
        say(
            f"{pack.name}: {count} parts of the language pack wait for somebody who speaks it; "
            f"`ikusi language check {code}` lists them",
            error=True,
        )
