"""Commands that are started as a person starts them, to be stopped in the middle of their work."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psutil

import starting
import warm
from ikusi.cli import stopping

MARK = "IKUSI_TEST_MARK"  # in the environment of all that a command starts
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


class Started:
    """A command in a session of its own, as a terminal starts it."""

    program = ("-m", "ikusi")

    def __init__(self, *words: object, **variables: str) -> None:
        self.mark = uuid.uuid4().hex
        self.words = [str(word) for word in words]
        told = {MARK: self.mark, "PYTHONPATH": starting.paths()} | variables
        self.process = self.begin([*self.program, *self.words], os.environ | told)

    def begin(self, words: list[str], environment: dict[str, str]) -> Any:
        """Start Python."""
        return subprocess.Popen(
            [sys.executable, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,
            # A shell's background jobs ignore Ctrl-C, and what they start inherits that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def has_spoken(self) -> bool:
        """Whether it has written a line; it is waited for."""
        return bool(self.process.stdout.readline())

    def stop_once(self, busy: Callable[[], Any], number: signal.Signals, *, all: bool) -> str:
        """Signal it, or all of its group as a terminal does, once it is at work; what it says."""
        told = self.signal_once(busy, number, all=all)
        self.assert_stopped(number, *told)
        return "".join(told)

    def assert_stopped(self, number: signal.Signals, out: str, err: str) -> None:
        """It has ended for that signal, said so in a line, and left nothing behind."""
        # Where Ctrl-C meets code that is made from a string, as libraries have at their import,
        # `python -m` (3.11) ends by the signal itself, whatever became of the exception: that is
        # 130 too to a shell.
        ends = (CODES[number], -number) if number == signal.SIGINT else (CODES[number],)
        assert self.process.returncode in ends, (self.process.returncode, out + err)
        assert "Traceback" not in err and "Aborted" not in err, err
        lines = err.splitlines()
        assert sum(line.startswith("stopped: ") for line in lines) == 1
        assert lines[-1] == f"stopped: {stopping.describe_kept(self.words)}"
        assert self.left() == []

    def signal_once(
        self, busy: Callable[[], Any], number: signal.Signals, *, all: bool
    ) -> tuple[str, str]:
        """The same; what it wrote to its two outputs, however it ended."""
        end = time.monotonic() + 300  # on a machine that is busy
        try:
            while not busy():
                assert self.process.poll() is None, self.process.communicate()
                assert time.monotonic() < end, "it did not begin"
                time.sleep(0.01)
            (os.killpg if all else os.kill)(self.process.pid, number)
            return self.process.communicate(timeout=60)
        finally:
            self.process.kill()

    def left(self) -> list[str]:
        """Commands of processes that it left; Python's own helper needs a moment to see it gone."""
        end, left = time.monotonic() + 10, self._alive()
        while left and time.monotonic() < end:
            time.sleep(0.02)
            left = self._alive()
        return left

    def _alive(self) -> list[str]:
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, ProcessLookupError):
                known = process.environ().get(MARK) == self.mark
                if known or os.getsid(process.pid) == self.process.pid:
                    found.append(" ".join(process.cmdline()))
        return found

    def loaded(self, library: str) -> bool:
        """Whether it has loaded a library."""
        with suppress(psutil.Error):
            return any(
                library in each.path for each in psutil.Process(self.process.pid).memory_maps()
            )
        return False


class Warm(Started):
    """The same, but for the libraries, which need not be imported again."""

    def begin(self, words: list[str], environment: dict[str, str]) -> Any:
        """Start a copy."""
        return warm.Command(words, environment)

    def has_spoken(self) -> bool:
        """Whether it has written a line by now."""
        return "\n" in self.process.said()[0]
