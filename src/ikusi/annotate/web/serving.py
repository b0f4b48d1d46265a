"""The server: one process, which alone writes the answers of a project."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ikusi import disk, lock
from ikusi.annotate import project as projects
from ikusi.annotate.store import open_store
from ikusi.annotate.web import app, pictures
from ikusi.web import listening


def serve(
    folder: Path, host: str, port: int, consent: str = "", names: Sequence[str] = ()
) -> Iterator[str]:
    """Serve a project until this process is stopped.

    Args:
        folder: the project.
        host: an address of this machine; `0.0.0.0` for all of them.
        port: 0 for any that is free.
        consent: what people agree to, instead of the usual text.
        names: by which people reach this machine, besides its addresses.

    Yields:
        What whoever runs it needs to know, line by line: first the links.

    Raises:
        InputError: it is no project, is served already, or the port is taken.
    """
    project = projects.read(folder)
    with lock.hold_lock(project.folder / lock.LOCK, folder, "these answers"):
        pictures.prepare(folder)
        disk.tidy(project.folder)
        store = open_store(project.folder)
        try:
            if project.task == projects.OWN:
                store.tidy([file.name for file in (project.folder / projects.PICTURES).glob("*")])
            site = app.create(project, store, consent, [*names, host])
            with listening.listen(host, port) as listener:
                yield from _links(project, listening.name_address(host, listener))
                listening.send_pages(site, listener)
        finally:
            store.close()


def _links(project: projects.Project, place: str) -> Iterator[str]:
    yield f"{project.folder}: {len(project.items):,} items, {len(project.seats)} people"
    for word, code in projects.read_links(project.folder).items():
        yield f"{code:14} {place}{projects.make_link(word)}"
    yield "Stop with Ctrl-C; the same command goes on from there."
