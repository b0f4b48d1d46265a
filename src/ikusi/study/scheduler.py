"""Runs a graph of steps in worker processes, each as soon as what it needs is there."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Literal, Protocol

from ikusi.recipe.folder import StudyFolder
from ikusi.study import code, graph
from ikusi.study.context import Report
from ikusi.study.graph import State, Step
from ikusi.study.launch.hardware import list_accelerators
from ikusi.study.worker import GIVE_UP, Done, Failed, Order, serve

SECONDS_BETWEEN_TICKS = 0.25
SECONDS_TO_LEAVE = 10.0  # all workers together


class Watcher(Protocol):
    """Something that shows how a run goes: a live grid or a plain log."""

    def show_change(self, name: str, states: Mapping[str, State]) -> None:
        """The named step started, finished, failed or was skipped."""

    def tick(self, states: Mapping[str, State]) -> None:
        """Called a few times a second."""


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    slot: int
    step: str | None = None


def count_workers(asked: int | Literal["auto"], processes: int = 1) -> int:
    """Number of steps that run at once: as asked, or as many as there are GPUs, or else cores, for
    trainings of `processes` processes each."""
    if asked != "auto":
        return asked
    if gpus := list_accelerators():
        return max(1, len(gpus) // processes)
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)) // processes)
    return max(1, (os.cpu_count() or 1) // processes)


@dataclass
class Scheduler:
    """Runs the steps that are waiting; the result is the same for any number of workers.

    A failed step takes down only the steps that need it. Workers are started when there is
    work for them and end with this process, however it ends.

    Attributes:
        steps: ordered steps (`graph.order_steps`).
        states: where each stands (`graph.read_states`); updated in place.
        gpus: how many each worker has, where there are some.
        made: called with each step that was made, before those that need it start.
    """

    steps: Sequence[Step]
    states: dict[str, State]
    folder: StudyFolder
    workers: int
    watcher: Watcher
    gpus: int = 1
    made: Callable[[Step], None] = lambda step: None
    _pool: list[_Worker] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self._fingerprints = graph.hash_steps(self.steps)
        self._codes = code.hash_functions(step.function for step in self.steps)
        depth = graph.measure_depths(self.steps)
        # Deepest first: an evaluation goes before the next training, so scores come early.
        self._by_priority = sorted(self.steps, key=lambda step: -depth[step.name])

    def run(self) -> dict[str, State]:
        """Run to the end and return the states; a KeyboardInterrupt passes through."""
        with self._workers_gone_at_the_end():
            while any(state.status not in graph.FINISHED for state in self.states.values()):
                self._skip_what_cannot_run()
                self._hand_out()
                self._listen()
        return self.states

    def _skip_what_cannot_run(self) -> None:
        for step in self.steps:
            lost = [
                name for name in step.inputs if self.states[name].status in ("failed", "skipped")
            ]
            if self.states[step.name].status == "waiting" and lost:
                self._change(step.name, status="skipped", message=f"needs {lost[0]}")

    def _hand_out(self) -> None:
        for step in self._by_priority:
            ready = all(self.states[name].status in graph.USABLE for name in step.inputs)
            if self.states[step.name].status != "waiting" or not ready:
                continue
            worker = self._idle_worker()
            if worker is None:
                return
            inputs = {name: self._fingerprints[name] for name in step.inputs} | dict(step.reads)
            log = self.folder.log(step.name)
            worker.step = step.name
            name, source = self._fingerprints[step.name], self._codes.get(step.function)
            worker.connection.send(Order(step, name, inputs, log, source))
            self._change(step.name, status="running", began=time.monotonic())

    def _idle_worker(self) -> _Worker | None:
        for worker in self._pool:
            if worker.step is None:
                return worker
        if len(self._pool) >= self.workers:
            return None
        return self._start_worker()

    def _start_worker(self) -> _Worker:
        spawn = multiprocessing.get_context("spawn")
        slot = min(set(range(self.workers)) - {worker.slot for worker in self._pool})
        gpus, first = list_accelerators(), slot * self.gpus
        ours = [gpus[(first + i) % len(gpus)] for i in range(self.gpus)] if gpus else []
        allotted = ",".join(dict.fromkeys(ours)) or None
        near, far = spawn.Pipe()
        process = spawn.Process(
            target=serve, args=(far, self.folder, allotted), name=f"ikusi worker {slot}"
        )
        with _without_ctrl_c():
            process.start()
        far.close()  # so that the worker's death ends the connection
        worker = _Worker(process, near, slot)
        self._pool.append(worker)
        return worker

    def _listen(self) -> None:
        busy = {worker.connection: worker for worker in self._pool if worker.step is not None}
        for connection in wait(list(busy), timeout=SECONDS_BETWEEN_TICKS):
            self._hear(busy[connection])  # type: ignore[index]
        self.watcher.tick(self.states)

    def _hear(self, worker: _Worker) -> None:
        assert worker.step is not None
        name, state = worker.step, self.states[worker.step]
        try:
            message = worker.connection.recv()
        except (EOFError, ConnectionError):
            self._pool.remove(worker)
            worker.process.join(SECONDS_TO_LEAVE)
            self._change(name, status="failed", message=_how_it_died(worker.process.exitcode))
            return
        if isinstance(message, Report):
            state.fraction, state.note = message.fraction, message.note
            if state.started_at is None:
                state.started_at = message.fraction
            return
        worker.step = None
        if isinstance(message, Done):
            self.made(next(step for step in self.steps if step.name == name))
            self._change(name, status="done", fraction=1.0, seconds=message.seconds)
        elif isinstance(message, Failed):
            self._change(
                name, status="failed", message=message.message, bad_input=message.bad_input
            )

    def _change(self, name: str, **values: object) -> None:
        for key, value in values.items():
            setattr(self.states[name], key, value)
        self.watcher.show_change(name, self.states)

    @contextmanager
    def _workers_gone_at_the_end(self) -> Iterator[None]:
        """Ctrl-C gives up what is at work on other machines too; any other end leaves it there."""
        last = signal.SIGTERM
        try:
            yield
        except KeyboardInterrupt:
            last = GIVE_UP
            raise
        finally:
            for worker in self._pool:
                with suppress(OSError):  # it may have ended by itself
                    if worker.step is None:
                        worker.connection.send(None)
                    else:
                        os.kill(worker.process.pid or 0, last)
            end = time.monotonic() + SECONDS_TO_LEAVE
            for worker in self._pool:
                worker.process.join(max(0.0, end - time.monotonic()))
                if worker.process.is_alive():
                    worker.process.kill()
                    worker.process.join()
            self._pool.clear()


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Start a process that ignores Ctrl-C from its first moment on."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _how_it_died(code: int | None) -> str:
    if code is not None and code < 0:
        why = ", perhaps for want of memory" if code == -9 else ""
        return f"its process was killed by signal {-code}{why}"
    return f"its process ended with code {code}"
