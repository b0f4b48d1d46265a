"""Tux Paint's stamps: photographs and drawings that people captioned in English and translated.

https://tuxpaint.org/stamps/ has 952 of them, in some 75 languages. Beside each picture lies a text:
the English caption, then a line for each language, such as `eu.utf8=Hegazti bat.` Debian has them
as the package `tuxpaint-stamps-default`. They are under the GPL, so they are fetched, and not a
part of Ikusi.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import platformdirs
from filelock import FileLock
from pydantic import Field

from ikusi import content, disk, processes
from ikusi.data.sources.base import BadRow, Item, LeftOut, Source, SourceRow
from ikusi.data.sources.pictures import Picture
from ikusi.data.sources.tables import Origin
from ikusi.errors import InputError
from ikusi.yamlfile import Section

PACKAGE = "tuxpaint-stamps-default"
INSTALLED = Path("/usr/share/tuxpaint/stamps")
STAMPS = "usr/share/tuxpaint/stamps"
SUFFIXES = (".png", ".svg", ".txt")
MOST_BYTES = 2**20  # of a text or a vector drawing; the largest has a quarter of it
WIDTH = 512  # pixels that a vector drawing is drawn in
DPI = 96  # of lengths in centimetres or points, as in CSS; by itself resvg-py takes none
_LINE = re.compile(r"([A-Za-z_@]+)\.utf8=(.*)")


class Stamps(Section):
    """Settings of the stamps."""

    languages: list[str] = Field(
        default=["en", "eu"],
        min_length=1,
        description="Languages that each row is to have, by the codes of the stamps, with dashes: "
        "en, eu, pt-BR. A stamp that lacks one is left out.",
    )


def _read(origin: Origin, options: Stamps) -> Iterator[Item]:
    folder = locate_stamps(origin.path)
    texts = sorted(folder.rglob("*.txt"))
    if not texts:
        raise InputError(f"{folder}: expected stamps with a .txt beside each, found none")
    for path in texts:
        yield _read_stamp(path, folder, options.languages)


def _read_stamp(path: Path, folder: Path, languages: list[str]) -> Item:
    id = path.relative_to(folder).with_suffix("").as_posix()
    try:
        captions = read_captions(path)
        missing = [code for code in languages if not captions.get(code)]
        if missing:
            return LeftOut(f"no caption in {missing[0]}")
        texts: dict[str, dict[str, Any]] = {code: {"text": captions[code]} for code in languages}
        return SourceRow(id, find_drawing(path, id), texts, group=id.partition("/")[0])
    except InputError as error:
        return BadRow(id, str(error), {"file": str(path)})


def read_captions(path: Path) -> dict[str, str]:
    """The captions of a stamp by language; the first line is the English one.

    Raises:
        InputError: it is no text in UTF-8.
    """
    content.expect_plain(path)
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    try:
        if len(data) > MOST_BYTES:
            raise InputError(f"text: expected at most {MOST_BYTES:,} bytes, found more")
        first, *lines = data.decode("utf-8").splitlines() or [""]
    except UnicodeDecodeError as error:
        raise InputError(f"text: expected UTF-8, found: {error}") from None
    matches = filter(None, map(_LINE.fullmatch, lines))
    captions = {match[1].replace("_", "-"): match[2].strip() for match in matches}
    return {"en": first.strip()} | captions


def find_drawing(path: Path, id: str) -> Picture:
    """The picture beside a text: pixels where there are any, else a vector drawing, drawn.

    Raises:
        InputError: there is none.
    """
    pixels, vectors = path.with_suffix(".png"), path.with_suffix(".svg")
    if pixels.is_file():
        return Picture(id, f"Tux Paint, {id}", path=pixels)
    if vectors.is_file():
        return Picture(id, f"Tux Paint, {id}", data=_draw(vectors))
    raise InputError("picture: expected a .png or .svg beside the text, found neither")


def _draw(path: Path) -> bytes:
    """A vector drawing as PNG."""
    import resvg_py

    content.expect_plain(path)
    if path.stat().st_size > MOST_BYTES:
        raise InputError(f"picture: expected at most {MOST_BYTES:,} bytes of SVG, found more")
    try:
        return bytes(resvg_py.svg_to_bytes(svg_path=str(path), width=WIDTH, dpi=DPI))
    except (ValueError, RuntimeError, OSError) as error:
        raise InputError(f"picture: expected an SVG drawing, found: {error}") from None


def locate_stamps(path: Path | None = None) -> Path:
    """The folder of stamps: one that is given, is installed, or is fetched into the user's cache.

    Args:
        path: a folder of stamps, or Debian's package as a file.

    Raises:
        InputError: there is none, and they cannot be fetched.
    """
    if path is None:
        return INSTALLED if INSTALLED.is_dir() else _keep(_fetch)
    content.expect_plain(path)
    if path.is_file():
        return _keep(lambda aside: path, content.hash_file(path)[:16])
    return path


def _keep(find: Callable[[Path], Path], name: str = "") -> Path:
    """Stamps out of a package in the user's cache, whole or absent; unpacked once."""
    kept = platformdirs.user_cache_path("ikusi") / "tuxpaint" / (name or "default")
    with disk.explain_errors(kept):
        kept.parent.mkdir(parents=True, exist_ok=True)
        with (
            FileLock(kept.with_suffix(".lock")),
            tempfile.TemporaryDirectory(dir=kept.parent) as aside,
        ):
            if not kept.is_dir():
                unpacked = _unpack(find(Path(aside)), Path(aside))
                disk.move(unpacked, kept)
    return kept


def _fetch(folder: Path) -> Path:
    """The package, by apt, which verifies it as it verifies all packages."""
    if not shutil.which("apt-get"):
        raise InputError(
            f"tuxpaint: expected its stamps in {INSTALLED}, or apt-get to fetch {PACKAGE}, found "
            "neither: give a folder of stamps, or the package, with --path"
        )
    done = processes.run(["apt-get", "download", PACKAGE], folder=folder)
    if not (files := list(folder.glob("*.deb"))):
        reason = (done.stderr.strip().splitlines() or ["no package came"])[-1]
        raise InputError(f"{PACKAGE}: expected apt to serve it, found: {reason}")
    return files[0]


def _unpack(package: Path, folder: Path) -> Path:
    """Pictures and texts out of a Debian package, without its sounds."""
    if not shutil.which("dpkg-deb"):
        raise InputError(f"{package}: expected dpkg-deb to unpack it, found none")
    done = processes.run(["dpkg-deb", "-x", str(package), str(folder / "data")])
    if done.returncode:
        reason = " ".join(done.stderr.split())
        raise InputError(f"{package}: expected a Debian package, found: {reason:.200}")
    if not (stamps := folder / "data" / STAMPS).is_dir():
        raise InputError(f"{package}: expected {STAMPS} in it, found none")
    for path in list(stamps.rglob("*")):
        if path.is_file() and path.suffix not in SUFFIXES:
            path.unlink()
    disk.flush_tree(stamps)
    return stamps


SOURCES = (
    Source(
        name="tuxpaint",
        about="952 photographs and drawings for children, captioned by people in some 75 languages",
        row_type="caption",
        languages=("en", "eu"),
        licence="GPL-2.0",
        home="https://tuxpaint.org/stamps/",
        read=_read,
        options=Stamps,
    ),
)
