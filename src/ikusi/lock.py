"""One process at a time on a folder."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from ikusi import artifact
from ikusi.errors import InputError


@contextmanager
def alone_in(folder: Path, work: str) -> Iterator[None]:
    """Hold a folder for some work, or refuse and say which process holds it.

    The system itself frees the lock when its process ends, also by SIGKILL, so a lock is never
    stale; `running.json` only says whose it is.

    Raises:
        InputError: another process is at this work.
    """
    folder.mkdir(parents=True, exist_ok=True)
    holder = folder / "running.json"
    try:
        with FileLock(folder / ".lock", timeout=0):
            since = datetime.now().isoformat(sep=" ", timespec="seconds")
            artifact.write_json(
                holder, {"process": os.getpid(), "host": socket.gethostname(), "since": since}
            )
            try:
                yield
            finally:
                holder.unlink(missing_ok=True)
    except Timeout:
        raise InputError(
            f"{folder}: expected no other run on {work}, found {_told(holder)}"
        ) from None


def _told(holder: Path) -> str:
    try:
        known = json.loads(holder.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "another process"
    return ", ".join(f"{key} {value}" for key, value in known.items())
