"""Commands on judgements: who said what of which item."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ikusi.terminal import say

app = typer.Typer(
    help="Collect what people and models judged, compute what it says.", no_args_is_help=True
)

Table = Annotated[Path, typer.Argument(metavar="TABLE", help="Folder of a table of judgements.")]
Format = Literal["csv", "jsonl", "parquet", "label-studio", "arena"]
FormatOption = Annotated[
    Format | None,
    typer.Option("--format", help="The file's format, where its ending does not say."),
]
SHOWN = 5  # reasons why rows were set aside


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A file of judgements.")],
    output: Annotated[Path, typer.Option(help="Folder of the table to add to, or to begin.")],
    given: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Fields for rows that lack them."),
    ] = None,
    format: FormatOption = None,
) -> None:
    """Add a file's judgements to a table: CSV, JSONL, Parquet, Label Studio or Arena-style pairs.

    Rows that are no judgements go to the table's quarantine; the counts say how many and why. The
    same file may be imported again: what the table has already is not added.

    Example: ikusi judgements import votes.jsonl --format arena --output judged kind=person
    benchmark=wildvision
    """
    from ikusi.judgements import importing

    counts = importing.import_file(file, output, format, _settings(given or []))
    for name in ("rows", "added", "known", "quarantined", "unjudged"):
        say(f"{getattr(counts, name):10,} {name}")
    for reason, count in counts.reasons.most_common(SHOWN):
        say(f"{count:10,} set aside: {reason}")


@app.command("export")
def export(
    table: Table,
    output: Annotated[Path, typer.Option(help="File to write, which must not exist.")],
    format: FormatOption = None,
) -> None:
    """Write a table's judgements to a file: CSV, JSONL, Parquet, Label Studio or Arena-style pairs.

    The first three keep every row. For Label Studio and Arena, which know no changed minds, only
    the last word of each rater is written.

    Example: ikusi judgements export judged --output judged.parquet
    """
    from ikusi.judgements import exporting

    counts = exporting.export_file(table, output, format)
    say(f"{counts.written:10,} written")
    if counts.replaced:
        say(f"{counts.replaced:10,} left out: replaced by a later judgement of the same rater")
    if counts.unfit:
        say(f"{counts.unfit:10,} left out: the format has no place for them")


@app.command("report")
def report(
    table: Table,
    output: Annotated[
        Path | None, typer.Option(help="Folder for the tables as CSV, with notes on them.")
    ] = None,
) -> None:
    """Compute a table's figures: acceptance, wins and ties, agreement, people beside judges.

    Example: ikusi judgements report judged --output judged-figures
    """
    from ikusi import claim
    from ikusi.judge import figures as judges
    from ikusi.judge import record
    from ikusi.judgements import figures, journal
    from ikusi.report import judgements as views

    if output is not None:
        claim.expect(output, views.KIND, [table])
    computed = figures.compute(journal.read(table))
    judging = judges.compute(record.read(table))
    views.to_terminal(computed, judging=judging)
    if output is not None:
        say(views.write(computed, output, judging))


def _settings(given: Sequence[str]) -> dict[str, Any]:
    """KEY=VALUE words, each value as it stands: a row id of digits is text."""
    from ikusi.errors import InputError

    settings = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not equals or not value:
            raise InputError(f"command line: expected KEY=VALUE, found {word}")
        settings[name] = value
    return settings
