"""Commands on recipes."""

import json

import typer

from ikusi.cli.arguments import Overrides, RecipeFile
from ikusi.terminal import say

app = typer.Typer(help="Look at recipes.", no_args_is_help=True)


@app.command("show")
def show(recipe: RecipeFile, overrides: Overrides = None) -> None:
    """Print a recipe in full, every key with what it means.

    Example: ikusi recipe show recipes/emoji-eu.yaml
    """
    from ikusi import recipe as recipes

    say(recipes.show(recipes.load(recipe, overrides or [])), end=False)


@app.command("check")
def check(recipe: RecipeFile, overrides: Overrides = None) -> None:
    """Check a recipe, list its runs and all that this machine lacks for them.

    Models, licences, corpora and rows that are missing are named together; the exit code is
    then 3.

    Example: ikusi recipe check recipes/emoji-eu.yaml grid.ratios=[0,0.5,1]
    """
    from ikusi import recipe as recipes
    from ikusi.study import needs

    loaded = recipes.load(recipe, overrides or [])
    runs = loaded.runs()
    say(f"{recipe}: good, {len(runs)} runs: {' '.join(run.name for run in runs)}")
    needs.check(loaded)


@app.command("schema")
def schema() -> None:
    """Print the JSON Schema of recipes, for editors.

    Example: ikusi recipe schema > recipe.schema.json
    """
    from ikusi import recipe as recipes

    say(json.dumps(recipes.make_json_schema(), indent=2))
