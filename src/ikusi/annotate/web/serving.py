"""The server: one process, which alone writes the answers of a project."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ikusi import disk, lock
from ikusi.annotate import project as projects
from ikusi.annotate.store import open_store
from ikusi.annotate.web import app, pictures
from ikusi.errors import InputError

EVERYWHERE = ("0.0.0.0", "::")  # all addresses of this machine
ELSEWHERE = ("192.0.2.1", 9)  # an address kept for examples; nothing is sent there
WAITING = 2048  # connections that may wait for their turn
IDLE_SECONDS = 15


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
    import uvicorn

    project = projects.read(folder)
    with lock.hold_lock(project.folder / lock.LOCK, folder, "these answers"):
        pictures.prepare(folder)
        disk.tidy(project.folder)
        store = open_store(project.folder)
        try:
            if project.task == projects.OWN:
                store.tidy([file.name for file in (project.folder / projects.PICTURES).glob("*")])
            site = app.create(project, store, consent, [*names, host])
            with _listening(host, port) as listener:
                yield from _links(project, host, listener.getsockname()[1])
                config = uvicorn.Config(
                    site,
                    access_log=False,  # a path holds its owner's secret
                    log_level="warning",
                    server_header=False,
                    timeout_keep_alive=IDLE_SECONDS,
                    lifespan="off",
                )
                uvicorn.Server(config).run(sockets=[listener])
        finally:
            store.close()


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that people may connect to.

    Raises:
        InputError: the address is not of this machine, or the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise InputError(
                f"{host}:{port}: expected an address of this machine and a free port, found: "
                f"{error.strerror or error}"
            ) from None
        listener.listen(WAITING)
        yield listener


def _links(project: projects.Project, host: str, port: int) -> Iterator[str]:
    shown = _address() if host in EVERYWHERE else host
    place = f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
    yield f"{project.folder}: {len(project.items):,} items, {len(project.seats)} people"
    for word, code in projects.read_links(project.folder).items():
        yield f"{code:14} {place}{projects.make_link(word)}"
    yield "Stop with Ctrl-C; the same command goes on from there."


def _address() -> str:
    """The address by which others in this network reach this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect(ELSEWHERE)
        except OSError:
            return "127.0.0.1"
        return str(asked.getsockname()[0])
