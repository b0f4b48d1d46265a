"""The application: which path shows which page, and what is said where there is none."""

from __future__ import annotations

from collections.abc import Collection

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from ikusi.annotate import project as projects
from ikusi.annotate import task as tasks
from ikusi.annotate.project import OWN, Project
from ikusi.annotate.store import Store
from ikusi.annotate.web import admin, contributing, forms, people, pictures
from ikusi.annotate.web.site import ASSETS, TEXTS, Site, render
from ikusi.errors import InputError
from ikusi.web import guards, uploads
from ikusi.web.guards import Guards, Links, TooLargeError
from ikusi.web.wording import choose, list_accepted, read_texts

UPLOADS = "/mine"
"""How the path ends that files are sent to."""

LETTER = 12  # bytes of the longest letter in a form


def create(
    project: Project, store: Store, consent: str = "", hosts: Collection[str] = ()
) -> ASGIApp:
    """The pages of a project.

    Args:
        project: what people are asked.
        store: where their answers go.
        consent: the text that people agree to, instead of the usual one.
        hosts: names by which people reach this machine, besides its addresses.

    Raises:
        InputError: the task, the words or the links of the project are damaged.
    """
    links = Links(projects.read_links(project.folder))
    task = tasks.load(project.task)
    app = Starlette(routes=_routes(), exception_handlers=_HANDLERS)
    app.router.redirect_slashes = False
    app.state.site = Site(project, store, task, read_texts(TEXTS), links, consent)
    sizes = (sum(map(len, item.texts.values())) for item in project.items.values())
    letters = max(sizes, default=forms.MOST_LETTERS)
    most = uploads.MOST_BYTES + uploads.FORM_BYTES if project.task == OWN else 0
    return Guards(app, hosts, guards.MOST_BYTES + 2 * LETTER * letters, most, UPLOADS)


def _routes() -> list[Route]:
    link = projects.make_link("{word:str}")
    one = link + "/{number:int}"
    mine = f"{link}{UPLOADS}"
    given = mine + "/{number:int}"
    person = link + "/people/{seat:str}/leave"
    return [
        # Those that are asked for most come first, as they are tried in this order.
        Route(one, people.show_item),
        Route(one, people.answer, methods=["POST"]),
        Route(f"{one}/picture", pictures.send_small),
        Route("/assets/{name:str}", ASSETS.send),
        Route(link, people.start),
        Route(link, people.enter, methods=["POST"]),
        Route(f"{link}/language", people.speak, methods=["POST"]),
        Route(f"{link}/items", people.list_items),
        Route(mine, contributing.show_mine),
        Route(mine, contributing.take_upload, methods=["POST"]),
        Route(given, contributing.show_one),
        Route(given, contributing.write, methods=["POST"]),
        Route(f"{given}/remove", contributing.remove, methods=["POST"]),
        Route(f"{given}/picture", contributing.send_mine),
        Route(f"{link}/review", contributing.lead_to_review),
        Route(f"{link}/done", people.show_end),
        Route(f"{link}/leave", people.leave),
        Route(f"{link}/leave", people.withdraw, methods=["POST"]),
        Route(f"{link}/figures", admin.show_agreement),
        Route(f"{link}/judgements.jsonl", admin.export),
        Route(person, admin.ask_to_remove),
        Route(person, admin.remove, methods=["POST"]),
        Route(f"{one}/back", people.take_back, methods=["POST"]),
        Route(f"{one}/remove", admin.remove_item, methods=["POST"]),
        Route(f"{one}/zoom", pictures.show_zoom),
        Route(f"{one}/full", pictures.send_full),
    ]


async def refuse(request: Request, error: Exception) -> Response:
    """Answer with one plain page: nothing is at this address, or the request cannot be taken."""
    status = error.status_code if isinstance(error, HTTPException) else 413
    return _message(request, status, "missing" if status == 404 else "refused")


async def explain_unstored(request: Request, error: Exception) -> Response:
    """Answer with a plain page where the disk takes no more."""
    return _message(request, 503, "not_stored")


def _message(request: Request, status: int, key: str) -> Response:
    site: Site = request.app.state.site
    words = choose(site.texts, list_accepted(request.headers.get("accept-language", "")))
    return render(site, words, "message", status, key=key)


_HANDLERS = {HTTPException: refuse, TooLargeError: refuse, InputError: explain_unstored}
