"""Ctrl-C and SIGTERM: a line on what is kept and how to go on, no process left, the usual code.

The work is left where it is by an exception, so all that it holds is given back. What cannot be
left so (a long call into a library, a thread that does not end) is cut off after a while, or by a
second Ctrl-C: whatever Ikusi writes can be cut off anywhere.
"""

import os
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NoReturn

from ikusi import processes
from ikusi.terminal import say

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SECONDS_TO_LEAVE = 20.0  # from the signal to the end, however the work takes it

ANEW = "nothing unfinished is kept; the same command begins anew"
GOES_ON = "the same command goes on from there"
TRAINED = f"steps that are done and the last checkpoint of each training are kept; {GOES_ON}"
KEPT = {
    "study": TRAINED,
    "train": TRAINED,
    "translate": f"finished shards, and each answer that a server gave, are kept; {GOES_ON}",
    "evaluate": f"the answers of finished parts are kept; {GOES_ON}",
    "data import": "pictures that were fetched are kept, the corpus is not made yet; "
    "the same command begins it anew",
    "miniature fetch": f"packages that are whole are kept; {GOES_ON}",
    "miniature bases": "models that are whole are kept; the same command makes them all anew",
    "miniature build": f"packages that were fetched are kept; {GOES_ON}",
    "annotate serve": f"every answer that was sent is kept; {GOES_ON}",
    "chat": "preferences that were given are kept, conversations are not; the same command goes on",
}
"""What a stopped command has kept, and how to go on; `ANEW` for all others."""


def describe_kept(words: Sequence[str]) -> str:
    """Describe in a line what remains when the command of these words is stopped.

    >>> describe_kept(["report", "studies/emoji-eu", "--output", "so-far"])
    'nothing unfinished is kept; the same command begins anew'
    """
    return KEPT.get(" ".join(words[:2]), KEPT.get(words[0], ANEW) if words else ANEW)


@contextmanager
def heed_signals(kept: str) -> Iterator[None]:
    """Run a command, and end it as a signal asks.

    A signal that is ignored when the command starts, as by nohup, stays so.

    Args:
        kept: what a stopped command says.
    """
    heard, waker = socket.socketpair()
    waker.setblocking(False)
    watch = _Watch(heard, kept)
    before = {n: signal.getsignal(n) for n in SIGNALS if signal.getsignal(n) != signal.SIG_IGN}
    signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    for number in before:
        signal.signal(number, watch.stop)
    threading.Thread(target=watch.run, daemon=True).start()
    try:
        yield
    except BaseException:
        if watch.asked is None:
            raise
        watch.end()
    finally:
        # A stopped command only has to end: another signal must not show a traceback.
        for number, handler in before.items():
            signal.signal(number, handler if watch.asked is None else signal.SIG_IGN)
        if watch.asked is None:
            signal.set_wakeup_fd(-1)
            waker.close()


class _Watch:
    """Handles the signals in a thread too, as the main one may be inside a library."""

    def __init__(self, heard: socket.socket, kept: str) -> None:
        self.heard, self.kept = heard, kept
        self.asked: int | None = None
        self._ending = threading.Lock()

    def stop(self, number: int, frame: object) -> None:
        """Handle a signal: leave the work where it is, as Python does on Ctrl-C."""
        if self.asked is None:
            self.asked = number
            processes.adopt_orphans()
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    def run(self) -> None:
        """Cut the command off where a signal does not end it in time, or a second one comes."""
        with self.heard:
            if (number := self._next()) is None:
                return
            processes.end_programs()  # a thread that waits for one would hold up the others
            self.heard.settimeout(SECONDS_TO_LEAVE)
            with suppress(TimeoutError):
                self._next()
        if self._ending.acquire(blocking=False):
            self._print_kept(number)
        os._exit(128 + number)

    def _next(self) -> int | None:
        """The next signal's number; None once the command has ended."""
        while came := self.heard.recv(1):
            if came[0] in SIGNALS:
                return came[0]
        return None

    def end(self) -> NoReturn:
        """End the command that has left its work."""
        assert self.asked is not None
        self._ending.acquire()
        self._print_kept(self.asked)
        raise SystemExit(128 + self.asked) from None

    def _print_kept(self, number: int) -> None:
        processes.end_children()
        with suppress(OSError):  # the terminal may be gone
            say(f"stopped: {self.kept}", error=True)
