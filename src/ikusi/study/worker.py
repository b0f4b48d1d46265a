"""A worker process: takes one step after another, and pays for its imports once."""

import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from ikusi import artifact, disk, speeds
from ikusi.errors import InputError
from ikusi.processes import die_with_parent
from ikusi.recipe.folder import StudyFolder
from ikusi.study.context import Context, Report, call, to_one_line
from ikusi.study.graph import Step
from ikusi.study.launch.hardware import claim_hardware

if TYPE_CHECKING:
    from ikusi.study.launch.ranks import Starter
    from ikusi.study.launch.torchrun import Group

_taken_up: set[str] = set()  # kinds of steps that this process has begun

GIVE_UP = signal.SIGUSR1  # to a worker, where Ctrl-C is the parent's: what is elsewhere ends too


@dataclass(frozen=True)
class Order:
    """A step to run: its fingerprint, those of all it reads and of its code, and the log of its
    output."""

    step: Step
    fingerprint: str
    inputs: dict[str, str]
    log: Path
    code: str | None


@dataclass(frozen=True)
class Done:
    """The step's folder is whole, after this many seconds."""

    seconds: float


@dataclass(frozen=True)
class Failed:
    """The step raised; the message is one line, the traceback is in its log."""

    message: str
    bad_input: bool


def serve(connection: Connection, study: StudyFolder, accelerators: str | None) -> None:
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
    die_with_parent()
    claim_hardware(accelerators)
    from ikusi.study.launch import torchrun

    if group := torchrun.read_group():
        group.set_aside()
    while (order := connection.recv()) is not None:
        connection.send(run_order(order, study, connection.send, group))


def _leave(*signal_and_frame: object) -> None:
    """End as a program ends, so that libraries give back what they hold."""
    sys.exit(1)


def _leave_with_parent() -> None:
    """End this process at once when the parent dies, even by SIGKILL."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def run_order(
    order: Order, study: StudyFolder, send: Callable[[Report], None], group: "Group | None"
) -> Done | Failed:
    """Run a step in this process, or in those that it starts."""
    from ikusi.study import noting
    from ikusi.study.launch import ranks, slurm

    began, worked = time.monotonic(), speeds.count_processor_seconds()
    step, output = order.step, study.step(order.step.name)
    fresh = step.kind not in _taken_up
    _taken_up.add(step.kind)
    try:
        with _output_in(order.log):
            task = ranks.Task(
                study.job(step.name),
                step.function,
                step.settings,
                step.compute,
                artifact.locate_staging(output),
                study.root,
                order.fingerprint,
            )
            slurm.settle(task)
            with artifact.write_folder(
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
                    call(step.function, staging, context, step.settings, step.name)
            taken = time.monotonic() - began, speeds.count_processor_seconds() - worked
            noting.keep(step, study, *taken, fresh)
    except Exception as error:
        return Failed(to_one_line(error), isinstance(error, InputError))
    return Done(time.monotonic() - began)


def _starter(step: Step, group: "Group | None") -> "Starter | None":
    """The function that starts a step's processes; None where its worker does the step itself."""
    from ikusi.study.launch import ranks, slurm

    if group is not None:
        return group.start if "processes" in step.compute else None
    if step.compute.get("slurm"):
        return slurm.start
    return ranks.start_here if step.compute.get("processes", 1) > 1 else None


@contextmanager
def _output_in(log: Path) -> Iterator[None]:
    """Send all this process writes, compiled libraries included, to the end of a log file; also the
    traceback of what is raised."""
    with disk.explain_errors(log):
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
    except Exception:
        traceback.print_exc()
        raise
    finally:
        with suppress(OSError):  # a disk that is full: what was to be done is done, or reported
            sys.stdout.flush()
            sys.stderr.flush()
