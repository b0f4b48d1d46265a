"""Arguments that several commands share, and what is done with them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ikusi.recipe import Recipe

INTERRUPTED = 130

RecipeFile = Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe, as YAML.")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", help="Changes to it, such as grid.ratios=[0,1]."),
]
Studies = Annotated[Path, typer.Option(help="Folder that holds the studies' folders.")]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Steps run at once; the recipe's figure by default.")
]


def opened(path: Path, overrides: Sequence[str] | None, studies: Path) -> "tuple[Recipe, Path]":
    """A recipe and its study's folder, which a language given by hand has a part in."""
    from ikusi import recipe as recipes

    changes = overrides or []
    loaded = recipes.load(path, changes)
    by_hand = any(change.startswith("language=") for change in changes)
    return loaded, studies / (f"{loaded.name}-{loaded.language}" if by_hand else loaded.name)


def bring_up_to_date(
    loaded: "Recipe", folder: Path, workers: int | None, only: Sequence[str] | None = None
) -> None:
    """Run the steps of a study that are not done, and end with its exit code.

    Of the processes that torchrun started, the first does so; the others follow it.
    """
    from ikusi import study as studies
    from ikusi.study import torchrun

    try:
        outcome = torchrun.led(lambda: studies.run(loaded, folder, workers, only))
    except KeyboardInterrupt:
        typer.echo("stopped; the same command goes on from there", err=True)
        raise typer.Exit(INTERRUPTED) from None
    if outcome is not None:
        typer.echo(outcome.told())
        raise typer.Exit(outcome.exit_code)
