"""The application: which path shows which page, and what is said where there is none."""

from __future__ import annotations

from collections.abc import Collection

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from ikusi.errors import InputError
from ikusi.talk import pages
from ikusi.talk.site import ASSETS, Site, make_link, render
from ikusi.web import guards, uploads
from ikusi.web.guards import Guards, TooLargeError
from ikusi.web.wording import choose, list_accepted

UPLOADS = "/begin"
"""How the path ends that files are sent to."""


def create(site: Site, hosts: Collection[str] = ()) -> ASGIApp:
    """The pages; ``hosts`` are names by which people reach this machine, besides its addresses."""
    app = Starlette(routes=_routes(), exception_handlers=_HANDLERS)
    app.router.redirect_slashes = False
    app.state.site = site
    most = uploads.MOST_BYTES + uploads.FORM_BYTES
    return Guards(app, hosts, guards.MOST_BYTES, most, UPLOADS)


def _routes() -> list[Route]:
    link = make_link("{word:str}")
    own = link + "/{own:str}"
    return [
        Route("/assets/{name:str}", ASSETS.send),
        Route(link, pages.enter),
        Route(own, pages.show),
        Route(f"{own}{UPLOADS}", pages.begin, methods=["POST"]),
        Route(f"{own}/ask", pages.ask, methods=["POST"]),
        Route(f"{own}/prefer", pages.prefer, methods=["POST"]),
        Route(f"{own}/stop", pages.stop, methods=["POST"]),
        Route(f"{own}/leave", pages.leave, methods=["POST"]),
        Route(f"{own}/language", pages.speak, methods=["POST"]),
        Route(f"{own}/picture", pages.send_picture),
        Route(f"{own}/answers", pages.follow),
    ]


async def refuse(request: Request, error: Exception) -> Response:
    """Answer with one plain page: nothing is at this address, or the request cannot be taken."""
    status = error.status_code if isinstance(error, HTTPException) else 413
    return _message(request, status, "missing" if status == 404 else "refused")


async def explain_no_room(request: Request, error: Exception) -> Response:
    """Answer with a plain page where the disk takes no more."""
    return _message(request, 503, "no_room")


def _message(request: Request, status: int, key: str) -> Response:
    site: Site = request.app.state.site
    words = choose(site.texts, list_accepted(request.headers.get("accept-language", "")))
    return render(site, words, "message", status, key=key)


_HANDLERS = {HTTPException: refuse, TooLargeError: refuse, InputError: explain_no_room}
