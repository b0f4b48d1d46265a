"""A picture that somebody sends: no larger than it may be, and made plain."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from ikusi import disk
from ikusi.web import stripping
from ikusi.web.fields import RefusedError
from ikusi.web.guards import TooLargeError

MOST_BYTES = 24 * 10**6
"""Of a picture's file: those of telephones have up to about ten million."""

FORM_BYTES = 2**16  # of an upload, besides the file
MOST_PIXELS = 64_000_000  # as `ikusi.data.images` has it, which the server does without
AT_ONCE = 2  # pictures that are decoded; one may take half a gigabyte


def list_files(form: FormData, name: str) -> Sequence[UploadFile]:
    """The files of a field that somebody has chosen.

    Raises:
        RefusedError: there is more than one.
        TooLargeError: it is too large.
    """
    sent = [one for one in form.getlist(name) if isinstance(one, UploadFile) and one.size]
    if len(sent) > 1:
        raise RefusedError("two_files")
    if any((one.size or 0) > MOST_BYTES for one in sent):
        raise TooLargeError
    return sent


async def write(file: UploadFile, place: Path) -> None:
    """Write a file that was sent to its place.

    Raises:
        InputError: the disk is full or shut.
    """
    await run_in_threadpool(_copy, file.file, place)


def _copy(file: IO[bytes], place: Path) -> None:
    with disk.explain_errors(place), place.open("wb") as target:
        shutil.copyfileobj(file, target)


def make_plain(sent: Path, plain: Path, small: Path) -> str:
    """Make a plain picture and a small one of what was sent; returns the digest of the first.

    Raises:
        RefusedError: it is no picture, or has too many pixels.
        InputError: the disk is full or shut.
    """
    try:
        return stripping.make_plain(sent, plain, small, MOST_PIXELS)
    except stripping.TooManyPixelsError:
        raise RefusedError("many_pixels", most=MOST_PIXELS // 10**6) from None
    except stripping.NotTakenError:
        raise RefusedError("not_a_picture") from None
