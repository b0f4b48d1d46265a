"""One process at a time on an output."""

import errno
import json
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from ikusi.errors import InputError

LOCK = ".lock"
NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP)  # as NFS says without its lock service


@contextmanager
def hold_lock(file: Path, place: Path, work: str) -> Iterator[None]:
    """Hold a lock file for some work, or refuse and say which process holds it.

    The system itself frees the lock when its process ends, also by SIGKILL, and on NFS and Lustre
    it holds for all machines, where these have their locks switched on. A file system without
    locks gets a file that says who holds it: of a process on this machine that has ended, it is
    taken over; of one on another machine, a person must judge.

    Args:
        file: the lock; it is removed at the end, and its folder must exist.
        place: what is held, for the message.
        work: what is done there, for the message.

    Raises:
        InputError: another process is at this work.
    """
    try:
        held = _acquire(file)
    except Timeout:
        raise InputError(
            f"{place}: expected no other run on {work}, found {_holder(file)}"
        ) from None
    try:
        if not isinstance(held, SoftFileLock):  # which says itself who holds it
            file.write_text(json.dumps(_about()), encoding="utf-8")
        yield
    finally:
        if not isinstance(held, SoftFileLock):
            file.unlink(missing_ok=True)  # while held: whoever opened it meanwhile tries anew
        held.release()


@contextmanager
def hold_folder(folder: Path, work: str) -> Iterator[None]:
    """Hold a folder for some work, by a lock file inside; see `hold_lock`. The folder is made.

    Raises:
        InputError: another process is at this work.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with hold_lock(folder / LOCK, folder, work):
        yield


def _acquire(file: Path) -> BaseFileLock:
    """The lock, held.

    Raises:
        Timeout: another process holds it.
    """
    _expect_ours(file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that it becomes a soft lock
            lock: BaseFileLock = FileLock(file, timeout=0)
            lock.acquire()
    except OSError as error:
        if isinstance(error, Timeout) or error.errno not in NO_LOCKS:
            raise
        with file.open("rb") as left:  # what the attempt has just made is no one's
            if not left.read(1):
                file.unlink()
        lock = SoftFileLock(file, timeout=0)
        lock.acquire()
    return lock


def _about() -> dict[str, object]:
    since = datetime.now().isoformat(sep=" ", timespec="seconds")
    return {"process": os.getpid(), "host": socket.gethostname(), "since": since}


def _expect_ours(file: Path) -> None:
    """Refuse a file of somebody's that has the lock's name."""
    if not os.path.lexists(file):
        return
    if file.is_symlink() or not file.is_file() or (_read(file) and _read_holder(file) is None):
        raise InputError(f"{file}: expected no file or a lock of Ikusi's, found something else")


def _read(file: Path) -> str:
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            return opened.read(1024)
    except OSError:
        return ""


def _read_holder(file: Path) -> dict[str, str] | None:
    """Read a lock's holder from JSON of ours, or from a soft lock's lines, process and host."""
    text = _read(file)
    try:
        known = json.loads(text)
        return known if isinstance(known, dict) and "process" in known else None
    except ValueError:
        lines = text.split("\n")
        soft = len(lines) in (3, 4) and lines[0].isdigit()
        return {"process": lines[0], "host": lines[1]} if soft else None


def _holder(file: Path) -> str:
    known = _read_holder(file)
    if known is None:
        return "another process"
    description = ", ".join(f"{key} {value}" for key, value in known.items())
    return description if "since" in known else f"{description}; if that has ended, remove {file}"
