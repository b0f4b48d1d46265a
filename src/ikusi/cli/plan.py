"""The command that says what a recipe will take."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ikusi.cli.arguments import Overrides, RecipeFile, Studies, open_study
from ikusi.errors import InputError
from ikusi.terminal import say

if TYPE_CHECKING:
    from ikusi.plan.card import Hardware
    from ikusi.plan.planning import Asked
    from ikusi.recipe import Recipe
    from ikusi.translate.settings import Translation


Pairs = Annotated[int, typer.Option(min=0, help="Pairs of runs that a judge compares, too.")]
Rows = Annotated[
    list[str] | None,
    typer.Option(metavar="CORPUS=ROWS", help="Rows of a corpus that is not here."),
]


def plan(
    recipe: RecipeFile,
    overrides: Overrides = None,
    gpu: Annotated[
        str | None, typer.Option(help="A card, such as h100 or a100-80, or a YAML file.")
    ] = None,
    gpus: Annotated[int, typer.Option(min=1, help="How many of them there are.")] = 1,
    machine: Annotated[
        bool, typer.Option("--machine", help="Plan for this machine instead, as it is.")
    ] = False,
    measure: Annotated[
        bool, typer.Option("--measure", help="First run a short time of each step here.")
    ] = False,
    price: Annotated[
        float | None, typer.Option(min=0, help="Price of an hour of one card.")
    ] = None,
    translate: Annotated[
        list[str] | None,
        typer.Option(metavar="RECIPE=CORPUS", help="Plan a translation too; may be repeated."),
    ] = None,
    judge: Pairs = 0,
    price_read: Annotated[
        float, typer.Option(min=0, help="Price of a million tokens that the judge reads.")
    ] = 0,
    price_written: Annotated[
        float, typer.Option(min=0, help="Price of a million tokens that it writes.")
    ] = 0,
    rows: Rows = None,
    studies: Studies = Path("studies"),
    to_json: Annotated[
        Path | None, typer.Option("--json", help="Write all figures to this file.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page to this file.")] = None,
) -> None:
    """Say what a recipe will take before any of it is made: memory, hours, money, energy.

    Nothing is downloaded and no model opened: shapes of models and sizes of corpora are enough.
    With --measure every kind of step first runs for some seconds on this machine.

    Example: ikusi plan recipes/basque-8b.yaml --gpu h100 --gpus 8 --price 2.50
    """
    from ikusi import claim, disk
    from ikusi.plan import page, planning, table
    from ikusi.recipe.folder import StudyFolder

    loaded, folder = open_study(recipe, overrides, studies)
    hardware = _find_hardware(gpu, gpus, machine, price)
    if html is not None:
        claim.check_file(html, claim.PAGE)
    if to_json is not None:
        to_json = claim.check_file(to_json, planning.MARK)
    asked = _ask(translate or [], judge, (price_read, price_written), rows or [])
    if measure:
        _measure(loaded, asked)
    made = planning.make_plan(loaded, hardware, StudyFolder(folder), asked)
    say(table.write_text(made))
    if to_json is not None:
        disk.write_text(to_json, json.dumps(made.to_json(), indent=2) + "\n")
    if html is not None:
        page.write(made, html)


def _find_hardware(gpu: str | None, gpus: int, machine: bool, price: float | None) -> "Hardware":
    from ikusi.plan import card

    if machine == (gpu is not None):
        actual = "both" if machine else "neither"
        raise InputError(f"expected --gpu CARD or --machine, found {actual}")
    if gpu is not None:
        return card.Hardware(card.load(gpu), gpus, price)
    here = card.find_machine()
    return card.Hardware(here.card, here.count, price)


def _measure(loaded: "Recipe", asked: "Asked") -> None:
    from ikusi import progress
    from ikusi.plan import measuring

    with progress.show("measuring") as report:
        measuring.measure_study(loaded, report)
    for settings, corpus in asked.translations:
        with progress.show(f"measuring {settings.name}") as report:
            measuring.measure_translation(settings, corpus, report)


def _ask(
    translations: list[str], pairs: int, prices: tuple[float, float], rows: list[str]
) -> "Asked":
    from ikusi.plan.planning import Asked
    from ikusi.plan.serving import Prices

    named = [_split(text, "--translate", "RECIPE=CORPUS") for text in translations]
    counted = [_split(text, "--rows", "CORPUS=ROWS") for text in rows]
    for name, count in counted:
        if not count.isdecimal() or not int(count):
            raise InputError(f"--rows: {name}: expected a whole number of rows, found {count}")
    return Asked(
        [_open(name, corpus) for name, corpus in named],
        pairs,
        Prices(*prices),
        {name: int(count) for name, count in counted},
    )


def _open(recipe: str, corpus: str) -> "tuple[Translation, Path]":
    from ikusi.translate import settings  # it loads every check of translations

    return settings.load(recipe), Path(corpus)


def _split(text: str, option: str, expected: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if not name or not value:
        raise InputError(f"{option}: expected {expected}, found {text}")
    return name, value
