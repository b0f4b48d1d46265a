"""The command that compares evaluations."""

from pathlib import Path
from typing import Annotated

import typer

from ikusi.terminal import say


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN",
            help="Folders of evaluations, or of runs of a study; the first is the baseline.",
        ),
    ],
    metric: Annotated[
        str | None,
        typer.Option(help="Compare by this metric; by default each benchmark's primary one."),
    ] = None,
    group: Annotated[
        bool, typer.Option("--group", help="Compare each group of a benchmark's rows too.")
    ] = False,
    seeds: Annotated[
        bool,
        typer.Option(
            "--seeds", help="Compare all trainings of the runs' models, under each of their seeds."
        ),
    ] = False,
    show: Annotated[
        int, typer.Option(min=0, help="Print so many rows that are scored differently.")
    ] = 0,
    output: Annotated[
        Path | None, typer.Option(help="Folder for a page, a plot, tables and all such rows.")
    ] = None,
    bootstrap: Annotated[
        int, typer.Option(min=1, help="Resamples behind each interval and p-value.")
    ] = 10_000,
) -> None:
    """Compare evaluations row by row: differences, their intervals and tests.

    Example: ikusi compare studies/emoji-eu/instruct/english-eu000
    studies/emoji-eu/instruct/english-eu020 --show 5 --output compared
    """
    from ikusi import claim
    from ikusi.compare import runs as compares
    from ikusi.recipe import folder
    from ikusi.report import compare as views

    folders = [folder.locate_evaluation(run) for run in runs]
    if output is not None:
        claim.expect(output, views.KIND, folders)
    comparison = compares.compare(
        folders, metric=metric, by_group=group, by_seed=seeds, resamples=bootstrap
    )
    views.to_terminal(comparison, show)
    if output is not None:
        say(views.write(comparison, output))
