"""The command that translates a corpus."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ikusi.terminal import say

if TYPE_CHECKING:
    from ikusi.translate.settings import Translation


def translate(
    recipe: Annotated[
        Path,
        typer.Argument(metavar="RECIPE", help="How to translate, as YAML; docs/translation.md."),
    ],
    corpus: Annotated[Path, typer.Option(help="Folder of the corpus to translate.")],
    output: Annotated[Path, typer.Option(help="Folder of the new corpus, with one language more.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Changes to it, such as engine.beam_size=1."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Translate only the first rows, for a look.")
    ] = None,
    rank: Annotated[
        int | None, typer.Option(min=0, help="Number of this worker; a call without one finishes.")
    ] = None,
    world: Annotated[int, typer.Option(min=1, help="How many workers there are.")] = 1,
    retry: Annotated[
        bool, typer.Option("--retry", help="Ask again for rows that were quarantined.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what it takes: tokens, hours, money.")
    ] = False,
    show_prompt: Annotated[
        bool, typer.Option("--show-prompt", help="Only print what is sent for the first row.")
    ] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Only write a report on what there is so far.")
    ] = False,
) -> None:
    """Translate a corpus into one language more, and report on it.

    Stop it at any time: the same command goes on from there.

    Example: ikusi translate recipes/translate/apertium-gl.yaml
    --corpus corpora/captions --output corpora/captions-gl
    """
    from ikusi.translate import run, settings

    loaded = settings.load(recipe, overrides or [])
    if show_prompt:
        say(run.show_prompt(loaded, corpus))
    elif dry_run:
        say(run.estimate(loaded, corpus, output, limit).describe())
    elif report:
        say(_write_report(output))
    else:
        counts = _translate(loaded, corpus, output, rank, world, retry, limit)
        for name, count in counts.items():
            say(f"{count:10,} {name.replace('_', ' ')}")
        if rank is None:
            say(_write_report(output))


def _translate(
    settings: "Translation",
    corpus: Path,
    output: Path,
    rank: int | None,
    world: int,
    retry: bool,
    limit: int | None,
) -> dict[str, Any]:
    from ikusi import progress
    from ikusi.translate import run

    with progress.show("translating") as report:
        return run.translate(
            settings,
            corpus,
            output,
            rank=rank,
            world=world,
            retry=retry,
            limit=limit,
            progress=lambda state: report(
                state.done, state.total, known=state.done - state.asked, note=state.rest()
            ),
        )


def _write_report(output: Path) -> str:
    """Write the report; says what was set aside or flagged, and where the page is."""
    from ikusi import claim
    from ikusi.translate import report, run

    work = claim.expect(run.locate_working_folder(output), run.KIND)
    page = work / "report.html"
    gathered = report.write(work, page)
    return "\n".join([*report.write_summary(gathered), f"report: {page}"])
