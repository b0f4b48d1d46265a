"""Plan that people give pictures of their own, with what they write about them."""

from __future__ import annotations

from datetime import UTC, datetime

from ikusi.annotate import shows
from ikusi.annotate.contributions import TEXTS
from ikusi.annotate.plan import Plan, list_seats
from ikusi.annotate.project import OWN, About
from ikusi.errors import InputError
from ikusi.judgements.judgement import format_time
from ikusi.recipe import packaged
from ikusi.recipe.values import check_name, check_path_of_names

ASKED = {
    "caption": "a caption",
    "vqa": "a question and its answer",
    "choice": "a question and its choices",
}
HELD_OUT = 0.2  # share of pictures where nothing else is said


def plan_own(
    name: str,
    language: str,
    annotators: int,
    own: int,
    rows: str = "vqa",
    benchmark: str = "",
    held_out: float = HELD_OUT,
    seed: int = 0,
) -> Plan:
    """Plan that each of some people gives pictures, and that each of these is reviewed by another.

    Args:
        name: what judgements call this, where no benchmark is made; other projects of their kind
            have other names.
        language: in which they write.
        annotators: how many they are.
        own: pictures of each.
        rows: what they write: `caption`, `vqa` or `choice`.
        benchmark: name of the one to make, for which pictures are held out.
        held_out: share of these.
        seed: of the choice of these.

    Raises:
        InputError: there are too few people to review each other, or no benchmark can be made of
            such rows.
    """
    for what, least, number in (("annotators", 2, annotators), ("own", 1, own)):
        if number < least:
            raise InputError(f"{what}: expected {least} or more, found {number}")
    if rows not in TEXTS:
        raise InputError(f"rows: expected {', '.join(TEXTS)}, found {rows}")
    if benchmark and rows == "caption":
        raise InputError("rows: expected vqa or choice for a benchmark, found caption")
    check_name(language, "language")
    if benchmark:
        _check_benchmark(benchmark)
    if benchmark and not 0 < held_out < 1:
        raise InputError(f"held_out: expected a number between 0 and 1, found {held_out}")
    settings = {"rows": rows, "own": own}
    settings |= {"benchmark": benchmark, "held_out": held_out} if benchmark else {}
    about = About(
        task=OWN,
        benchmark=benchmark or name,
        language=language,
        seed=seed,
        seats=list_seats(annotators),
        origin={},
        content="",
        settings=settings,
        shows=shows.compute_for_shares(OWN, [1.0] * annotators * own, 0, annotators * own),
        made=format_time(datetime.now(UTC)),
    )
    return Plan(about, [()] * annotators, lambda _: [], [])


def _check_benchmark(name: str) -> None:
    try:
        check_path_of_names(name)
    except ValueError:
        raise InputError(
            f"benchmark: expected a name, or a path of names, found {name!r}"
        ) from None
    if (packaged.BENCHMARKS / f"{name}.yaml").is_file():
        raise InputError(f"benchmark: expected a new name, found {name}, which comes with Ikusi")


def describe(about: About) -> str:
    """Say in a line what is asked of each."""
    people, own = len(about.seats), about.settings["own"]
    return (
        f"Each of {people} people gives {own} pictures with {ASKED[about.settings['rows']]}, and "
        f"reviews about as many of others: up to {people * own:,} rows."
    )
