"""Parts shared by all pages of a talk: the models, the people, words and templates."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ikusi.talk.conversation import Conversation, People, Person
from ikusi.talk.desk import Desk
from ikusi.talk.preferences import CHOICES, Preferences, name_rater
from ikusi.web.guards import Links
from ikusi.web.rendering import open_pages
from ikusi.web.static import Assets
from ikusi.web.uploads import AT_ONCE, MOST_BYTES
from ikusi.web.wording import Texts, Wording, choose, list_accepted

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).parent
TEMPLATES, TEXTS = HERE / "templates", HERE / "texts"
ASSETS = Assets(HERE / "assets")
SEE_OTHER = 303
MOST_LETTERS = 4000  # of a question

_WORD = re.compile("[A-Za-z0-9_-]{16,32}")


@dataclass(frozen=True)
class Site:
    """The models that people talk with. ``preferences``: the table that has which of two is better;
    ``closed`` is set when the server is to end."""

    desks: Sequence[Desk]
    texts: Mapping[str, Texts]
    links: Links
    max_new_tokens: int
    preferences: Preferences | None = None
    people: People = field(default_factory=People)
    closed: Event = field(default_factory=Event)
    decoding: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    @property
    def sees(self) -> bool:
        """Whether all models take pictures."""
        return all(desk.engine.sees for desk in self.desks)

    def arrange(self) -> Sequence[Desk]:
        """The models in the order of their sides, drawn for each conversation."""
        return random.SystemRandom().sample(self.desks, len(self.desks))

    def names(self, talk: Conversation | None) -> bool:
        """Whether models are called by their names already."""
        always = self.preferences is None or not self.preferences.blind
        return always or bool(talk and talk.preferred)


@dataclass(frozen=True)
class Visit:
    """A request by somebody who has the link; ``own`` is the secret word of their own pages."""

    site: Site
    request: Request
    word: str
    own: str

    @property
    def base(self) -> str:
        """The path of their own pages."""
        return f"{make_link(self.word)}/{self.own}"

    @cached_property
    def person(self) -> Person:
        """The person who asks, as kept in memory when they asked."""
        return self.site.people.find(self.own)

    @property
    def conversation(self) -> Conversation | None:
        """Their conversation, if they have one."""
        return self.person.conversation

    @cached_property
    def words(self) -> Wording:
        """The words of their pages: as they chose, else as their browser asks."""
        own = self.person.language
        asked = [own] if own else list_accepted(self.request.headers.get("accept-language", ""))
        return choose(self.site.texts, asked)

    def keep(self, conversation: Conversation | None, language: str = "") -> None:
        """Keep their conversation, in place of the one before."""
        person = Person(language or self.person.language, conversation)
        self.site.people.keep(self.own, person)

    def page(self, problem: str = "", status: int = 200, question: str = "") -> Response:
        """The page that they are on: the beginning, or a conversation."""
        talk = self.conversation
        return render(
            self.site,
            self.words,
            "start" if talk is None else "conversation",
            status,
            visit=self,
            talk=talk,
            named=self.site.names(talk),
            rater=name_rater(self.own),
            choices=CHOICES,
            problem=problem,
            question=question,
        )

    def go(self) -> Response:
        """Lead to their page."""
        return RedirectResponse(self.base, SEE_OTHER)


def make_link(word: str) -> str:
    """The path of the link that lets people in."""
    return f"/to/{word}"


def render(
    site: Site, words: Wording, template: str, status: int = 200, **values: object
) -> Response:
    """Fill in a page."""
    page = (
        _templates()
        .get_template(f"{template}.html.j2")
        .render(
            site=site,
            w=words,
            version=ASSETS.version,
            most_letters=MOST_LETTERS,
            most_bytes=MOST_BYTES,
            **values,
        )
    )
    return HTMLResponse(page, status)


@cache
def _templates() -> Environment:
    return open_pages(TEMPLATES)


def visit(request: Request) -> Visit:
    """Find the person who asks, by the secret words in the path.

    Raises:
        HTTPException: the link is not this server's, or the other word is none.
    """
    site: Site = request.app.state.site
    word, own = request.path_params["word"], request.path_params["own"]
    if site.links.find(word) is None or not _WORD.fullmatch(own):
        raise HTTPException(404)
    return Visit(site, request, word, own)
