"""A project whose items people give themselves: frozen as others are, and what was added to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ikusi.annotate import project as projects
from ikusi.annotate.contributions import Contribution, Written
from ikusi.annotate.project import OWN, Item, Project, Seat, Turn
from ikusi.annotate.store import FILE, Store, open_store


def read(folder: Path) -> Project:
    """Read a project with what people have given so far.

    Raises:
        InputError: it is no project, or a file of it is lost or damaged.
    """
    project = projects.read(folder)
    with open_answers(project) as store:
        grown = join(project, store) if store else project
    projects.expect_pictures(grown)
    return grown


@contextmanager
def open_answers(project: Project) -> Iterator[Store | None]:
    """The answers of a project; None where it has not been served yet."""
    if not (project.folder / FILE).is_file():
        yield None
        return
    store = open_store(project.folder)
    try:
        yield store
    finally:
        store.close()


def join(project: Project, store: Store) -> Project:
    """A project with the items that people have given: each is for everybody but its author.

    Other projects are left as they are.
    """
    if project.task != OWN:
        return project
    given = [one for one in store.contributions() if one.written]
    seats = [
        Seat(code, tuple(Turn(item=one.id) for one in given if one.seat != code))
        for code in project.about.seats
    ]
    items = {one.id: _make_item(one, one.written) for one in given if one.written}
    return replace(project, items=items, seats=tuple(seats))


def _make_item(one: Contribution, written: Written) -> Item:
    right = (written.right,) if written.right else ()
    return Item(id=one.id, picture=one.picture, texts=dict(written.texts), right=right)
