"""Commands on annotation: people give judgements."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ikusi.errors import InputError
from ikusi.terminal import say

if TYPE_CHECKING:
    from ikusi.annotate.plan import Plan

app = typer.Typer(
    help="""Let people judge: plan who is asked what, ask them, use what they said.

    Example: ikusi annotate plan validate corpora/vqav2-eu --language eu --output people/vqav2,
    ikusi annotate serve people/vqav2, ikusi annotate apply people/vqav2 --output corpora/checked
    """,
    no_args_is_help=True,
)
plan = typer.Typer(help="Make a project: who is asked about which items.", no_args_is_help=True)
app.add_typer(plan, name="plan")

MOST = 2**32 - 1  # of a seed, as in recipes
OWN = 20  # items of each person where nothing else is said, as in the paper

Corpus = Annotated[Path, typer.Argument(help="Folder of a corpus.")]
Project = Annotated[Path, typer.Argument(metavar="PROJECT", help="Folder of a project.")]
Language = Annotated[str, typer.Option(help="Language that is judged.")]
Output = Annotated[Path, typer.Option(help="Folder of the project to make.")]
Annotators = Annotated[int, typer.Option(min=1, help="How many people.")]
Shared = Annotated[int, typer.Option(min=0, help="Items that all of them are asked about.")]
Seed = Annotated[int, typer.Option(min=0, max=MOST, help="Seed of draw, order and sides.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what the plan can show, and make nothing.")
]


@plan.command("validate")
def plan_validate(
    corpus: Corpus,
    language: Language,
    output: Output,
    annotators: Annotators = 4,
    shared: Shared = 20,
    own: Annotated[
        int | None,
        typer.Option(min=0, help="Further items for each person alone; 20 by default."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Ask about all rows; one person sees each row not shared.")
    ] = False,
    flagged: Annotated[
        float,
        typer.Option(
            min=1, help="How many times as often to draw rows that a translation check flagged."
        ),
    ] = 1,
    margin: Annotated[
        float | None,
        typer.Option(help="Say how many items it takes to know a share to within so much."),
    ] = None,
    seed: Seed = 0,
    dry_run: DryRun = False,
) -> None:
    """Let people accept, reject or correct rows of a corpus, beside what they are translated from.

    Says what so many items can show, and prints a secret link for each person and one for who runs
    it.

    Example: ikusi annotate plan validate corpora/vqav2-eu --language eu --annotators 4
    --shared 20 --own 20 --output people/vqav2
    """
    from ikusi.annotate import plan as plans
    from ikusi.annotate import shows

    if every and own is not None:
        raise InputError("--own: expected nothing, as all rows are asked about, found a number")
    _expect_share("--margin", margin)
    asked = plans.Asked(annotators, shared, None if every else OWN if own is None else own)
    made = plans.plan_validation(corpus, language, asked, seed, flagged)
    needed: Iterable[str] = ()
    if margin is not None:
        shown = made.about.shows
        needed = shows.describe_margin(
            "validate", margin, shown["effective_items"] / shown["items"]
        )
    _make(made, output, needed, dry_run)


@plan.command("compare")
def plan_compare(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Folders of evaluations, or of runs of a study."),
    ],
    benchmark: Annotated[str, typer.Option(help="Whose answers are compared.")],
    language: Language,
    output: Output,
    annotators: Annotators = 4,
    shared: Shared = 44,
    own: Annotated[int, typer.Option(min=0, help="Further items of each person alone.")] = 0,
    corpus: Annotated[
        Path | None, typer.Option(help="Folder of the benchmark's corpus, if it is elsewhere.")
    ] = None,
    difference: Annotated[
        float | None,
        typer.Option(help="Say how many items it takes to find such a difference of wins."),
    ] = None,
    seed: Seed = 0,
    dry_run: DryRun = False,
) -> None:
    """Let people compare what two or more models answered, without knowing whose answer is whose.

    Sides are drawn for each person and item. Of more than two models each item has the answers of
    two, each two as often as any other two.

    Example: ikusi annotate plan compare studies/emoji-eu/instruct/english-eu020
    studies/emoji-eu/instruct/adapted-eu020 --benchmark miniature/wildvision --language eu
    --shared 44 --output people/wildvision
    """
    from ikusi.annotate import plan as plans
    from ikusi.annotate import shows

    _expect_share("--difference", difference)
    asked = plans.Asked(annotators, shared, own)
    made = plans.plan_comparison(runs, benchmark, language, asked, seed, corpus)
    needed: Iterable[str] = ()
    if difference is not None:
        needed = shows.describe_difference(difference, len(runs))
    _make(made, output, needed, dry_run)


@plan.command("select")
def plan_select(
    corpus: Corpus,
    language: Language,
    output: Output,
    annotators: Annotators = 1,
    shared: Shared = 0,
    seed: Seed = 0,
    dry_run: DryRun = False,
) -> None:
    """Let people keep or drop each row of a corpus, with a reason.

    Rows that are not shared are seen by one person each.

    Example: ikusi annotate plan select corpora/wildvision --language en --annotators 2
    --shared 40 --output people/wildvision-kept
    """
    from ikusi.annotate import plan as plans

    _make(plans.plan_selection(corpus, language, annotators, shared, seed), output, (), dry_run)


@plan.command("own")
def plan_own(
    language: Annotated[str, typer.Option(help="Language that people write in.")],
    output: Output,
    annotators: Annotators = 4,
    own: Annotated[int, typer.Option(min=1, help="Pictures that each of them gives.")] = OWN,
    rows: Annotated[
        str, typer.Option(help="What they write about each: caption, vqa or choice.")
    ] = "vqa",
    benchmark: Annotated[
        str, typer.Option(help="Name of a benchmark to make, for which pictures are held out.")
    ] = "",
    held_out: Annotated[
        float | None,
        typer.Option(help="Share of pictures that are held out for it; 0.2 by default."),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=MOST, help="Seed of which pictures are held out.")
    ] = 0,
    dry_run: DryRun = False,
) -> None:
    """Let people give pictures of their own, write about them, and review those of others.

    Example: ikusi annotate plan own --language eu --annotators 4 --own 20 --output people/own
    """
    from ikusi.annotate import own_plan

    if held_out is not None and not benchmark:
        raise InputError("--held-out: expected a --benchmark to hold pictures out for, found none")
    share = own_plan.HELD_OUT if held_out is None else held_out
    name = output.resolve().name
    made = own_plan.plan_own(name, language, annotators, own, rows, benchmark, share, seed)
    _make(made, output, (), dry_run, own_plan.describe(made.about))


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
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected a text file, found {error}") from None
    if not text:
        raise InputError(f"{path}: expected the text that people agree to, found nothing")
    return text


@app.command("simulate")
def simulate(
    project: Project,
    agreement: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Probability that a rater is right; else it answers at random."
        ),
    ] = 0.8,
    seed: Annotated[int, typer.Option(min=0, max=MOST, help="Seed of what they say.")] = 0,
) -> None:
    """Try a project with simulated raters: a program answers in all places.

    For demonstrations. It says nothing about people, models or data, and every table, figure and
    page names it. A project that a person has begun is refused; one that was simulated stays so.

    Example: ikusi annotate simulate people/trial
    """
    from ikusi.annotate.simulated import simulate_raters

    say(f"{simulate_raters(project, agreement, seed):10,} answers of SIMULATED raters added")


@app.command("export")
def export(
    project: Project,
    output: Annotated[Path, typer.Option(help="Table of judgements to add to, or to begin.")],
    third_opinions: Annotated[
        bool,
        typer.Option(
            "--third-opinions",
            help="Also verdicts of the person who decides where others disagree.",
        ),
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
        pictures = done.pictures.get(code)
        more = f", with {pictures:,} pictures" if pictures else ""
        say(f"{count:10,} removed: {code} has withdrawn{more}")


@app.command("apply")
def apply(
    project: Project,
    output: Annotated[Path, typer.Option(help="Corpus, or list of rows to keep, to make.")],
    corpus: Annotated[
        Path | None,
        typer.Option(help="Where the corpus is that the project was planned from, if it moved."),
    ] = None,
    only_judged: Annotated[
        bool, typer.Option("--only-judged", help="Leave out the rows that were not judged.")
    ] = False,
) -> None:
    """Apply what people said: a corpus with their corrections, or a list of the rows they keep.

    What people gave themselves becomes a corpus of what others accepted, and a benchmark where the
    project was planned for one.

    Rejected rows, and those that people disagree on, go to the corpus's quarantine with who said
    what and why. A third opinion decides alone.

    Example: ikusi annotate apply people/vqav2 --output corpora/vqav2-eu-checked
    """
    from ikusi.annotate import apply as applying
    from ikusi.data import judged

    counts = applying.apply(project, output, corpus, only_judged)
    for name, count in counts.items():
        say(f"{count:10,} {name.replace('_', ' ')}")
    if output.is_dir() and (accepted := judged.read_accepted(output)):
        say(f"{accepted.in_words()}.")


def _expect_share(name: str, value: float | None) -> None:
    """Refuse a margin or difference that no number of people could show."""
    if value is not None and not 0.005 <= value <= 0.5:
        raise InputError(f"{name}: expected a number from 0.005 to 0.5, found {value}")


def _make(
    planned: "Plan", output: Path, needed: Iterable[str], dry_run: bool, asked: str = ""
) -> None:
    """Say what a plan can show, then make the project; secret words are printed this once.

    ``asked`` says what is asked of people, where that is no number of items.
    """
    from ikusi.annotate import project, shows

    items = planned.about.shows["items"]
    turns = sum(map(len, planned.dealt))
    say(asked or f"{items:,} items, {turns:,} turns of {len(planned.dealt)} people.")
    for line in (*shows.describe(planned.about.shows), *needed):
        say(line)
    if dry_run:
        return
    made = planned.make(output)
    if not made.words:
        say(f"{output} was made before; its links are in {output / project.LINKS}")
    for code, word in made.words.items():
        say(f"{code:14} {project.make_link(word)}")
