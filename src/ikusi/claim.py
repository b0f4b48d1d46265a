"""Every output is claimed here before any work begins; nothing is written elsewhere.

A folder is written to if it does not exist, is empty, or was made by Ikusi for the same purpose:
`manifest.json` says so in a folder that is whole or absent (`artifact.write_folder`),
`.ikusi.json` in one that grows in place and in one that is being made. A file is written to if it
does not exist or bears Ikusi's mark. All else is somebody's, and is refused in one line.
"""

import json
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ikusi import __version__, disk
from ikusi.errors import InputError
from ikusi.lock import LOCK, hold_lock

MANIFEST = "manifest.json"
MARKER = ".ikusi.json"
PARTIAL, REPLACED = ".partial", ".replaced"  # how the names of a folder's helpers end

PAGE = '<meta name="generator" content="Ikusi">'
PICTURE = "Software\0Ikusi"
_SEARCHED = 4096  # bytes of a file, from its beginning, that must hold its mark
_SHOWN = 3  # names that a refusal lists


def locate_output(path: Path) -> Path:
    """The real path of an output: behind symbolic links, which are never replaced.

    Raises:
        InputError: a link leads nowhere near a folder, as to a disk that is not there.
    """
    try:
        resolved = Path(path).resolve()
    except (OSError, RuntimeError):
        raise InputError(f"{path}: expected a path, found links that lead in a circle") from None
    if Path(path).is_symlink() and not resolved.parent.is_dir():
        raise InputError(
            f"{path}: expected a link to a place that is there, found one to {resolved}"
        )
    return resolved


def expect(path: Path, kind: str, inputs: Sequence[Path] = ()) -> Path:
    """Refuse an output folder that is not Ikusi's to add to; changes nothing on disk.

    Args:
        path: the output.
        kind: what makes it, such as `evaluate`: what another kind has made is not its own.
        inputs: what is read, which must be apart from the output.

    Returns:
        Where the output really is.

    Raises:
        InputError: Ikusi did not make it for this purpose; the message says what is there.
    """
    output = _apart(path, inputs)
    _expect_ours(output, kind, whole=False)
    return output


def expect_whole(path: Path, kind: str, inputs: Sequence[Path] = (), *, anew: bool = False) -> Path:
    """Refuse, as `expect` does, a folder that is made aside and then renamed: neither it nor its
    helpers beside it may be anybody else's.

    Args:
        anew: it will be replaced, so it may hold nothing of anybody else's either.
    """
    output = _apart(path, inputs)
    _expect_ours(output, kind, whole=True)
    if anew and (extra := list_foreign(output)):
        raise InputError(
            f"{path}: expected only what Ikusi wrote there, as it is to be made anew, found "
            f"{_some(extra)}; move that elsewhere"
        )
    if output.is_dir() and os.path.ismount(output):
        raise InputError(f"{path}: expected a folder, found a disk's own; name one inside it")
    for ending in (PARTIAL, REPLACED):
        beside = output.with_name(output.name + ending)
        for other in inputs:
            _expect_apart(beside, beside, Path(other))
        if os.path.lexists(beside):
            _expect_ours(beside, kind, whole=ending == REPLACED)
    return output


def _apart(path: Path, inputs: Sequence[Path]) -> Path:
    output = locate_output(path)
    _expect_own_name(path, output)
    for other in inputs:
        _expect_apart(path, output, Path(other))
    return output


@contextmanager
def claim_folder(path: Path, kind: str, inputs: Sequence[Path] = ()) -> Iterator[Path]:
    """Claim a folder that grows in place, for this process alone; see `expect`.

    Raises:
        InputError: it is not Ikusi's, another process uses it, or the disk is full or not writable.
    """
    output = claim_shared_folder(path, kind, inputs)
    with disk.explain_errors(output), hold_lock(output / LOCK, path, "this folder"):
        disk.tidy(output)
        yield output


def claim_shared_folder(path: Path, kind: str, inputs: Sequence[Path] = ()) -> Path:
    """Claim a folder that grows in place and that several processes share; see `expect`."""
    output = expect(path, kind, inputs)
    with disk.explain_errors(output):
        disk.make_folder(output)
        mark(output, kind)
    return output


def mark(folder: Path, kind: str, **about: Any) -> None:
    """Write into a folder that Ikusi makes it, and what for."""
    content = {"kind": kind, "ikusi": __version__, **about}
    if read(folder / MARKER) != content:
        disk.write_text(folder / MARKER, json.dumps(content) + "\n")


def check_file(path: Path, mark: str | None, inputs: Sequence[Path] = ()) -> Path:
    """Refuse an output file that is there and does not bear `mark` near its beginning; without a
    mark, any that is there.

    Returns:
        Where it really is; its folder is made.

    Raises:
        InputError: something else is there, or it is one of `inputs`, or inside one.
    """
    output = locate_output(path)
    for other in inputs:
        _expect_apart(path, output, Path(other))
    if os.path.lexists(output):
        if not output.is_file():
            raise InputError(f"{path}: expected a new file, found {_what(output)}")
        with disk.explain_errors(output), output.open("rb") as opened:
            if mark is None or mark.encode() not in opened.read(_SEARCHED):
                ours = " or one of Ikusi's" if mark else ""
                raise InputError(f"{path}: expected a new file{ours}, found another")
    _expect_folder(path, output.parent)
    with disk.explain_errors(output):
        disk.make_folder(output.parent)
    return output


def read(path: Path) -> dict[str, Any] | None:
    """Read a JSON object; `None` where it is absent or damaged."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def list_contents(folder: Path) -> dict[str, int]:
    """Every file below a folder, by its path from there, and its bytes; links are files.

    What only accompanies the work is left out: manifest, marker, lock, and their likes.
    """
    sizes = {}
    for place_, folders, names in os.walk(folder):
        linked = [name for name in folders if Path(place_, name).is_symlink()]
        for name in (*names, *linked):
            path = Path(place_, name)
            if not (Path(place_) == folder and is_companion(name)):
                sizes[path.relative_to(folder).as_posix()] = path.lstat().st_size
    return sizes


def list_foreign(folder: Path) -> list[str]:
    """Files in a folder that its manifest does not list: somebody else's."""
    record = read(folder / MANIFEST) or {}
    return sorted(list_contents(folder).keys() - record.get("files", {}).keys())


def is_companion(name: str) -> bool:
    """Whether a file of this name, directly in a folder of ours, is there for the work alone."""
    return name in (MANIFEST, LOCK) or name.startswith((MARKER, f".{MARKER}.", f".{MANIFEST}."))


def _expect_own_name(path: Path, output: Path) -> None:
    """Refuse the folder one works in, whatever holds it, and one's home."""
    here, home = Path.cwd(), Path(os.path.expanduser("~"))  # noqa: PTH111 - which never raises
    if output in (here, home, *here.parents, *home.parents):
        named = "the working folder" if output in (here, *here.parents) else "the home folder"
        raise InputError(f"{path}: expected a folder for this alone, found one with {named}")


def _expect_apart(path: Path, output: Path, other: Path) -> None:
    read_ = other.resolve()
    if output == read_ or output in read_.parents:
        raise InputError(f"{path}: expected an output apart from what is read, found {other} there")
    if read_ in output.parents:
        raise InputError(f"{path}: expected an output apart from what is read, found it in {other}")


def _expect_folder(path: Path, parent: Path) -> None:
    """Refuse a path that leads through a file."""
    there = next(above for above in (parent, *parent.parents) if os.path.lexists(above))
    if not there.is_dir():
        raise InputError(f"{path}: expected folders above it, found {_what(there)} at {there}")


def _expect_ours(path: Path, kind: str, whole: bool) -> None:
    """Refuse a folder that is there, not empty, and was not made by Ikusi for `kind`.

    A whole one is known by its manifest, and holds nothing else; others by their marker.
    """
    if not os.path.lexists(path):
        _expect_folder(path, path.parent)
        return
    expected = f"{path}: expected a new or empty folder, or one that Ikusi made by `{kind}`"
    if path.is_symlink() or not path.is_dir():
        raise InputError(f"{expected}, found {_what(path)}")
    with disk.explain_errors(path):
        names = sorted(below.name for below in path.iterdir())
    record, marker = read(path / MANIFEST) or {}, read(path / MARKER) or {}
    if marker.get("kind") == kind and not (whole and "files" in record):
        return
    if not marker and all(name != MANIFEST and is_companion(name) for name in names):
        return  # empty, or its making was cut at its beginning
    if not (whole and isinstance(record.get("files"), dict) and record.get("kind") == kind):
        made = record.get("kind") or marker.get("kind")
        raise InputError(f"{expected}, found {_some(names)}" + (f", of `{made}`" if made else ""))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def _what(path: Path) -> str:
    """The kind of file at a path, in words, such as `a folder`."""
    kinds = {
        stat.S_IFREG: "a file",
        stat.S_IFDIR: "a folder",
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
    }
    return kinds.get(stat.S_IFMT(path.lstat().st_mode), "a device")
