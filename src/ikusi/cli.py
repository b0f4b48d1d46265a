"""The commands: each reads its arguments and calls one function of one room.

Heavy imports happen inside the commands, so `ikusi --help` answers at once.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ikusi.errors import InputError

if TYPE_CHECKING:
    from ikusi.recipe import Recipe

INPUT_FAULT = 3
INTERRUPTED = 130

# Without rich: its import alone would double the time of `--help`.
app = typer.Typer(
    name="ikusi",
    help="Build and measure a multimodal language model for a language without multimodal data.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    add_completion=False,
)
recipe_app = typer.Typer(help="Look at recipes.", no_args_is_help=True)
language_app = typer.Typer(help="Look at language packs, start a new one.", no_args_is_help=True)
miniature_app = typer.Typer(
    help="Make the pictures, texts and small models of the miniature.", no_args_is_help=True
)
app.add_typer(recipe_app, name="recipe")
app.add_typer(language_app, name="language")
app.add_typer(miniature_app, name="miniature")

RecipeFile = Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe, as YAML.")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", help="Changes to it, such as grid.ratios=[0,1]."),
]
Studies = Annotated[Path, typer.Option(help="Folder that holds the studies' folders.")]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Steps run at once; the recipe's figure by default.")
]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0 well, 1 internal fault, 2 wrong usage, 3 bad input."""
    try:
        app(args=None if arguments is None else list(arguments), prog_name="ikusi")
    except InputError as error:
        typer.secho(f"error: {error}", fg=typer.colors.RED, err=True)
        sys.exit(INPUT_FAULT)


@app.command()
def study(
    recipe: RecipeFile,
    overrides: Overrides = None,
    studies: Studies = Path("studies"),
    workers: Workers = None,
    status: Annotated[bool, typer.Option("--status", help="Only tell where it stands.")] = False,
) -> None:
    """Run a whole study, from data to report; what is done already is kept.

    Stop it at any time: the same command goes on from there.

    Example: ikusi study recipes/emoji-eu.yaml
    """
    loaded, folder = _opened(recipe, overrides, studies)
    if status:
        _tell_status(loaded, folder)
    else:
        _bring_up_to_date(loaded, folder, workers)


@app.command()
def train(
    recipe: RecipeFile,
    stage: Annotated[Literal["align", "instruct"], typer.Option(help="The training stage.")],
    run: Annotated[str, typer.Option(help="A run of the grid; for align, a backbone.")],
    overrides: Overrides = None,
    studies: Studies = Path("studies"),
) -> None:
    """Train one model of a study, and only what it needs.

    Example: ikusi train recipes/emoji-eu.yaml --stage instruct --run english-020
    """
    loaded, folder = _opened(recipe, overrides, studies)
    _bring_up_to_date(loaded, folder, 1, only=[f"{stage}/{run}"])


@app.command()
def evaluate(
    checkpoint: Annotated[Path, typer.Argument(help="Folder of a run of a study, or of a model.")],
    data: Annotated[Path, typer.Option(help="Data folder of a study: where benchmarks are.")],
    output: Annotated[Path, typer.Option(help="Folder to write rows and results to.")],
    benchmark: Annotated[list[str], typer.Option(help="A benchmark's name; may be repeated.")],
    language: Annotated[list[str], typer.Option(help="A language's code; may be repeated.")],
    bootstrap: Annotated[int, typer.Option(min=1, help="Resamples behind each interval.")] = 1000,
) -> None:
    """Measure any checkpoint on benchmarks.

    Example: ikusi evaluate studies/emoji-eu/instruct/english-020
    --data studies/emoji-eu/data --benchmark miniature/vqa --language eu --output measured
    """
    from ikusi.study import layout, steps

    steps.measure(layout.checkpoint(checkpoint), data, benchmark, language, output, bootstrap)
    typer.echo((output / "results.json").read_text(encoding="utf-8"))


@app.command()
def chat(
    checkpoint: Annotated[Path, typer.Argument(help="Folder of a run of a study, or of a model.")],
    image: Annotated[Path | None, typer.Option(help="A picture to talk about.")] = None,
    question: Annotated[
        str | None, typer.Option(help="Ask this, print the answer and end.")
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 256,
) -> None:
    """Talk with a model about pictures, in any language it knows.

    Example: ikusi chat studies/emoji-eu/instruct/basque-100 --image cat.png
    """
    from ikusi import chat_terminal
    from ikusi.study import layout

    chat_terminal.start(layout.checkpoint(checkpoint), image, question, max_new_tokens)


@app.command()
def report(
    study: Annotated[Path, typer.Argument(help="Folder of a study.")],
    output: Annotated[Path, typer.Option(help="Folder to write the report to.")],
) -> None:
    """Write a report on what a study has so far, finished or not.

    Example: ikusi report studies/emoji-eu --output so-far
    """
    from ikusi.report import page

    page.write(study, output)
    typer.echo(output / "index.html")


@recipe_app.command("show")
def recipe_show(recipe: RecipeFile, overrides: Overrides = None) -> None:
    """Print a recipe in full, every key with what it means.

    Example: ikusi recipe show recipes/emoji-eu.yaml
    """
    from ikusi import recipe as recipes

    typer.echo(recipes.show(recipes.load(recipe, overrides or [])), nl=False)


@recipe_app.command("check")
def recipe_check(recipe: RecipeFile, overrides: Overrides = None) -> None:
    """Check a recipe and list its runs.

    Example: ikusi recipe check recipes/emoji-eu.yaml grid.ratios=[0,0.5,1]
    """
    from ikusi import recipe as recipes

    runs = recipes.load(recipe, overrides or []).runs()
    typer.echo(f"{recipe}: good, {len(runs)} runs: {' '.join(run.name for run in runs)}")


@recipe_app.command("schema")
def recipe_schema() -> None:
    """Print the JSON Schema of recipes, for editors.

    Example: ikusi recipe schema > recipe.schema.json
    """
    from ikusi import recipe as recipes

    typer.echo(json.dumps(recipes.json_schema(), indent=2))


@language_app.command("list")
def language_list() -> None:
    """List the languages that have a pack.

    Example: ikusi language list
    """
    from ikusi import language

    for code in language.available():
        pack = language.load(code)
        typer.echo(f"{pack.code:6} {pack.name} ({pack.autonym})")


@language_app.command("show")
def language_show(
    code: Annotated[str, typer.Argument(help="A language's code or a pack's path.")],
) -> None:
    """Print a language pack.

    Example: ikusi language show eu
    """
    from ikusi import language

    pack = language.load(code)
    typer.echo(json.dumps(pack.model_dump(mode="json"), indent=2, ensure_ascii=False))


@language_app.command("check")
def language_check(
    code: Annotated[str, typer.Argument(help="A language's code or a pack's path.")],
) -> None:
    """Compare a pack with English, key by key, and list what a speaker must still look at.

    Example: ikusi language check languages/cy.yaml
    """
    from ikusi import language

    pack = language.load(code)
    for key in pack.to_review:
        typer.echo(f"to review: {key}")
    faults = language.check(pack)
    if faults:
        raise InputError("; ".join(faults[:1]) + f" ({len(faults)} faults in all)")
    typer.echo(f"{pack.name}: complete, {len(pack.to_review)} keys to review")


@language_app.command("new")
def language_new(
    code: Annotated[str, typer.Argument(help="The new language's code, such as cy.")],
    output: Annotated[
        Path | None, typer.Option(help="File to write; languages/CODE.yaml by default.")
    ] = None,
) -> None:
    """Draft a pack from what the translators of Unicode CLDR wrote, for a speaker to finish.

    Example: ikusi language new cy
    """
    from ikusi import language
    from ikusi.miniature import pack

    path = output or Path("languages") / f"{code}.yaml"
    if path.exists():
        raise InputError(f"{path}: expected no file, found one")
    drafted = pack.draft(code)
    path.parent.mkdir(parents=True, exist_ok=True)
    language.write(drafted, path, drafted["to_review"], language.load("en"))
    typer.echo(f"{path}: look at the lines marked `supply` or `check`")


@miniature_app.command("fetch")
def miniature_fetch() -> None:
    """Fetch the pictures and names, once for all studies.

    Example: ikusi miniature fetch
    """
    from ikusi.miniature import packages

    typer.echo(packages.fetch(_show_count))


@miniature_app.command("build")
def miniature_build(
    recipe: RecipeFile, overrides: Overrides = None, studies: Studies = Path("studies")
) -> None:
    """Make only the data of a study.

    Example: ikusi miniature build recipes/emoji-eu.yaml
    """
    loaded, folder = _opened(recipe, overrides, studies)
    _bring_up_to_date(loaded, folder, 1, only=["data"])


@miniature_app.command("bases")
def miniature_bases(
    language: Annotated[
        str | None, typer.Option(help="Make only the backbone adapted to this language.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder for the models' folders.", show_default=False)
    ] = None,
) -> None:
    """Train the small models that studies of the miniature start from.

    With a language: its adapted backbone, kept for all studies. Without: every model that ships
    with the package, in the place of those.

    Example: ikusi miniature bases --language cy
    """
    from ikusi.miniature import bases, shipped

    names = [f"llama-{language}"] if language else shipped.names()
    root = output or (shipped.built() if language else shipped.packaged())
    for name in names:
        typer.echo(bases.build(name, root, _show_count))


@miniature_app.command("sheet")
def miniature_sheet(
    output: Annotated[Path, typer.Option(help="Picture to write.")] = Path("sheet.png"),
) -> None:
    """Draw some concepts in every style on one sheet, for looking at.

    Example: ikusi miniature sheet --output sheet.png
    """
    from ikusi.miniature import sheet

    sheet.write(output)
    typer.echo(output)


def _opened(path: Path, overrides: Sequence[str] | None, studies: Path) -> "tuple[Recipe, Path]":
    """A recipe and its study's folder, which a language given by hand has a part in."""
    from ikusi import recipe as recipes

    changes = overrides or []
    loaded = recipes.load(path, changes)
    by_hand = any(change.startswith("language=") for change in changes)
    return loaded, studies / (f"{loaded.name}-{loaded.language}" if by_hand else loaded.name)


def _bring_up_to_date(
    loaded: "Recipe", folder: Path, workers: int | None, only: Sequence[str] | None = None
) -> None:
    from ikusi import study as studies

    try:
        outcome = studies.run(loaded, folder, workers, only)
    except KeyboardInterrupt:
        typer.echo("stopped; the same command goes on from there", err=True)
        raise typer.Exit(INTERRUPTED) from None
    typer.echo(outcome.told())
    raise typer.Exit(outcome.exit_code)


def _tell_status(loaded: "Recipe", folder: Path) -> None:
    from ikusi import study as studies

    for name, state in studies.status(loaded, folder).items():
        typer.echo(f"{state.status:8} {name}")


def _show_count(done: int, total: int, what: str) -> None:
    typer.echo(f"{done + 1}/{total} {what}", err=True)
