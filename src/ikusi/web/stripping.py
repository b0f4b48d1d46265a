"""A picture that somebody sent, as nothing but its pixels, in a process of its own.

Upright, transparency laid on white, no larger than models look at, and without what a camera or
a program wrote beside the pixels: place, time, device, names, colour profile. Decoded pictures
would stay in the memory of a server, and what crashes on a file crashes alone.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ikusi import processes
from ikusi.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

SIDE, QUALITY = 3072, 92  # the longer side in pixels, and JPEG's, of what is kept
SMALL_SIDE, SMALL_QUALITY = 1200, 80  # of what pages show: a phone's width at its density
ENDING = "jpeg"
MOST_SECONDS = 60
NO_PICTURE, TOO_MANY_PIXELS = 3, 4  # how the process ends that cannot take one


class NotTakenError(Exception):
    """A file that is no picture that can be taken."""


class TooManyPixelsError(NotTakenError):
    """A picture that holds more pixels than are allowed."""


def make_plain(source: Path, target: Path, small: Path, most: int) -> str:
    """Make a plain picture and a small one of a file; returns the digest of the plain one.

    Args:
        source: what somebody sent.
        target: where the plain picture goes.
        small: where the small one goes.
        most: pixels that it may hold; they are counted before it is decoded.

    Raises:
        NotTakenError: it is no picture, is damaged, or takes too long.
        TooManyPixelsError: it holds more pixels.
        InputError: the disk is full or not writable.
    """
    command = [sys.executable, "-m", __name__, str(source), str(target), str(small), str(most)]
    try:
        done = processes.run(command, seconds=MOST_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise NotTakenError from error
    if done.returncode == TOO_MANY_PIXELS:
        raise TooManyPixelsError
    if done.returncode == 1:
        raise InputError(done.stderr.strip().rpartition("\n")[2])
    if done.returncode:
        raise NotTakenError
    return done.stdout.strip()


def write(image: Image.Image, target: Path, small: Path) -> str:
    """Write a picture and a small one; returns the digest of the first."""
    from PIL import Image

    image.thumbnail((SIDE, SIDE))
    plain = Image.new("RGB", image.size)  # Pillow writes comments that it read into what it saves
    plain.paste(image)
    plain.save(target, "JPEG", quality=QUALITY)
    plain.thumbnail((SMALL_SIDE, SMALL_SIDE))
    plain.save(small, "WEBP", quality=SMALL_QUALITY)
    return hashlib.sha256(target.read_bytes()).hexdigest()


def main(source: str, target: str, small: str, most: str) -> int:
    """Do it, and say by a number how it went."""
    from ikusi import disk
    from ikusi.data import images
    from ikusi.terminal import say

    try:
        image = images.decode(Path(source).read_bytes(), int(most))
    except images.TooManyPixelsError:
        return TOO_MANY_PIXELS
    except InputError:
        return NO_PICTURE
    try:
        with disk.explain_errors(Path(target)):
            say(write(image, Path(target), Path(small)))
    except InputError as error:
        say(error, error=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
