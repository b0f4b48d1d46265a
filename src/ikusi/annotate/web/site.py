"""Parts shared by all pages of a project: the project, its answers, words and templates."""

from __future__ import annotations

import asyncio
import secrets
import time
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ikusi.annotate import growing
from ikusi.annotate import project as projects
from ikusi.annotate.contributions import read_number
from ikusi.annotate.exporting import ADJUDICATOR, list_third_turns
from ikusi.annotate.project import ADMIN, OWN, Item, Project, Turn
from ikusi.annotate.store import SKIPPED, Given, Person, Store
from ikusi.annotate.task import Task, Words
from ikusi.annotate.web.forms import CORRECTED
from ikusi.web.fields import Fields, take_one
from ikusi.web.guards import Links
from ikusi.web.rendering import open_pages
from ikusi.web.static import Assets
from ikusi.web.uploads import AT_ONCE
from ikusi.web.wording import Texts, Wording, choose, list_accepted

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).parent
TEMPLATES, TEXTS = HERE / "templates", HERE / "texts"
ASSETS = Assets(HERE / "assets")
SEE_OTHER = 303
MOST_PARTS = 2000  # of forms that are kept, of a thousand letters or so each


class Current(NamedTuple):
    """A project at one moment, and what each seat may be asked, by number; who decides may be asked
    about every item. ``parts`` of forms are kept, which are the same on many pages."""

    project: Project
    turns: Mapping[str, Mapping[int, Turn]]
    parts: dict[tuple[str, ...], str]


@dataclass(frozen=True)
class Site:
    """A project that is served. ``consent`` is what people agree to; empty for the usual text."""

    made: Project
    store: Store
    task: Task
    texts: Mapping[str, Texts]
    links: Links
    consent: str = ""
    computed: dict[str, Any] = field(default_factory=dict)
    computing: Lock = field(default_factory=Lock)
    decoding: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    def read(self) -> Current:
        """The project as it is now: people may have given something since."""
        mark = self.store.mark_contributions() if self.made.task == OWN else ()
        known: tuple[object, Current] | None = self.computed.get("current")
        if known is None or known[0] != mark:
            known = mark, _lay_out(growing.join(self.made, self.store))
            self.computed["current"] = known
        return known[1]


def _lay_out(project: Project) -> Current:
    """Number what each seat may be asked; what people gave keeps the number it came with."""
    turns = {seat.code: seat.turns for seat in project.seats}
    turns[ADJUDICATOR] = tuple(list_third_turns(project).values())
    own = project.task == OWN
    numbered = {
        seat: {
            read_number(turn.item) if own else place: turn for place, turn in enumerate(those, 1)
        }
        for seat, those in turns.items()
    }
    return Current(project, numbered, {})


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
        """The person at their seat, as stored when they asked."""
        return self.site.store.person(self.seat)

    @cached_property
    def current(self) -> Current:
        """The project, as it was when they asked."""
        return self.site.read()

    @property
    def project(self) -> Project:
        """The project, as it was when they asked."""
        return self.current.project

    @property
    def gives(self) -> bool:
        """Whether people give the items themselves."""
        return self.site.made.task == OWN

    @property
    def turns(self) -> Mapping[int, Turn]:
        """The turns that they may be asked, by number."""
        return self.current.turns[self.seat]

    @cached_property
    def answered(self) -> set[str]:
        """The items that they have answered or skipped."""
        return self.site.store.list_answered(self.seat)

    @cached_property
    def waiting(self) -> list[int]:
        """The numbers of what they are still asked: of what people gave, what has not been judged
        yet."""
        done = self.answered
        if self.gives and not self.admin:
            done = done | self.site.store.list_judged()
        return [number for number, turn in self.turns.items() if turn.item not in done]

    @cached_property
    def numbers(self) -> list[int]:
        """The numbers of all that they are asked, or have answered."""
        if not self.gives:
            return list(self.turns)
        waiting = set(self.waiting)
        return [n for n, one in self.turns.items() if n in waiting or one.item in self.answered]

    def place(self, number: int) -> int:
        """The place of a number, counted from 1, in the order in which they are asked."""
        return 1 + bisect_left(self.numbers, number)

    @cached_property
    def words(self) -> Wording:
        """The words of their pages: as they chose, else as their browser asks."""
        own = self.person.language
        asked = [own] if own else list_accepted(self.request.headers.get("accept-language", ""))
        return choose(self.site.texts, [*asked, self.site.made.language])

    @property
    def task_words(self) -> Words:
        """The words of the task in the same language."""
        return self.site.task.words_in(self.words.chosen.code)

    def say(self, key: str, **values: object) -> str:
        """A text of the pages: the task's own, else one that all tasks share."""
        own = self.task_words.pages.get(key)
        return self.words(key, **values) if own is None else own.format_map(values)

    def name_part(self, name: str) -> str:
        """The word for a text that a person writes, in the language of the pages."""
        return self.words.part("caption" if name == "text" else name)

    @property
    def consent(self) -> str:
        """The text that they agree to before they begin."""
        more = self.task_words.pages.get("consent")
        return self.site.consent or "\n\n".join(filter(None, [self.words("consent"), more]))

    def turn(self) -> tuple[int, Turn, Item]:
        """The number, turn and item that the path names.

        Raises:
            HTTPException: they are not asked that much.
        """
        number = self.request.path_params["number"]
        if (turn := self.turns.get(number)) is None:
            raise HTTPException(404)
        return number, turn, self.project.items[turn.item]

    def number_of(self, item: str) -> int:
        """The number of an item among what they are asked; 0 where it has been removed."""
        return next((n for n, turn in self.turns.items() if turn.item == item), 0)

    def name_verdict(self, given: Given) -> str:
        """The verdict of an answer in a word, in the language of the pages."""
        own = self.task_words.said
        if given.verdict == SKIPPED:
            return self.words("skipped")
        return own[CORRECTED] if given.correction and CORRECTED in own else own[given.verdict]

    def part(self, filled: Fields, corrected: bool, template: str, turn: Turn | None = None) -> str:
        """A part of an item's form: made once for all who have filled in nothing.

        Most of the time that a page takes went into making these parts anew.

        Args:
            filled: what has been filled in.
            corrected: whether that corrects a text.
            template: of the part.
            turn: of the item that it shows, if it shows one.
        """
        about = (turn.item, turn.left, turn.right) if turn else ()
        key = (template, self.words.chosen.code, *about)
        if not filled and (made := self.current.parts.get(key)) is not None:
            return made
        values = {"filled": filled, "corrected": corrected, "value": partial(take_one, filled)}
        if turn:
            values |= {"turn": turn, "item": self.project.items[turn.item]}
        # Without the visit, so that nothing of one person comes onto the page of another.
        part = fill(self.site, self.words, template, project=self.project, **values)
        if not filled:
            if len(self.current.parts) >= MOST_PARTS:
                self.current.parts.clear()
            self.current.parts[key] = part
        return part

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
    page = fill(
        site,
        words,
        template,
        version=ASSETS.version,
        new_nonce=lambda: secrets.token_urlsafe(9),
        shown=int(time.time() * 1000),
        **values,
    )
    return HTMLResponse(page, status)


def fill(site: Site, words: Wording, template: str, **values: object) -> str:
    """Fill in a template, which has the words of a language and of the task."""
    task = site.task.words_in(words.chosen.code)
    filled = _templates().get_template(f"{template}.html.j2")
    return filled.render(site=site, w=words, words=task, **values)


@cache
def _templates() -> Environment:
    return open_pages(TEMPLATES)


def visit(request: Request, admin: bool | None = None) -> Visit:
    """Find the person who asks, by the secret word in the path.

    Args:
        admin: whether only who runs the project may, or only the others.

    Raises:
        HTTPException: the link is unknown, or does not lead there: there is no such page.
    """
    site: Site = request.app.state.site
    word = request.path_params["word"]
    code = site.links.find(word)
    if code is None or admin not in (None, code == ADMIN):
        raise HTTPException(404)
    return Visit(site, request, word, ADJUDICATOR if code == ADMIN else code, code == ADMIN)
