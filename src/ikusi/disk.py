"""Writing that lasts: a file is seen whole or not at all, and is on the disk before any manifest
lists it; a disk that is full or not writable is an error of one line.

After a power cut a file may be empty that was renamed before its content was handed to the disk,
and a rename may be lost that was not: so files come first, then the folder that holds them.
"""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ikusi.errors import InputError

# What a disk says that takes no more, or that a person must open up.
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
SHUT = {errno.EROFS, errno.EACCES, errno.EPERM}
BROKEN = {errno.EIO, errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP}
# SQLite's and Rust's libraries (safetensors, tokenizers) give a number only in words, or none.
_NUMBER = re.compile(r"(?:os error|errno|code:) (\d+)", re.IGNORECASE)
_SQLITE = {
    "disk is full": errno.ENOSPC,
    "readonly database": errno.EROFS,
    "unable to open database": errno.EACCES,
    "disk I/O error": errno.EIO,
}
_FOREIGN = ("SafetensorError", "Exception", "OperationalError")


def flush(path: Path) -> None:
    """Hand a file, or the names in a folder, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems know no such call for folders.
        if not (path.is_dir() and error.errno in (errno.EINVAL, errno.ENOTSUP, errno.EBADF)):
            raise
    finally:
        os.close(handle)


def flush_tree(folder: Path) -> None:
    """Hand everything in a folder to the disk: the files, then the folders, the deepest first."""
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            if not Path(place, name).is_symlink():
                flush(Path(place, name))
        flush(Path(place))


def move(source: Path, target: Path) -> None:
    """Rename, for good: what is not on the disk yet must be flushed before."""
    os.replace(source, target)
    flush(target.parent)


def make_folder(folder: Path) -> None:
    """Make a folder where there is none, and those it lies in, for good.

    A power cut takes a new folder away, with all that was flushed in it, whose own name was not.
    """
    if folder.is_dir():  # saves asking for all it lies in
        return
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for place in reversed(missing):
        flush(place.parent)


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """A file to write beside `path`, which takes its place, for good, when the block ends well.

    Readers see the old file or the new one, never a part.

    Raises:
        InputError: the disk is full or not writable.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with explain_errors(path, aside):
            yield aside
            flush(aside)
            move(aside, path)
    finally:
        with suppress(OSError):  # it has been moved, or the disk is not writable, which is reported
            aside.unlink()


def tidy(folder: Path, below: str = "") -> None:
    """Remove what processes that were killed while they wrote a file have left beside it.

    Args:
        folder: where; no other process may be writing there.
        below: `**/` to look in its folders as well.
    """
    for left in folder.glob(f"{below}.*.tmp"):
        if re.search(r"\.\d+\.tmp$", left.name):
            left.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file so that readers see the old text or the new, never a part."""
    with replace_file(Path(path)) as aside, aside.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)


@contextmanager
def explain_errors(path: Path, aside: Path | None = None) -> Iterator[None]:
    """Turn what a disk refuses, in whichever library, into one line about `path` or the file.

    Args:
        aside: where `path` is written until it is whole.

    Raises:
        InputError: the disk is full or not writable; what was raised is its cause.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if line := describe_fault(error, path, aside):
            raise InputError(line) from error
        raise


def describe_fault(
    error: BaseException, path: Path | None = None, aside: Path | None = None
) -> str | None:
    """Say in one line what a disk refused; None if that is not what an error is about.

    Args:
        error: what was raised; its causes are looked at too.
        path: what was being written, where the error does not name it.
        aside: where it is written until it is whole.
    """
    seen: BaseException | None = error
    while seen is not None:
        number = _number(seen)
        if number in FULL | SHUT | BROKEN:
            named = getattr(seen, "filename", None)
            where = Path(os.fsdecode(named)) if isinstance(named, str | bytes) else path
            if where == aside:
                where = path
            return (
                f"{where or 'disk'}: {_explain(number, where, aside if where == path else where)}"
            )
        seen = seen.__cause__ or seen.__context__
    return None


def _number(error: BaseException) -> int:
    """The system's number of an error; 0 where it has none."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    if not isinstance(error, OSError) and type(error).__name__ not in _FOREIGN:
        return 0
    words = str(error)
    for sign, number in _SQLITE.items():
        if sign in words:
            return number
    match = _NUMBER.search(words)
    return int(match[1]) if match else 0


def _explain(number: int, path: Path | None, begun: Path | None) -> str:
    if number in SHUT:
        fault = "a disk that is read-only" if number == errno.EROFS else "no right to"
        return f"expected to read or write it, found {fault}"
    if number in BROKEN:
        return f"expected to read or write it, found: {os.strerror(number)}"
    then = _then(begun or path)
    if number == errno.EDQUOT:
        return f"expected room, found your quota used up; {then}"
    if number == errno.EFBIG:
        return f"expected to write a larger file, found a limit on its size; {then}"
    return f"expected room on the disk, found {describe_room(path) if path else 'none'}; {then}"


def _then(path: Path | None) -> str:
    made = _staging(path) if path else None
    needs = measure_size(made) if made else 0
    written = f"{format_bytes(needs)} had been written, so it needs more; " if needs else ""
    return f"{written}once there is room, the same command goes on"


def _staging(path: Path) -> Path | None:
    """The outermost folder that is being made around a file, else the file itself.

    None for any other folder: what lies there was not written just now.
    """
    parts = [place for place in (path, *path.parents) if place.name.endswith(".partial")]
    return parts[-1] if parts else None if path.is_dir() else path


def describe_room(path: Path) -> str:
    """Describe the free space on the disk of a path, in words."""
    place = next((place for place in (path, *path.parents) if place.exists()), Path("/"))
    free = shutil.disk_usage(place)
    room = f"{format_bytes(free.free)} free of {format_bytes(free.total)}"
    inodes = os.statvfs(place)
    if inodes.f_files and not inodes.f_favail:
        return f"no inodes left for another file ({room})"
    return room


def measure_size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; 0 where there is none."""
    total = 0
    with suppress(OSError):
        if not path.is_dir():
            return path.stat().st_size
        for place, _, names in os.walk(path):
            total += sum(Path(place, name).lstat().st_size for name in names)
    return total


def format_bytes(count: float) -> str:
    """A number of bytes in words.

    >>> format_bytes(1234567)
    '1.2 MB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
