"""Style, script and icon of the pages, which come with the package."""

import hashlib
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

ASSETS = Path(__file__).parent / "assets"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
KEPT = {"Cache-Control": "max-age=31536000, immutable"}

_FILES = {file.name: (file.read_bytes(), TYPES[file.suffix]) for file in ASSETS.iterdir()}
VERSION = hashlib.sha256(repr(sorted(_FILES.items())).encode()).hexdigest()[:12]
"""Of the files, each of which a browser may keep as long as this stays the same."""


async def send_asset(request: Request) -> Response:
    """A file by its name."""
    if (name := request.path_params["name"]) not in _FILES:
        raise HTTPException(404)
    data, kind = _FILES[name]
    return Response(data, media_type=kind, headers=KEPT)
