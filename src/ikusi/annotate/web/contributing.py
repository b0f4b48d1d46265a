"""The pages on which people give pictures of their own, and write about them."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ikusi import disk
from ikusi.annotate.contributions import TEXTS, Contribution
from ikusi.annotate.project import PICTURES, SMALL
from ikusi.annotate.web import forms
from ikusi.annotate.web.people import lead_on, shut
from ikusi.annotate.web.pictures import send_file
from ikusi.annotate.web.site import Visit, visit
from ikusi.web import stripping, uploads
from ikusi.web.fields import RefusedError, read_fields, take_one
from ikusi.web.guards import TooLargeError


def visit_giver(request: Request) -> Visit:
    """Find the person who asks, in a project whose items people give.

    Raises:
        HTTPException: it is another project, or the link is not one of its own.
    """
    asked = visit(request, admin=False)
    if not asked.gives:
        raise HTTPException(404)
    return asked


async def show_mine(request: Request) -> Response:
    """Show what a person has given, with the form to give more."""
    asked = visit_giver(request)
    return shut(asked) or _show_mine(asked)


def _show_mine(asked: Visit, problem: str = "", status: int = 200) -> Response:
    mine = [one for one in asked.site.store.contributions() if one.seat == asked.seat]
    kept = asked.request.query_params.get("kept", "")
    return asked.page(
        "mine",
        status,
        mine=mine,
        done=sum(one.written is not None for one in mine),
        most=asked.project.settings["own"],
        kept=next((one.number for one in mine if str(one.number) == kept), 0),
        problem=problem,
        most_bytes=uploads.MOST_BYTES,
    )


async def take_upload(request: Request) -> Response:
    """Take in a picture; the next page is only sent once it is on the disk."""
    asked = visit_giver(request)
    if away := shut(asked):
        return away
    with _lay_aside(asked.site.made.folder) as aside:
        try:
            nonce = await _receive(request, aside.sent)
            async with asked.site.decoding:
                number = await run_in_threadpool(_take_in, asked, aside, nonce)
        except TooLargeError:
            most = uploads.MOST_BYTES // 10**6
            return _show_mine(asked, asked.say("many_bytes", most=most), 413)
        except RefusedError as refused:
            return _show_mine(asked, asked.say(refused.key, **refused.values), 422)
    return asked.go(f"mine/{number}")


class Aside(NamedTuple):
    """The files of a picture until it is taken in: as it was sent, plain, and small."""

    sent: Path
    plain: Path
    small: Path


@contextmanager
def _lay_aside(folder: Path) -> Iterator[Aside]:
    """Names of files that are gone afterwards; what a killed server leaves, the next one tidies."""
    word = secrets.token_hex(8)
    names = (f".{word}.{what}.{os.getpid()}.tmp" for what in Aside._fields)
    aside = Aside(*(folder / name for name in names))
    try:
        yield aside
    finally:
        for path in aside:
            path.unlink(missing_ok=True)


async def _receive(request: Request, place: Path) -> str:
    """Write the file of a form to its place; returns the form's nonce.

    Raises:
        RefusedError: there is no file, or more than one.
        TooLargeError: it is too large.
    """
    async with request.form(max_files=2, max_fields=2) as form:
        nonce = forms.read_nonce({"nonce": [str(form.get("nonce", ""))]})
        sent = uploads.list_files(form, "picture")
        if not sent:
            raise RefusedError("no_file")
        await uploads.write(sent[0], place)
    return nonce


def _take_in(asked: Visit, aside: Aside, nonce: str) -> int:
    """Strip a picture and keep it; returns its number.

    Raises:
        RefusedError: it is no picture, too large, or one more than was asked for.
        InputError: the disk is full or not writable.
    """
    digest = uploads.make_plain(aside.sent, aside.plain, aside.small)
    name, folder = digest[:32], asked.site.made.folder
    picture = f"{name}.{stripping.ENDING}"
    places = {
        aside.plain: folder / PICTURES / picture,
        aside.small: folder / SMALL / f"{name}.webp",
    }

    def keep() -> None:
        for source, target in places.items():
            with disk.explain_errors(target):
                disk.make_folder(target.parent)
                disk.flush(source)
                disk.move(source, target)

    most = int(asked.project.settings["own"])
    number = asked.site.store.contribute(asked.seat, picture, nonce, most, keep)
    if not number:
        raise RefusedError("enough")
    return number


async def show_one(request: Request) -> Response:
    """One picture of somebody, with the form to write about it, or with what they wrote."""
    asked = visit_giver(request)
    return shut(asked) or _show_one(asked, _find(asked), {})


def _find(asked: Visit) -> Contribution:
    """The contribution that the path names.

    Raises:
        HTTPException: it is not theirs, or there is none.
    """
    number = asked.request.path_params["number"]
    for one in asked.site.store.contributions():
        if one.number == number and one.seat == asked.seat:
            return one
    raise HTTPException(404)


def _show_one(
    asked: Visit,
    one: Contribution,
    filled: Mapping[str, Sequence[str]],
    problem: str = "",
    status: int = 200,
) -> Response:
    rows = asked.project.settings["rows"]
    return asked.page(
        "one",
        status,
        one=one,
        rows=rows,
        names=TEXTS[rows],
        value=lambda name: take_one(filled, name),
        before=_find_before(asked, one),
        problem=problem,
    )


def _find_before(asked: Visit, one: Contribution) -> str:
    """The key of the text that says the same picture was given before; empty where it was not."""
    others = [
        other.seat
        for other in asked.site.store.contributions()
        if other.picture == one.picture and other.number < one.number
    ]
    if not others:
        return ""
    return "before_yours" if asked.seat in others else "before_other"


async def write(request: Request) -> Response:
    """Keep what somebody writes about their picture; the first time counts."""
    asked = visit_giver(request)
    if away := shut(asked):
        return away
    one, fields = _find(asked), await read_fields(request)
    if one.written is None:
        try:
            written = forms.read_written(asked.site.task, asked.project.settings["rows"], fields)
            for other in asked.site.store.contributions():
                texts = other.written.texts if other.written else None
                if other.picture == one.picture and texts == written.texts:
                    raise RefusedError("same_again")
        except RefusedError as refused:
            values = {
                name: asked.name_part(str(value)) if name == "part" else value
                for name, value in refused.values.items()
            }
            return _show_one(asked, one, fields, asked.say(refused.key, **values), 422)
        await run_in_threadpool(asked.site.store.describe, asked.seat, one.number, written)
    return asked.go(f"mine?kept={one.number}")


async def remove(request: Request) -> Response:
    """Remove a picture with all that was written about it."""
    asked = visit_giver(request)
    if away := shut(asked):
        return away
    await run_in_threadpool(asked.site.store.discard, asked.seat, _find(asked).number)
    return asked.go("mine")


async def lead_to_review(request: Request) -> Response:
    """Lead to what somebody else gave and has not been reviewed yet."""
    asked = visit_giver(request)
    return shut(asked) or lead_on(asked, 0)


async def send_mine(request: Request) -> Response:
    """A picture of one's own, as it was taken in."""
    asked = visit_giver(request)
    if shut(asked):
        raise HTTPException(404)
    name = _find(asked).picture
    return send_file(asked.site.made.folder / SMALL / f"{Path(name).stem}.webp")
