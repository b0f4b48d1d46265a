"""Processes that tests start and that need not import everything again.

Python's fork server imports the large libraries once for all tests of a process; each process is
then a copy of it. Of Ikusi it has imported next to nothing: a copy imports what it needs itself.
"""

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from multiprocessing.reduction import DupFd
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

if TYPE_CHECKING:
    import pytest


def start_server() -> ForkServerContext:
    """Whose processes are copies; the fork server is started where it is not there yet."""
    multiprocessing.set_forkserver_preload(["warm_libraries"])
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    with patch.dict(os.environ, PYTHONPATH=paths):
        forkserver.ensure_running()
    return multiprocessing.get_context("forkserver")


def let_workers_be_copies(monkeypatch: "pytest.MonkeyPatch") -> None:
    """Let the workers of studies be copies, where no GPU forbids it."""
    from ikusi.study.launch.hardware import list_accelerators

    if list_accelerators():
        return
    server = start_server()

    def copy(target: Callable[..., object], args: tuple[object, ...], name: str = "copy") -> Any:
        told = (dict(os.environ), target, args)
        return server.Process(target=_call_in, args=told, name=name)

    context = types.SimpleNamespace(Pipe=server.Pipe, Process=copy)
    monkeypatch.setattr(multiprocessing, "get_context", lambda method: context)


def _call_in(environment: dict[str, str], target: Callable[..., object], args: Any) -> None:
    """Call a function in an environment of its own, in a copy."""
    os.environ.clear()
    os.environ.update(environment)
    target(*args)


class Command:
    """Python, called as on the command line, in a copy with a session and streams of its own.

    It is waited for like a `subprocess.Popen`.

    Args:
        words: what follows `python`: `-m` and a module, or `-c` and code, and their arguments.
        environment: all of it.
    """

    def __init__(self, words: Sequence[str], environment: Mapping[str, str]) -> None:
        given, gives = os.pipe()
        self._stdin: int | None = gives
        self._written = [TemporaryFile(), TemporaryFile()]  # noqa: SIM115
        streams = [_Handle(given), *(_Handle(file.fileno()) for file in self._written)]
        told = (list(words), dict(environment), streams)
        self._process: Any = start_server().Process(target=_become, args=told)
        self._process.start()
        os.close(given)
        self.pid: int = self._process.pid or 0

    @property
    def returncode(self) -> int | None:
        """Its exit status; None while it runs."""
        code: int | None = self._process.exitcode
        return code

    def poll(self) -> int | None:
        """The same."""
        return self.returncode

    def said(self) -> tuple[str, str]:
        """Its output and its errors so far."""
        out, err = (os.pread(file.fileno(), 2**20, 0).decode() for file in self._written)
        return out, err

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Its output and its errors once it has ended; nothing more is given to it."""
        if self._stdin is not None:
            os.close(self._stdin)
            self._stdin = None
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("python", timeout or 0, *self.said())
        return self.said()

    def kill(self) -> None:
        """End it, if it has not ended."""
        self._process.kill()


class _Handle:
    """A file of this process, which a copy is to have too."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> Any:
        return _taken, (DupFd(self.number),)


def _taken(handle: Any) -> int:
    taken: int = handle.detach()
    return taken


def _become(words: list[str], environment: dict[str, str], streams: list[int]) -> None:
    """Be `python WORDS`, in a copy."""
    assert "transformers.modeling_utils" in sys.modules, "`warm_libraries` was not imported"
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(environment)
    kind, what, *rest = words
    sys.argv = [kind, *rest]
    if kind == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(what, main.__dict__)
