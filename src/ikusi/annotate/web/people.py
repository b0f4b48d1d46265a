"""The pages of one person: what they are asked, what they said, and how they leave."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from functools import partial

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from ikusi.annotate.exporting import ADJUDICATOR
from ikusi.annotate.store import SKIPPED
from ikusi.annotate.web import admin, forms
from ikusi.annotate.web.site import Visit, visit
from ikusi.web.fields import Fields, RefusedError, read_fields, take_one

LEAST_SECONDS = 0.4
"""From a page to its answer: what comes sooner is the second half of a double click."""


async def start(request: Request) -> Response:
    """Follow a person's link: show the first page, or go on to where they stopped."""
    asked = visit(request)
    if asked.admin:
        return admin.show_overview(asked)
    person = asked.person
    if person.withdrawn:
        return asked.page("withdrawn")
    if not person.entered:
        return asked.page("start", problem="", name="")
    return asked.go("mine") if asked.gives else lead_on(asked, 0)


async def enter(request: Request) -> Response:
    """Begin, once somebody has agreed."""
    asked = visit(request, admin=False)
    fields = await read_fields(request)
    store, problem, name = asked.site.store, "", take_one(fields, "name")
    try:
        if take_one(fields, "agree") != "yes":
            raise RefusedError("not_agreed")
        name = forms.read_name(fields)
    except RefusedError as refused:
        problem = asked.words(refused.key)
        return asked.page("start", 422, problem=problem, name=name)
    await run_in_threadpool(store.enter, asked.seat, name, asked.consent)
    return asked.go()


async def speak(request: Request) -> Response:
    """Change the language of the pages."""
    asked = visit(request)
    language = take_one(await read_fields(request), "language")
    if language in asked.site.texts:
        await run_in_threadpool(asked.site.store.speak, asked.seat, language)
    home = "mine" if asked.gives else "items"
    return asked.go(home if asked.person.entered and not asked.admin else "")


def lead_on(asked: Visit, after: int) -> Response:
    """Lead to the next item that is not answered, or to the end."""
    numbers = asked.waiting
    if asked.admin:
        open_ = admin.list_disputed(asked)
        numbers = [n for n in numbers if asked.turns[n].item in open_]
    following = [n for n in numbers if n > after] or numbers
    if following:
        return asked.go(following[0])
    end = "mine" if asked.gives else "done"
    return asked.go("" if asked.admin else end)


async def show_item(request: Request) -> Response:
    """An item, with what was said of it."""
    asked = visit(request)
    if away := shut(asked):
        return away
    number, turn, _ = asked.turn()
    draft = asked.site.store.draft(asked.seat, turn.item)
    answered = draft is not None and not draft.taken_back
    filled: dict[str, Sequence[str]] = {}
    if draft:
        given = draft.given
        filled = {"note": [given.note], "reason": given.reasons}
        filled |= {f"criterion.{name}": [value] for name, value in given.criteria.items()}
        names = list(asked.project.items[turn.item].texts)
        filled |= {f"text.{names.index(name)}": [t] for name, t in given.correction.items()}
        if asked.site.task.criteria and given.verdict != asked.site.task.follows(given.criteria):
            filled["verdict"] = [given.verdict]
    problem = asked.words("too_quick") if "again" in request.query_params else ""
    before = asked.name_verdict(draft.given) if draft and answered else ""
    return show(asked, number, filled, problem, before=before)


def shut(asked: Visit) -> Response | None:
    """Send a person who has not begun, or has withdrawn, to the first page; None for all others."""
    person = asked.person
    if asked.admin or (person.entered and not person.withdrawn):
        return None
    return asked.go()


def show(
    asked: Visit,
    number: int,
    filled: Mapping[str, Sequence[str]],
    problem: str = "",
    status: int = 200,
    before: str = "",
) -> Response:
    """The page of an item, with what has been filled in."""
    turn = asked.turns[number]
    about = asked.project.items[turn.item]
    corrected = bool(forms.read_correction(about, filled))
    upcoming = next((n for n in asked.waiting if n > number), 0)
    return asked.page(
        "item",
        status,
        number=number,
        turn=turn,
        item=about,
        filled=filled,
        corrected=corrected,
        part=partial(asked.part, filled, corrected),
        problem=problem,
        before=before,
        upcoming=upcoming,
        done=len(asked.answered),
        last=asked.site.store.last(asked.seat),
        others=admin.list_others(asked, turn.item) if asked.admin else [],
    )


async def answer(request: Request) -> Response:
    """Keep what somebody says of an item; the next page is only sent once it is on the disk."""
    asked = visit(request)
    if away := shut(asked):
        return away
    number, turn, about = asked.turn()
    fields = await read_fields(request)
    try:
        nonce, seconds = forms.read_nonce(fields), count_seconds(fields)
        if seconds < LEAST_SECONDS:
            return asked.go(f"{number}?again=1")
        given = forms.read_given(asked.site.task, about, fields, seconds)
    except RefusedError as refused:
        return show(asked, number, fields, asked.words(refused.key, **refused.values), 422)
    store = asked.site.store
    if asked.admin and not store.person(ADJUDICATOR).entered:
        await run_in_threadpool(store.enter, ADJUDICATOR)
    contribution = number if asked.gives else 0
    sent = store.send(asked.seat, turn.item, given, nonce, contribution=contribution)
    await asyncio.wrap_future(sent)
    return lead_on(visit(request), number)


def count_seconds(fields: Fields) -> float:
    """Seconds that a person looked, as their page says: at most those since it was sent, and at
    most `forms.LONGEST_SECONDS`."""
    try:
        since = time.time() - float(take_one(fields, "shown")) / 1000
        own = float(take_one(fields, "seconds") or since)
    except ValueError:
        raise RefusedError("no_verdict") from None
    if not 0 <= since <= forms.LONGEST_SECONDS * 365 or not own >= 0:
        raise RefusedError("no_verdict")
    return round(min(own, since, forms.LONGEST_SECONDS), 1)


async def take_back(request: Request) -> Response:
    """Take back what was said of an item, and show it anew."""
    asked = visit(request)
    if away := shut(asked):
        return away
    number, turn, _ = asked.turn()
    try:
        nonce = forms.read_nonce(await read_fields(request))
    except RefusedError:
        return asked.go(number)
    await run_in_threadpool(asked.site.store.take_back, asked.seat, turn.item, nonce)
    return asked.go(number)


async def list_items(request: Request) -> Response:
    """All that somebody is asked, with what they said."""
    asked = visit(request, admin=False)
    return shut(asked) or _items(asked, finished=False)


async def show_end(request: Request) -> Response:
    """The end, with what was skipped."""
    asked = visit(request, admin=False)
    return shut(asked) or _items(asked, finished=True)


def _items(asked: Visit, finished: bool) -> Response:
    answers = asked.site.store.answers(asked.seat)
    rows = [(n, asked.turns[n], answers.get(asked.turns[n].item)) for n in asked.numbers]
    if finished and asked.waiting:
        return lead_on(asked, 0)
    skipped = [n for n, _, word in rows if word and word.given.verdict == SKIPPED]
    return asked.page("items", rows=rows, finished=finished, skipped=skipped, answered=len(answers))


async def leave(request: Request) -> Response:
    """Ask whether somebody wants to withdraw."""
    asked = visit(request, admin=False)
    return shut(asked) or asked.page("leave", of="", target=f"{asked.base}/leave")


async def withdraw(request: Request) -> Response:
    """Remove all that somebody has said."""
    asked = visit(request, admin=False)
    if away := shut(asked):
        return away
    await run_in_threadpool(asked.site.store.withdraw, asked.seat)
    return asked.go()
