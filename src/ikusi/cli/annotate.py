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
