"""Commands on studies and their models."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ikusi.cli.arguments import (
    Overrides,
    RecipeFile,
    Redo,
    Studies,
    Workers,
    bring_up_to_date,
    open_study,
)
from ikusi.imports import keep_imports
from ikusi.terminal import say

if TYPE_CHECKING:
    from ikusi.recipe import Recipe


def study(
    recipe: RecipeFile,
    overrides: Overrides = None,
    studies: Studies = Path("studies"),
    workers: Workers = None,
    status: Annotated[bool, typer.Option("--status", help="Only show where it stands.")] = False,
    redo: Redo = None,
) -> None:
    """Run a whole study, from data to report; what is done already is kept.

    Stop it at any time: the same command goes on from there, without --redo STEP.

    Example: ikusi study recipes/emoji-eu.yaml

    Example: ikusi study recipes/emoji-eu.yaml --redo "evaluate/*"
    """
    loaded, folder = open_study(recipe, overrides, studies)
    if status:
        _print_status(loaded, folder)
    else:
        steps = None if redo is None else [step for step in redo if step]
        bring_up_to_date(loaded, folder, workers, redo=steps)


def train(
    recipe: RecipeFile,
    stage: Annotated[Literal["align", "instruct"], typer.Option(help="The training stage.")],
    run: Annotated[str, typer.Option(help="A run of the grid; for align, a backbone.")],
    overrides: Overrides = None,
    studies: Studies = Path("studies"),
    nproc: Annotated[
        int | None,
        typer.Option(min=1, help="Processes that train it together; the recipe's by default."),
    ] = None,
) -> None:
    """Train one model of a study, and only what it needs.

    Example: ikusi train recipes/emoji-eu.yaml --stage instruct --run english-eu020 --nproc 2
    """
    more = [] if nproc is None else [f"compute.processes={nproc}"]
    loaded, folder = open_study(recipe, [*(overrides or []), *more], studies)
    bring_up_to_date(loaded, folder, 1, only=[f"{stage}/{run}"])


def inspect(
    checkpoint: Annotated[Path, typer.Argument(help="Folder of a run of a study, or of a model.")],
    corpus: Annotated[Path, typer.Argument(help="Folder of a corpus.")],
    language: Annotated[
        str | None, typer.Option(help="A language's code; the corpus's first by default.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="How many rows, from the first.")] = 3,
    id: Annotated[list[str] | None, typer.Option(help="This row instead; may be repeated.")] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write a page with pictures instead of printing.")
    ] = None,
    max_length: Annotated[int, typer.Option(min=1, help="Longest sample, in tokens.")] = 8192,
) -> None:
    """Show rows as training sees them: what is given, learnt, a picture, or cut.

    Example: ikusi inspect studies/emoji-eu/align/english studies/emoji-eu/data/instructions
    --language eu --count 5 --html rows.html
    """
    from ikusi import claim
    from ikusi.data.corpus import Corpus
    from ikusi.recipe import folder

    with keep_imports():
        from ikusi.model import inspect as inspects
        from ikusi.model import inspect_view

    if html is not None:
        claim.check_file(html, claim.PAGE, [corpus])
    opened = Corpus.open(corpus)
    places = inspects.find_places(opened, count, id or [])
    reader = inspects.open_reader(folder.locate_checkpoint(checkpoint))
    rows = inspects.read(reader, opened, language or opened.languages[0], places, max_length)
    if html is None:
        inspect_view.to_terminal(reader, rows)
    else:
        say(inspect_view.to_page(reader, opened, rows, html))


def export(
    checkpoint: Annotated[Path, typer.Argument(help="Folder of a run of a study, or of a model.")],
    to: Annotated[
        Literal["llm", "gguf"],
        typer.Option(help="The LLM alone for transformers, or all of it for llama.cpp."),
    ],
    output: Annotated[Path, typer.Option(help="Folder to write to; new, or empty.")],
    llama_cpp: Annotated[
        Path | None,
        typer.Option(help="Folder of llama.cpp, whose converter is used; else one on the PATH."),
    ] = None,
) -> None:
    """Write a model for other programs; what serves LLaVA reads the checkpoint itself.

    Example: ikusi export studies/emoji-eu/instruct/adapted-eu020 --to llm --output basque-llm
    """
    from ikusi.recipe import folder

    with keep_imports():
        from ikusi.publish import export as exports

    exports.export(folder.locate_checkpoint(checkpoint), to, output, llama_cpp)
    for path in sorted(output.iterdir()):
        say(path)


def report(
    study: Annotated[Path, typer.Argument(help="Folder of a study.")],
    output: Annotated[Path, typer.Option(help="Folder to write the report to.")],
) -> None:
    """Write a report on what a study has so far, finished or not.

    Example: ikusi report studies/emoji-eu --output so-far
    """
    from ikusi import claim
    from ikusi.report import page

    claim.expect(output, page.KIND, [study])
    page.write(study, output)
    say(output / "index.html")


def _print_status(loaded: "Recipe", folder: Path) -> None:
    from ikusi import study as studies

    for name, state in studies.read_states(loaded, folder).items():
        say(f"{state.status:8} {name}" + ("  (made by other code)" if state.other_code else ""))
