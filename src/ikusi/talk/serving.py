"""The server: one process, with the models in it or behind servers of their own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing

from ikusi.answer.engine import Engine
from ikusi.talk import app
from ikusi.talk.desk import Desk
from ikusi.talk.preferences import Preferences
from ikusi.talk.site import TEXTS, Site, make_link
from ikusi.web import listening
from ikusi.web.guards import Links
from ikusi.web.wording import read_texts


def serve(
    engines: Mapping[str, Engine],
    max_new_tokens: int,
    host: str,
    port: int,
    names: Sequence[str] = (),
    preferences: Preferences | None = None,
) -> Iterator[str]:
    """Let people talk with one model, or with two side by side, until this process is stopped.

    Args:
        engines: the models, by what pages call them.
        max_new_tokens: of the longest answer.
        host: an address of this machine; `0.0.0.0` for all of them.
        port: 0 for any that is free.
        names: by which people reach this machine, besides its addresses.
        preferences: the table that says which of two is better.

    Yields:
        What whoever runs it needs to know, line by line: first the link.

    Raises:
        InputError: the port is taken, or the address is not of this machine.
    """
    word = secrets.token_urlsafe(16)
    with ExitStack() as stack:
        listener = stack.enter_context(listening.listen(host, port))
        desks = [
            stack.enter_context(closing(Desk(engine, name))) for name, engine in engines.items()
        ]
        site = Site(desks, read_texts(TEXTS), Links({word: "people"}), max_new_tokens, preferences)
        yield f"{listening.name_address(host, listener)}{make_link(word)}"
        if preferences is not None:
            yield f"Preferences are kept in {preferences.journal.folder}"
        yield "Stop with Ctrl-C; no conversation is kept."
        listening.send_pages(app.create(site, [*names, host]), listener, site.closed.set)
