"""Pictures on the pages: small ones, made before anybody asks, and the originals to enlarge."""

from __future__ import annotations

import sys
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from ikusi import disk, processes
from ikusi.annotate import growing
from ikusi.annotate.project import SMALL, Item, Project
from ikusi.annotate.web.people import shut
from ikusi.annotate.web.site import visit
from ikusi.errors import InputError
from ikusi.web.stripping import SMALL_QUALITY, SMALL_SIDE

KEPT = {"Cache-Control": "private, max-age=86400"}


def place_small(project: Project, item: Item) -> Path:
    """The path of an item's small picture."""
    return project.folder / SMALL / f"{Path(item.picture).stem}.webp"


def prepare(folder: Path) -> None:
    """Make the small pictures that a project lacks, in a process that ends when they are made.

    Decoded pictures would stay in the memory of a server.

    Raises:
        InputError: a picture cannot be read, or the disk is full.
    """
    project = growing.read(folder)
    if any(
        one.picture and not place_small(project, one).is_file() for one in project.items.values()
    ):
        done = processes.run([sys.executable, "-m", __name__, str(folder)])
        if done.returncode:
            raise InputError(done.stderr.strip().rpartition("\n")[2])


def make(folder: Path) -> None:
    """Make the small pictures that are not there yet."""
    from ikusi.data.images import decode

    project = growing.read(folder)
    (project.folder / SMALL).mkdir(exist_ok=True)
    for item in project.items.values():
        path, original = place_small(project, item), project.picture(item)
        if original is None or path.is_file():
            continue
        picture = decode(original.read_bytes(), name=str(original))
        picture.thumbnail((SMALL_SIDE, SMALL_SIDE))
        with disk.replace_file(path) as aside, aside.open("wb") as file:
            picture.save(file, "WEBP", quality=SMALL_QUALITY)


async def send_small(request: Request) -> Response:
    """The picture of an item, as its page shows it."""
    return _file(request, small=True)


async def send_full(request: Request) -> Response:
    """The picture as it came."""
    return _file(request, small=False)


def _file(request: Request, small: bool) -> Response:
    asked = visit(request)
    _, _, item = asked.turn()
    original = asked.project.picture(item)
    if shut(asked) or original is None:
        raise HTTPException(404)
    return send_file(place_small(asked.project, item) if small else original)


def send_file(path: Path) -> Response:
    """A picture's file, which never changes.

    Raises:
        HTTPException: who gave it has just removed it.
    """
    if not path.is_file():
        raise HTTPException(404)
    return FileResponse(path, headers=KEPT)


async def show_zoom(request: Request) -> Response:
    """A page with the picture in all its pixels."""
    asked = visit(request)
    number, _, item = asked.turn()
    if shut(asked) or not item.picture:
        raise HTTPException(404)
    return asked.page("zoom", number=number)


if __name__ == "__main__":
    from ikusi.terminal import say

    try:
        make(Path(sys.argv[1]))
    except InputError as error:
        say(error, error=True)
        sys.exit(1)
