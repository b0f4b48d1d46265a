"""What all pages of a project share: the project, its answers, words and templates."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ikusi.annotate import project as projects
from ikusi.annotate.exporting import ADJUDICATOR, list_third_turns
from ikusi.annotate.project import ADMIN, Item, Project, Turn
from ikusi.annotate.store import SKIPPED, Given, Person, Store
from ikusi.annotate.task import Task
from ikusi.annotate.web.forms import CORRECTED, clean
from ikusi.annotate.web.guards import Links
from ikusi.annotate.web.static import VERSION
from ikusi.annotate.wording import Texts, Wording, choose, list_accepted
from ikusi.page import open_templates

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
SEE_OTHER = 303


@dataclass(frozen=True)
class Site:
    """A project that is served. ``consent`` is what people agree to; empty for the usual text."""

    project: Project
    store: Store
    task: Task
    texts: Mapping[str, Texts]
    links: Links
    consent: str = ""
    computed: dict[str, Any] = field(default_factory=dict)
    computing: Lock = field(default_factory=Lock)

    @cached_property
    def turns(self) -> Mapping[str, Sequence[Turn]]:
        """What each seat is asked, in order; who decides may be asked about every item."""
        found = {seat.code: seat.turns for seat in self.project.seats}
        return {**found, ADJUDICATOR: tuple(list_third_turns(self.project).values())}


@dataclass(frozen=True)
class Visit:
    """A request by somebody whose link is right. ``seat`` is theirs; ``admin`` runs the project."""

    site: Site
    request: Request
    word: str
    seat: str
    admin: bool

    @cached_property
    def base(self) -> str:
        """The path of their link."""
        return projects.make_link(self.word)

    @cached_property
    def person(self) -> Person:
        """Who sits at their seat, as it was when they asked."""
        return self.site.store.person(self.seat)

    @cached_property
    def turns(self) -> Sequence[Turn]:
        """What they are asked, in order."""
        return self.site.turns[self.seat]

    @cached_property
    def words(self) -> Wording:
        """The words of their pages: as they chose, else as their browser asks."""
        own = self.person.language
        asked = [own] if own else list_accepted(self.request.headers.get("accept-language", ""))
        return choose(self.site.texts, [*asked, self.site.project.language])

    def turn(self) -> tuple[int, Turn, Item]:
        """The number, turn and item that the path names.

        Raises:
            HTTPException: they are not asked that much.
        """
        number = self.request.path_params["number"]
        if not 1 <= number <= len(self.turns):
            raise HTTPException(404)
        turn = self.turns[number - 1]
        return number, turn, self.site.project.items[turn.item]

    def number_of(self, item: str) -> int:
        """The number of an item among what they are asked."""
        return next(n for n, turn in enumerate(self.turns, 1) if turn.item == item)

    def name_verdict(self, given: Given) -> str:
        """What somebody said, in a word."""
        own = self.site.task.words_in(self.words.found.code).said
        if given.verdict == SKIPPED:
            return self.words("skipped")
        return own[CORRECTED] if given.correction and CORRECTED in own else own[given.verdict]

    def page(self, template: str, status: int = 200, **values: object) -> Response:
        """A page in their language."""
        return render(self.site, self.words, template, status, visit=self, **values)

    def go(self, place: object = "") -> Response:
        """Lead to another page of theirs."""
        return RedirectResponse(f"{self.base}/{place}" if place else self.base, SEE_OTHER)


def render(
    site: Site, words: Wording, template: str, status: int = 200, **values: object
) -> Response:
    """Fill in a page: with new forms, which know when they were shown."""
    task = site.task.words_in(words.found.code)
    page = (
        _templates()
        .get_template(f"{template}.html.j2")
        .render(
            site=site,
            w=words,
            words=task,
            version=VERSION,
            new_nonce=lambda: secrets.token_urlsafe(9),
            shown=int(time.time() * 1000),
            **values,
        )
    )
    return HTMLResponse(page, status)


@cache
def _templates() -> Environment:
    return open_templates(TEMPLATES, {"clean": clean})


def visit(request: Request, admin: bool | None = None) -> Visit:
    """Who asks, by the secret in the path.

    Args:
        admin: whether only who runs the project may, or only the others.

    Raises:
        HTTPException: nobody's link, or one that does not lead there: there is nothing.
    """
    site: Site = request.app.state.site
    word = request.path_params["word"]
    code = site.links.find(word)
    if code is None or admin not in (None, code == ADMIN):
        raise HTTPException(404)
    return Visit(site, request, word, ADJUDICATOR if code == ADMIN else code, code == ADMIN)
