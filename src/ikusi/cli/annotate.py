"""Commands on annotation: people give judgements."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ikusi.terminal import say

if TYPE_CHECKING:
    from ikusi.annotate.plan import Made

app = typer.Typer(
    help="Let people judge: plan who is asked what, ask them, use what they said.",
    no_args_is_help=True,
)
plan = typer.Typer(help="Make a project: who is asked about which items.", no_args_is_help=True)
app.add_typer(plan, name="plan")

MOST = 2**32 - 1  # of a seed, as in recipes

Project = Annotated[Path, typer.Argument(metavar="PROJECT", help="Folder of a project.")]
Language = Annotated[str, typer.Option(help="Language that is judged.")]
Annotators = Annotated[int, typer.Option(min=1, help="How many people.")]
Shared = Annotated[int, typer.Option(min=0, help="Items that all of them are asked about.")]
Own = Annotated[int, typer.Option(min=0, help="Further items of each person alone.")]
Output = Annotated[Path, typer.Option(help="Folder of the project to make.")]
Seed = Annotated[int, typer.Option(min=0, max=MOST, help="Seed of draw, order and sides.")]


@plan.command("validate")
def plan_validate(
    corpus: Annotated[Path, typer.Argument(help="Folder of a corpus with a translation.")],
    language: Language,
    output: Output,
    annotators: Annotators = 4,
    shared: Shared = 20,
    own: Own = 20,
    seed: Seed = 0,
) -> None:
    """Let people accept, reject or correct rows of a corpus, beside what they are translated from.

    Prints a secret link for each person, and one for who runs it.

    Example: ikusi annotate plan validate corpora/vqav2-eu --language eu --annotators 4
    --shared 20 --own 20 --output people/vqav2
    """
    from ikusi.annotate import plan as plans

    asked = plans.Asked(annotators, shared, own)
    _tell(plans.validation(corpus, output, language, asked, seed))


@app.command("serve")
def serve(
    project: Project,
    host: Annotated[
        str, typer.Option(help="Address to serve at; 0.0.0.0 for phones in the same network.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any free port.")] = 8000,
    consent: Annotated[
        Path | None, typer.Option(help="File with the text people agree to, instead of the usual.")
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(
            help="Name of this machine in the network, where people do not use its address."
        ),
    ] = None,
) -> None:
    """Ask people: serve the pages of a project until it is stopped, and go on where it was.

    Prints each person's secret link. Every answer is on the disk before the next page is sent.

    Example: ikusi annotate serve people/vqav2 --host 0.0.0.0
    """
    from ikusi.annotate.web import serving

    text = _text(consent) if consent else ""
    for line in serving.serve(project, host, port, text, name or ()):
        say(line)


def _text(path: Path) -> str:
    from ikusi.errors import InputError

    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected a text file, found {error}") from None
    if not text:
        raise InputError(f"{path}: expected the text that people agree to, found nothing")
    return text


@app.command("export")
def export(
    project: Project,
    output: Annotated[Path, typer.Option(help="Table of judgements to add to, or to begin.")],
    third_opinions: Annotated[
        bool,
        typer.Option("--third-opinions", help="Also those of who decides where others disagree."),
    ] = False,
) -> None:
    """Add what people said to a table of judgements; also while the project is served.

    The same answers are not added twice. Third opinions are on disputed items alone, so figures of
    agreement are only right without them.

    Example: ikusi annotate export people/vqav2 --output judged
    """
    from ikusi.annotate import exporting

    done = exporting.export(project, output, third_opinions)
    say(f"{done.added:10,} added")
    say(f"{done.known:10,} known")
    if done.left_out:
        say(f"{done.left_out:10,} left out: third opinions")
    for code, count in done.withdrawn.items():
        say(f"{count:10,} removed: {code} has withdrawn")


def _tell(made: "Made") -> None:
    """Say what was made; the secret words are printed this once, and stay in the project."""
    from ikusi.annotate import project

    found = made.project
    turns = sum(len(seat.turns) for seat in found.seats)
    say(f"{found.folder}: {len(found.items):,} items, {turns:,} turns of {len(found.seats)} people")
    if not made.words:
        say(f"It was made before; its links are in {found.folder / project.LINKS}")
    for code, word in made.words.items():
        say(f"{code:14} {project.link(word)}")
