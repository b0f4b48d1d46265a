"""The pages of who runs a project: how far people are, where they disagree, what they said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from statistics import median

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ikusi.annotate.exporting import ADJUDICATOR, list_judgements
from ikusi.annotate.project import Turn
from ikusi.annotate.store import SKIPPED, Given, Word
from ikusi.annotate.task import TIE
from ikusi.annotate.web import figures
from ikusi.annotate.web.site import Visit, visit

SIDES = {"A": "B", "B": "A"}


def show_overview(asked: Visit) -> Response:
    """Show how far each person is, and the items on which people disagree."""
    site = asked.site
    people = site.store.people()
    rows = [
        (seat, people.get(seat.code), list(site.store.answers(seat.code).values()))
        for seat in asked.project.seats
    ]
    decided = site.store.answers(ADJUDICATOR)
    given = Counter(one.seat for one in site.store.contributions() if one.written)
    return asked.page(
        "admin",
        rows=rows,
        given=given,
        most=asked.project.settings.get("own"),
        contributions=[one for one in site.store.contributions() if one.written],
        unjudged=len(asked.project.items.keys() - site.store.list_judged()),
        median=median,
        skipped=SKIPPED,
        simulated=any(one.kind == "simulated" for one in people.values()),
        disputes=[(asked.number_of(item), item) for item in list_disputed(asked)],
        decided=decided,
    )


async def show_agreement(request: Request) -> Response:
    """Show the agreement of people so far."""
    asked = visit(request, admin=True)
    return asked.page(
        "figures", figures=await run_in_threadpool(figures.compute_figures, asked.site)
    )


def list_disputed(asked: Visit) -> list[str]:
    """Items that people have given different verdicts on, in the order of the project."""
    voices: dict[str, set[str]] = {}
    for seat in asked.project.seats:
        words = asked.site.store.answers(seat.code)
        for turn in seat.turns:
            word = words.get(turn.item)
            if word and word.given.verdict != SKIPPED:
                voices.setdefault(turn.item, set()).add(_meant(turn, word))
    return [item for item in asked.project.items if len(voices.get(item, ())) > 1]


def _meant(turn: Turn, word: Word) -> str:
    """The verdict whichever side answers stood on: the model preferred, in place of A or B."""
    return {"A": turn.left, "B": turn.right}.get(word.given.verdict, word.given.verdict)


def list_others(asked: Visit, item: str) -> list[tuple[str, Given]]:
    """The answers of all raters to an item, with the sides as the person who decides sees them."""
    own = next(turn for turn in asked.turns.values() if turn.item == item)
    others = []
    for seat in asked.project.seats:
        turn = next((turn for turn in seat.turns if turn.item == item), None)
        word = asked.site.store.answers(seat.code).get(item)
        if turn and word:
            others.append((seat.code, _turn_sides(word.given, turn.left != own.left)))
    return others


def _turn_sides(given: Given, other: bool) -> Given:
    """The answer of a rater, its sides exchanged where they saw them the ``other`` way round."""
    if not other:
        return given
    criteria = {name: SIDES.get(chosen, TIE) for name, chosen in given.criteria.items()}
    verdict = SIDES.get(given.verdict, given.verdict)
    return Given(verdict, criteria, given.reasons, given.correction, given.note, given.seconds)


async def export(request: Request) -> Response:
    """Everything that people said, a judgement a line."""
    asked = visit(request, admin=True)

    def lines() -> Iterator[str]:
        for one in list_judgements(asked.site.made, asked.site.store):
            yield f"{one.to_json()}\n"

    name = "judgements.jsonl"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(lines(), headers=headers, media_type="application/jsonl")


async def ask_to_remove(request: Request) -> Response:
    """Ask whether all that a person said is to be removed, as they want."""
    asked = visit(request, admin=True)
    seat = _seat(asked)
    return asked.page("leave", of=seat, target=f"{asked.base}/people/{seat}/leave")


async def remove(request: Request) -> Response:
    """Remove all that a person said."""
    asked = visit(request, admin=True)
    await run_in_threadpool(asked.site.store.withdraw, _seat(asked))
    return asked.go()


async def remove_item(request: Request) -> Response:
    """Remove one picture that somebody gave, with all that was said of it."""
    asked = visit(request, admin=True)
    number, _, item = asked.turn()
    for one in asked.site.store.contributions():
        if one.id == item.id and asked.gives:
            await run_in_threadpool(asked.site.store.discard, one.seat, number)
            return asked.go()
    raise HTTPException(404)


def _seat(asked: Visit) -> str:
    seat = str(asked.request.path_params["seat"])
    if seat not in asked.project.by_code or not asked.site.store.person(seat).entered:
        raise HTTPException(404)
    return seat
