"""Commands on language packs."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ikusi.errors import InputError
from ikusi.terminal import say

app = typer.Typer(help="Look at language packs, start a new one.", no_args_is_help=True)


@app.command("list")
def list_packs() -> None:
    """List the languages that have a pack.

    Example: ikusi language list
    """
    from ikusi import language

    for code in language.list_packs():
        pack = language.load(code)
        say(f"{pack.code:6} {pack.name} ({pack.autonym})")


@app.command("show")
def show(
    code: Annotated[str, typer.Argument(help="A language's code or a pack's path.")],
) -> None:
    """Print a language pack.

    Example: ikusi language show eu
    """
    from ikusi import language

    pack = language.load(code)
    say(json.dumps(pack.model_dump(mode="json"), indent=2, ensure_ascii=False))


@app.command("check")
def check(
    code: Annotated[str, typer.Argument(help="A language's code or a pack's path.")],
) -> None:
    """Compare a pack with English, key by key, and list what a speaker must still look at.

    Example: ikusi language check languages/cy.yaml
    """
    from ikusi import language

    pack = language.load(code)
    for key in pack.to_review:
        source = pack.sources.get(key)
        say(f"to review: {key}" + (f": {source}" if source else ""))
    faults = language.check(pack)
    for fault in faults:
        say(fault)
    if faults:
        raise InputError(f"{pack.code}.yaml: expected a complete pack, found {len(faults)} faults")
    waiting = f", {len(pack.to_review)} keys wait for a speaker" if pack.to_review else ""
    say(f"{pack.name}: can be used{waiting}")


@app.command("new")
def new(
    code: Annotated[str, typer.Argument(help="The new language's code, such as cy.")],
    output: Annotated[
        Path | None, typer.Option(help="File to write; languages/CODE.yaml by default.")
    ] = None,
) -> None:
    """Draft a pack from what the translators of Unicode CLDR wrote, for a speaker to finish.

    Example: ikusi language new cy
    """
    from ikusi import claim, language
    from ikusi.miniature.words import pack
    from ikusi.recipe.values import check_name

    check_name(code, "CODE")
    path = output or Path("languages") / f"{code}.yaml"
    place = claim.check_file(path, None)
    drafted = pack.draft(code)
    language.write(drafted, place, drafted["to_review"], language.load("en"))
    say(f"{path}: look at the lines marked `supply` or `check`")
