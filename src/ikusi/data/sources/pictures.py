"""Pictures of rows by where they are; their bytes are read only when they are asked for."""

from __future__ import annotations

import hashlib
import lzma
import os
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from ikusi import content
from ikusi.errors import InputError

MAX_BYTES = 256 * 2**20  # of a file in an archive, which may say more than it holds
LONGEST, LONGEST_PART = 2048, 255  # bytes of a path, and of each name in it
# What zipfile raises at a member that is damaged or made by what it does not know.
DAMAGED = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    EOFError,
    ValueError,
    zlib.error,
    lzma.LZMAError,
)
LOOSE = ("images.zip", "images")  # beside a table, where pictures usually are


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that is not read yet; one of `data`, `path` and `url` says where it is.

    Args:
        image_id: rows about the same picture share it.
        source: where it is from, for the record.
        data: its bytes, from a cell of a table.
        path: a file, or the archive that has it as `member`.
        url: where it is on the web; a fetcher gets it.
        sha256: of its bytes, where that is known: for a URL, what they must add up to.
    """

    image_id: str
    source: str
    data: bytes | None = None
    path: Path | None = None
    member: str | None = None
    url: str | None = None
    sha256: str | None = None

    def read(self) -> bytes:
        """The bytes of a picture that is on this machine.

        Raises:
            InputError: it is not there.
        """
        if self.data is not None:
            return self.data
        if self.path is None:
            raise InputError("picture: expected bytes or a file, found none")
        try:
            content.expect_plain(self.path)
            return _unpack(self.path, self.member) if self.member else self.path.read_bytes()
        except OSError:
            raise InputError(f"picture: expected a file, found none: {self.path}") from None


def find_in_cell(value: Any, source: str, image_id: str | None = None) -> Picture:
    """The picture of a cell of an undecoded image column: `{"bytes", "path"}`, or bytes.

    Raises:
        InputError: the cell is empty.
    """
    data = value.get("bytes") if isinstance(value, Mapping) else value
    if not isinstance(data, bytes) or not data:
        raise InputError("picture: expected bytes, found none")
    if image_id:
        return Picture(image_id, source, data=data)
    sha256 = hashlib.sha256(data).hexdigest()
    return Picture(sha256, source, data=data, sha256=sha256)


def find_at_url(url: Any, sha256: Any = None) -> Picture:
    """The picture behind a URL; its id is the SHA-256 of the URL.

    Raises:
        InputError: it is no web address.
    """
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise InputError(f"image_url: expected a web address, found {url!r:.80}")
    image_id = hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()
    return Picture(image_id, url, url=url, sha256=sha256 if isinstance(sha256, str) else None)


def find_in_place(root: Path, name: str, image_id: str | None = None) -> Picture:
    """The picture called `name` in a folder or a ZIP archive.

    COCO's archives hold a folder of their own name: `train2017/1.jpg` in the folder `root` may be
    that file, or that member of `root/train2017.zip`. LLaVA's lists name pictures from where the
    list is: `images/1.jpg` in the folder `images` may be that file beside it.

    Raises:
        InputError: the name points out of the folder.
    """
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name or ":" in parts[0]:
        raise InputError(f"image: expected a name within the folder, found {name!r:.80}")
    if not _fits(name):
        raise InputError(f"image: expected a name that a file system takes, found {name!r:.80}")
    image_id = image_id or name
    is_from_list = parts[0] == root.name and (root.parent / name).is_file()
    if is_from_list and not (root / name).is_file():
        name = name.removeprefix(f"{parts[0]}/")
    source = f"{root.name}/{name}"
    if root.is_file():
        return Picture(image_id, source, path=root, member=name)
    archive = root / f"{parts[0]}.zip"
    if len(parts) > 1 and not (root / name).is_file() and archive.is_file():
        return Picture(image_id, source, path=archive, member=name)
    return Picture(image_id, source, path=root / name)


def expect_no_video(row: Mapping[str, Any]) -> None:
    """Raise InputError for a row about a video, which would be a row of text alone."""
    if video := row.get("video"):
        raise InputError(f"video: expected a picture, found a video: {video!r:.80}")


def _fits(name: str) -> bool:
    """Whether any file system takes a name."""
    try:
        parts = os.fsencode(name).split(b"/")
    except UnicodeEncodeError:
        return False
    longest = max(map(len, parts)) <= LONGEST_PART and len(name) <= LONGEST
    return longest and "\0" not in name


def locate_beside(table: Path) -> Path:
    """The default place of a table's pictures: beside it, in `images` or loose."""
    folder = table if table.is_dir() else table.parent
    return next((folder / name for name in LOOSE if (folder / name).exists()), folder)


@lru_cache(maxsize=4)
def _archive(path: Path, changed: int) -> zipfile.ZipFile:
    """An open archive: reading the list of its half a million members takes seconds."""
    return zipfile.ZipFile(path)


def _unpack(path: Path, member: str) -> bytes:
    try:
        with _archive(path, path.stat().st_mtime_ns).open(member) as file:
            data = file.read(MAX_BYTES + 1)
    except KeyError:
        raise InputError(f"picture: expected a file in the archive, found none: {member}") from None
    except DAMAGED as error:
        reason = " ".join(f"{error}".split())
        raise InputError(f"picture: expected a file in an archive, found: {reason:.100}") from None
    if len(data) > MAX_BYTES:
        raise InputError(f"picture: expected at most {MAX_BYTES} bytes, found more: {member}")
    return data
