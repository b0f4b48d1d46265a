"""A worker process: takes one step after another, and pays for its imports once."""

import importlib
import logging
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ikusi import artifact
from ikusi.errors import InputError
from ikusi.processes import be_killed_with_parent
from ikusi.study.graph import Step

if TYPE_CHECKING:
    from ikusi.study.ranks import Starter
    from ikusi.study.torchrun import Group

SECONDS_BETWEEN_REPORTS = 0.2
GIVE_UP = signal.SIGUSR1  # to a worker, where Ctrl-C is the parent's: what is elsewhere ends too
# What a process on the CPU is told before torch is imported.
CLAIMED = {
    "DS_ACCELERATOR": "cpu",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


@dataclass(frozen=True)
class Order:
    """A step to run: its fingerprint, those of all it reads and of its code, and where its output
    is told."""

    step: Step
    fingerprint: str
    inputs: dict[str, str]
    log: Path
    code: str | None


@dataclass(frozen=True)
class Report:
    """How far a running step is: a share of 0 to 1 and a few words."""

    fraction: float
    note: str


@dataclass(frozen=True)
class Done:
    """The step's folder is whole, after this many seconds."""

    seconds: float


@dataclass(frozen=True)
class Failed:
    """The step raised; the message is one line, the traceback is in its log."""

    message: str
    bad_input: bool


@dataclass
class Context:
    """What a step's function gets besides its settings.

    Attributes:
        study: the study's folder, where the inputs lie under their steps' names.
        compute: what the step runs on, as plain values (`ikusi.recipe.Compute`).
    """

    study: Path
    send: Callable[[Report], None]
    compute: Mapping[str, Any] = field(default_factory=dict)
    _last: float = field(default=float("-inf"), init=False)

    def progress(self, fraction: float, note: str = "") -> None:
        """Tell how far the step is (0 to 1); costs nothing when called too often."""
        now = time.monotonic()
        if now - self._last >= SECONDS_BETWEEN_REPORTS or fraction >= 1:
            self._last = now
            self.send(Report(min(max(fraction, 0.0), 1.0), note))


def accelerators(devices: Path = Path("/dev")) -> list[str]:
    """The NVIDIA GPUs this machine, or its job queue, lets us use; found without torch."""
    allotted = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allotted is not None:
        return [name for name in allotted.split(",") if name and name != "-1"]
    found = (re.fullmatch(r"nvidia(\d+)", path.name) for path in devices.glob("nvidia*"))
    return [str(number) for number in sorted(int(match[1]) for match in found if match)]


def serve(connection: Connection, study: Path, accelerators: str | None) -> None:
    """Run the orders that arrive until one is None or the parent is gone.

    Args:
        connection: orders come in; `Report`, `Done` and `Failed` go out.
        study: the study's folder.
        accelerators: the GPUs that this worker may use, or None for the CPU.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(GIVE_UP, signal.default_int_handler)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    be_killed_with_parent()
    claim_hardware(accelerators)
    from ikusi.study import torchrun

    if group := torchrun.group():
        group.set_aside()
    while (order := connection.recv()) is not None:
        connection.send(_run(order, study, connection.send, group))


def _leave(*signal_and_frame: object) -> None:
    """End as a program ends, so that libraries give back what they hold."""
    sys.exit(1)


def _leave_with_parent() -> None:
    """End this process at once when the parent dies, even by SIGKILL."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def claim_hardware(gpus: str | None) -> None:
    """Before torch is imported: one thread a process on the CPU, one GPU a process otherwise.

    One thread always, not cores / workers: the sum of a matrix product depends on how threads
    split it, and a study must not depend on the number of workers.
    """
    os.environ.update(TOKENIZERS_PARALLELISM="false")
    if gpus is not None:
        os.environ.update(CUDA_VISIBLE_DEVICES=gpus)
    else:
        os.environ.update(CLAIMED)


def _run(
    order: Order, study: Path, send: Callable[[Report], None], group: "Group | None"
) -> Done | Failed:
    from ikusi.study import ranks, slurm

    began = time.monotonic()
    step, output = order.step, study / order.step.name
    with _output_in(order.log):
        try:
            task = ranks.Task(
                study / ranks.JOBS / step.name.replace("/", "-"),
                step.function,
                step.settings,
                step.compute,
                artifact.staging_path(output),
                study,
                order.fingerprint,
            )
            slurm.settle(task)
            with artifact.folder(
                output,
                fingerprint=order.fingerprint,
                kind=step.kind,
                inputs=order.inputs,
                settings=dict(step.settings),
                keep_partial=step.resumes,
                code=order.code,
            ) as staging:
                if start := _starter(step, group):
                    ranks.run(task, start, send)
                else:
                    context = Context(study, send, step.compute)
                    resolve(step.function)(staging, context, **step.settings)
        except Exception as error:
            traceback.print_exc()
            return Failed(one_line(error), isinstance(error, InputError))
        return Done(time.monotonic() - began)


def _starter(step: Step, group: "Group | None") -> "Starter | None":
    """What starts the processes of a step that its worker does not do itself."""
    from ikusi.study import ranks, slurm

    if group is not None:
        return group.start if "processes" in step.compute else None
    if step.compute.get("slurm"):
        return slurm.start
    return ranks.here if step.compute.get("processes", 1) > 1 else None


def resolve(function: str) -> Callable[..., None]:
    """The function that `module:name` names."""
    module, _, name = function.partition(":")
    found: Callable[..., None] = getattr(importlib.import_module(module), name)
    return found


def one_line(error: Exception) -> str:
    """An error as one line for people."""
    words = " ".join(str(error).split())
    if isinstance(error, InputError):
        return words
    return f"{type(error).__name__}: {words[:300]}"


@contextmanager
def _output_in(log: Path) -> Iterator[None]:
    """Send all this process writes, compiled libraries included, to the end of a log file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    os.close(descriptor)
    form = "%(asctime)s %(name)s %(levelname)s %(message)s"
    logging.basicConfig(level=logging.INFO, format=form, stream=sys.stderr)
    logging.getLogger(__name__).info("process %d takes up %s", os.getpid(), log.stem)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
