"""Speeds of steps on this user's machines: kept in the user's cache, a line of JSON each.

Whatever finishes a step adds to it; `ikusi.plan` estimates from it.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field, ValidationError

from ikusi import disk, jsonfile
from ikusi.processes import name_processor

logger = logging.getLogger(__name__)

MOST_LINES = 4000  # that are kept; when there are more, the older half goes


class Speed(jsonfile.Record):
    """The speed of one step: time, memory and amount of work.

    Attributes:
        machine: the GPU's name, or the processor's.
        kind: of the step, such as `instruct`.
        about: all that its speed depends on, as text: shapes of models, formats, sharing.
        amount: how much it did, in what its kind counts: tokens, pictures, questions, rows.
        rows: rows that it passed; of a training each as often as it was passed.
        seconds: from its beginning to its end.
        processor: seconds of processor time; none where other processes had a part in it.
        steady: seconds that it worked at its own pace, opening and saving models left out; none
            where that is not known apart.
        memory: bytes at most, of one process.
        fresh: whether its process had taken up no step of its kind before, so that it loaded what
            such steps need.
        processes: how many worked on it.
        written: when.
    """

    machine: str
    kind: str
    about: str
    amount: float = Field(gt=0)
    rows: int = Field(gt=0)
    seconds: float = Field(gt=0)
    processor: float | None = None
    steady: float | None = None
    memory: float | None = None
    fresh: bool = False
    processes: int = Field(default=1, ge=1)
    written: str = ""


def locate_speeds() -> Path:
    """The file that holds them."""
    import platformdirs

    return platformdirs.user_cache_path("ikusi") / "speeds.jsonl"


def add(speed: Speed, place: Path | None = None) -> None:
    """Keep a step's speed; a cache that cannot be written only costs what is known of it."""
    path = place or locate_speeds()
    written = speed.written or datetime.now(UTC).isoformat(timespec="seconds")
    line = json.dumps(speed.model_dump() | {"written": written}) + "\n"
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        # One write at the end of the file: steps that end at the same time mix no lines.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)
        _prune(path)


def read(place: Path | None = None) -> list[Speed]:
    """All that are kept, the oldest first; lines that were cut are passed over."""
    path, speeds = place or locate_speeds(), list[Speed]()
    with suppress(OSError, UnicodeDecodeError):
        for line in path.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError, ValidationError):
                speeds.append(Speed.model_validate(json.loads(line)))
    return speeds


def select(speeds: Iterable[Speed], kind: str, about: str) -> list[Speed]:
    """The speeds of one kind of step with the same `about`, on which its speed depends."""
    return [one for one in speeds if (one.kind, one.about) == (kind, about)]


def name_machine() -> str:
    """The GPU that this process computes on, or its processor."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return str(torch.cuda.get_device_name(0))
    return name_processor()


def count_processor_seconds() -> float:
    """Processor time of this process so far, and of those that it started and waited for."""
    return sum(os.times()[:4])


def measure_peak_memory() -> float | None:
    """Bytes that this process has held at most; none where the system does not report it.

    (`resource.getrusage` would also count what the process that started this one held then.)
    """
    with suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return 1024.0 * int(next(line.split()[1] for line in lines if line.startswith("VmHWM:")))
    return None


def _prune(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    if len(lines) > MOST_LINES:
        disk.write_text(path, b"".join(lines[len(lines) // 2 :]).decode())
