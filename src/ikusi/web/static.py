"""Styles, scripts and icon of the pages, which come with the package."""

import hashlib
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

SHARED = Path(__file__).parent / "assets"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
KEPT = {"Cache-Control": "max-age=31536000, immutable"}


class Assets:
    """The files of a room's pages, and those that all pages share.

    ``version`` is theirs: a browser may keep each of them as long as it stays the same.
    """

    def __init__(self, folder: Path) -> None:
        self._files = {
            file.name: (file.read_bytes(), TYPES[file.suffix])
            for place in (SHARED, folder)
            for file in place.iterdir()
        }
        self.version = hashlib.sha256(repr(sorted(self._files.items())).encode()).hexdigest()[:12]

    async def send(self, request: Request) -> Response:
        """A file by its name."""
        if (name := request.path_params["name"]) not in self._files:
            raise HTTPException(404)
        data, kind = self._files[name]
        return Response(data, media_type=kind, headers=KEPT)
