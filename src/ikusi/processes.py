"""Other programs and processes: run to their end, and ended with all that they have started."""

import ctypes
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from multiprocessing import resource_tracker
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from typing import IO, Any

from ikusi import disk
from ikusi.errors import InputError

SECONDS_TO_LEAVE = 2.0  # between SIGTERM and SIGKILL
SECONDS_BETWEEN_LOOKS = 0.02
SPARE = 2**20  # bytes that any program may write
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h


def name_processor() -> str:
    """The name of this machine's processor, as it gives it."""
    place = Path("/proc/cpuinfo")
    lines = place.read_text(encoding="utf-8").splitlines() if place.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def run(
    command: Sequence[str],
    *,
    text: str = "",
    seconds: float | None = None,
    most: int | None = None,
    folder: Path | str | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, and give back what it wrote, as UTF-8.

    It has a process group of its own. Whatever ends the wait for it, ends the whole group: a
    script's own end would leave what it has started.

    Args:
        text: what it is given to read.
        seconds: how long it may take.
        most: bytes that it may write, `SPARE` more than these.
        folder: where it runs.

    Raises:
        InputError: it wrote more, or there is no room for what it reads and writes.
        OSError: there is no such program.
        SystemExit: this process is to end (`end_programs`).
        subprocess.TimeoutExpired: it took longer.
    """
    with _hold(text) as given, _hold() as output, _hold() as errors:
        streams: dict[str, Any] = {"stdin": given, "stdout": output, "stderr": errors}
        with subprocess.Popen(command, cwd=folder, process_group=0, **streams) as process:
            _running.add(process)
            try:
                _expect_more()
                _wait_for(command[0], process, (output, errors), seconds, most)
            finally:
                _end_group(process)
                _running.discard(process)
        _expect_more()
        written = [_text(file) for file in (output, errors)]
    return subprocess.CompletedProcess(command, process.returncode, *written)


def _hold(text: str = "") -> IO[bytes]:
    """A file without a name that holds a text.

    Raises:
        InputError: there is no room for one.
    """
    try:
        place = Path(gettempdir())
    except FileNotFoundError:
        raise InputError(
            "TMPDIR: expected a folder with room for temporary files, found none of the usual"
        ) from None
    with disk.explain_errors(place):
        file = TemporaryFile()  # noqa: SIM115 - who asked for it closes it
        try:
            file.write(text.encode("utf-8", "replace"))
            file.seek(0)
        except OSError:
            with suppress(OSError):  # closing tries to write once more
                file.close()
            raise
        return file


def _wait_for(
    program: str,
    process: "subprocess.Popen[bytes]",
    written: Sequence[IO[bytes]],
    seconds: float | None,
    most: int | None,
) -> None:
    """Wait for a program's end, for so long at most, and while it writes so much at most."""
    end = None if seconds is None else time.monotonic() + seconds
    while process.returncode is None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(SECONDS_BETWEEN_LOOKS)
        size = sum(os.fstat(file.fileno()).st_size for file in written)
        if most is not None and size > most + SPARE:
            raise InputError(f"{program}: expected at most {most + SPARE:,} bytes, found more")
        if end is not None and process.returncode is None and time.monotonic() > end:
            raise subprocess.TimeoutExpired(process.args, seconds or 0)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace").replace("\r\n", "\n")


_running: set["subprocess.Popen[bytes]"] = set()
_over = threading.Event()


def end_programs() -> None:
    """End what `run` waits for, in whichever thread; from now on it raises SystemExit."""
    _over.set()
    for process in list(_running):
        _end_group(process)


def _expect_more() -> None:
    if _over.is_set():
        raise SystemExit("expected to go on, found that this process is to end")


def _end_group(process: "subprocess.Popen[bytes]") -> None:
    """End a program and all in its group: by SIGTERM, then by SIGKILL."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
            _wait(lambda: process.poll() is not None and not _is_alive(process.pid))


def _is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends; does nothing on other systems than
    Linux."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of what a child leaves behind, where the kernel offers it."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value)


def end_children() -> None:
    """End what this process has started, and what that leaves behind once orphans are adopted.

    By SIGTERM, and those that remain by SIGKILL. (They are only known on Linux.)
    """
    for number in (signal.SIGTERM, signal.SIGKILL):
        _wait(partial(_signal_children, number, set()))


def _signal_children(number: int, reached: set[int]) -> bool:
    """Send each child a signal once, and take leave of those that have ended."""
    left = _children()
    for child in left - reached:
        with suppress(ProcessLookupError):
            os.kill(child, number)
    reached |= left
    for child in left:
        with suppress(ChildProcessError):
            os.waitpid(child, os.WNOHANG)
    return not left


def _children() -> set[int]:
    """This process's children, but the one that gives back what Python itself holds: it ends with
    this process, and not before."""
    children: set[int] = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            number, _, rest = path.read_text(errors="replace").partition(" (")
            if int(rest.rpartition(") ")[2].split()[1]) == os.getpid():  # state, parent, ...
                children.add(int(number))
    return children - {getattr(resource_tracker._resource_tracker, "_pid", None)}


def _wait(ended: Callable[[], bool]) -> None:
    """Wait until something has ended, for `SECONDS_TO_LEAVE` at most."""
    end = time.monotonic() + SECONDS_TO_LEAVE
    while not ended() and time.monotonic() < end:
        time.sleep(SECONDS_BETWEEN_LOOKS)
