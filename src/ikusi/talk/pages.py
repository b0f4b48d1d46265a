"""The pages on which people begin, ask, stop, read along, prefer, and begin anew."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from ikusi.talk.conversation import MOST_TURNS, Conversation, Picture, Turn
from ikusi.talk.preferences import CHOICES, name_rater
from ikusi.talk.site import MOST_LETTERS, SEE_OTHER, Site, Visit, make_link, visit
from ikusi.web import uploads
from ikusi.web.fields import RefusedError, clean, read_fields, take_one
from ikusi.web.guards import TooLargeError

LOOK_SECONDS = 0.1  # between looks at an answer that comes
SIGN_OF_LIFE = 100  # looks without anything new after which a sign of life is sent


async def enter(request: Request) -> Response:
    """Follow the link: go to pages of one's own."""
    site: Site = request.app.state.site
    word = request.path_params["word"]
    if site.links.find(word) is None:
        raise HTTPException(404)
    return RedirectResponse(f"{make_link(word)}/{secrets.token_urlsafe(16)}", SEE_OTHER)


async def show(request: Request) -> Response:
    """The page of somebody: the beginning, or their conversation."""
    return visit(request).page()


async def begin(request: Request) -> Response:
    """Begin a conversation with a picture, a question, or both."""
    asked = visit(request)
    if asked.conversation is not None:  # the same form sent twice
        return asked.go()
    question = ""
    try:
        async with request.form(max_files=2, max_fields=2) as form:
            question = clean(str(form.get("question", ""))).strip()
            files = uploads.list_files(form, "picture") if asked.site.sees else []
            _expect_question(question)
            picture = await _take_in(asked.site, files[0]) if files else None
        talk = Conversation(asked.site.arrange(), picture)
        _ask(asked, talk, question)
    except TooLargeError:
        most = uploads.MOST_BYTES // 10**6
        return asked.page(asked.words("many_bytes", most=most), 413, question)
    except RefusedError as refused:
        return _refuse(asked, refused, question)
    return asked.go()


async def _take_in(site: Site, file: UploadFile) -> Picture:
    """A picture as nothing but its pixels; nothing of it is left on the disk.

    Raises:
        RefusedError: it is no picture, or has too many pixels.
        InputError: the disk is full or shut.
    """
    with TemporaryDirectory(prefix="ikusi-") as aside:
        sent, plain, small = (Path(aside, name) for name in ("sent", "plain", "small"))
        await uploads.write(file, sent)
        async with site.decoding:
            digest = await run_in_threadpool(uploads.make_plain, sent, plain, small)
        return Picture(digest, plain.read_bytes(), small.read_bytes())


async def ask(request: Request) -> Response:
    """Ask one question more."""
    asked = visit(request)
    fields = await read_fields(request)
    question, talk = take_one(fields, "question").strip(), asked.conversation
    if talk is None or talk.preferred or take_one(fields, "turn") != str(len(talk.turns)):
        return asked.go()  # it has made room for others, or the same form was sent twice
    try:
        _expect_question(question)
        _ask(asked, talk, question)
    except RefusedError as refused:
        return _refuse(asked, refused, question)
    return asked.go()


def _expect_question(question: str) -> None:
    if not question:
        raise RefusedError("no_question")
    if len(question) > MOST_LETTERS:
        raise RefusedError("too_long", most=MOST_LETTERS)


def _ask(asked: Visit, talk: Conversation, question: str) -> None:
    """Ask the models, and keep the conversation."""
    if talk.is_answering:
        raise RefusedError("still_answering")
    if len(talk.turns) >= MOST_TURNS:
        raise RefusedError("enough", most=MOST_TURNS)
    if any(desk.is_full for desk in talk.desks):
        raise RefusedError("busy")
    talk.ask(question, asked.site.max_new_tokens)
    asked.keep(talk)


def _refuse(asked: Visit, refused: RefusedError, question: str) -> Response:
    status = {"busy": 503, "still_answering": 409}.get(refused.key, 422)
    return asked.page(asked.words(refused.key, **refused.values), status, question)


async def prefer(request: Request) -> Response:
    """Keep which of two is better; the next page is only sent once it is on the disk."""
    asked = visit(request)
    fields, talk, table = await read_fields(request), asked.conversation, asked.site.preferences
    choice, language = take_one(fields, "choice"), take_one(fields, "language")
    if talk is None or table is None or not talk.can_be_judged or choice not in CHOICES:
        return asked.go()
    language = table.language or (language if language in asked.site.texts else "")
    if not language:
        return asked.page(asked.words("no_language"), 422)
    talk.preferred = choice  # before it is written, so that a second click finds it said
    try:
        await run_in_threadpool(table.keep, talk, choice, name_rater(asked.own), language)
    except BaseException:
        talk.preferred = ""
        raise
    return asked.go()


async def stop(request: Request) -> Response:
    """End the answer that is coming."""
    asked = visit(request)
    if asked.conversation and asked.conversation.turns:
        asked.conversation.turns[-1].stop()
        for _ in range(20):  # so that the next page has what there was of it
            if not asked.conversation.is_answering:
                break
            await asyncio.sleep(LOOK_SECONDS)
    return asked.go()


async def leave(request: Request) -> Response:
    """Forget the conversation; a new one may begin."""
    asked = visit(request)
    if asked.conversation and asked.conversation.turns:
        asked.conversation.turns[-1].stop()
    asked.keep(None)
    return asked.go()


async def speak(request: Request) -> Response:
    """Change the language of the pages."""
    asked = visit(request)
    language = take_one(await read_fields(request), "language")
    if language in asked.site.texts:
        asked.keep(asked.conversation, language)
    return asked.go()


async def send_picture(request: Request) -> Response:
    """The picture that is talked about."""
    asked = visit(request)
    if asked.conversation is None or asked.conversation.picture is None:
        raise HTTPException(404)
    return Response(asked.conversation.picture.small, media_type="image/webp")


async def follow(request: Request) -> Response:
    """Send the models' answers as they are written, as events for whoever reads along."""
    asked = visit(request)
    talk = asked.conversation
    if talk is None or not talk.turns:
        raise HTTPException(404)
    events = _follow(asked.site, talk, talk.turns[-1])
    return StreamingResponse(events, media_type="text/event-stream")


async def _follow(site: Site, talk: Conversation, turn: Turn) -> AsyncIterator[str]:
    """Each change of an answer: from which letter on it now has which text."""
    shown, before, quiet = [""] * len(turn.answers), [-1] * len(turn.answers), 0
    while not site.closed.is_set():
        over = turn.is_over  # asked first, so that the last words are not missed
        events = list(_list_changes(talk, turn, shown, before))
        for event in events:
            yield f"data: {json.dumps(event)}\n\n"
        if over:
            yield "event: over\ndata:\n\n"
            return
        quiet = 0 if events else quiet + 1
        if quiet % SIGN_OF_LIFE == SIGN_OF_LIFE - 1:
            yield ":\n\n"
        await asyncio.sleep(LOOK_SECONDS)


def _list_changes(
    talk: Conversation, turn: Turn, shown: list[str], before: list[int]
) -> Iterator[dict[str, object]]:
    """Yield the changes since ``shown`` and ``before``, which are brought up to date."""
    for side, (answer, desk) in enumerate(zip(turn.answers, talk.desks, strict=True)):
        text, waiting = clean(answer.text), desk.count_before(answer)
        if text != shown[side]:
            kept = _count_alike(text, shown[side])
            at = len(text[:kept].encode("utf-16-le")) // 2  # as scripts count letters
            yield {"side": side, "at": at, "text": text[kept:]}
        if waiting != before[side]:
            yield {"side": side, "before": waiting}
        shown[side], before[side] = text, waiting


def _count_alike(one: str, other: str) -> int:
    """Number of letters at the beginning that two texts have in common."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))
