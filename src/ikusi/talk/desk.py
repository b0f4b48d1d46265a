"""A model that answers one question after another, whoever asks."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ikusi.answer import streaming
from ikusi.answer.chat import PICTURE
from ikusi.answer.engine import Engine, Query, Reply
from ikusi.data import images
from ikusi.errors import InputError
from ikusi.server.client import GoneError
from ikusi.terminal import say

MOST_WAITING = 16
"""Questions that wait for one model; who asks one more is asked to come back."""

LEAVING_SECONDS = 5.0  # that a model has to leave its work

State = Literal["waiting", "coming", "whole", "cut", "stopped", "failed", "away"]


@dataclass
class Answer:
    """A model's answer to a question: `text` so far, and its state.

    `cut`: the longest answer that is allowed has ended it; `stopped`: a person has; `failed`: the
    model gave none; `away`: it cannot be asked. ``ends``: somebody wants no more of it;
    ``over``: when it was whole, by `time.monotonic`.
    """

    query: Query
    picture: bytes | None
    text: str = ""
    state: State = "waiting"
    ends: bool = False
    over: float = 0.0

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return self.state not in ("waiting", "coming")

    @property
    def holds(self) -> bool:
        """Whether there is something that a conversation can go on from."""
        return bool(self.text) and self.state in ("whole", "cut", "stopped")

    def grow(self, text: str) -> bool:
        """Take what there is of it so far; False where no more is wanted."""
        self.text = text
        return not self.ends


class Desk:
    """A model, called ``name``, with a thread that asks it."""

    def __init__(self, engine: Engine, name: str) -> None:
        self.engine, self.name = engine, name
        self._queue: deque[Answer] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    @property
    def is_full(self) -> bool:
        """Whether it takes no more questions now."""
        return len(self._queue) >= MOST_WAITING

    def submit(self, answer: Answer) -> None:
        """Let a question wait for its turn."""
        with self._changed:
            self._queue.append(answer)
            self._changed.notify()

    def count_before(self, answer: Answer) -> int:
        """Number of questions that come before one that waits; 0 where it waits no longer."""
        with self._changed:
            return self._queue.index(answer) if answer in self._queue else 0

    def close(self) -> None:
        """End what is under way and what waits."""
        with self._changed:
            self._closed = True
            for answer in self._queue:
                answer.ends = True
            self._changed.notify()
        self._thread.join(LEAVING_SECONDS)

    def _work(self) -> None:
        while (answer := self._wait()) is not None:
            try:
                self._answer(answer)
            finally:
                with self._changed:
                    self._queue.popleft()

    def _wait(self) -> Answer | None:
        """The next question; it stays in the queue until it is answered."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed)
            return None if self._closed else self._queue[0]

    def _answer(self, answer: Answer) -> None:
        if answer.ends:
            answer.state = "stopped"
            return
        answer.state = "coming"
        try:
            reply = self._ask(answer.query, answer.picture, answer.grow)
        except GoneError as error:
            self._say(error)
            answer.state = "away"
        except Exception as error:  # of any library: the next question may well be answered
            kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
            self._say(f"{kind}{error}")
            answer.state = "failed"
        else:
            self._end(answer, reply)

    def _ask(self, query: Query, picture: bytes | None, grow: Callable[[str], bool]) -> Reply:
        shown = {} if picture is None else {PICTURE: images.decode(picture)}
        return streaming.ask(self.engine, query, self.engine.prepare(shown), grow)

    def _end(self, answer: Answer, reply: Reply) -> None:
        if answer.ends:
            answer.state = "stopped"
        elif reply.failure is not None or not reply.text:
            self._say(reply.failure or "the answer is empty")
            answer.state = "failed"
        else:
            answer.text, answer.over = reply.text, time.monotonic()
            answer.state = "cut" if reply.hit_limit else "whole"

    def _say(self, reason: object) -> None:
        """Say to who runs it why there is no answer: pages do not, as it may hold an address."""
        say(f"{self.name}: {reason}", error=True)
