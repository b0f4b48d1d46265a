"""One step of a study in several processes, or in processes elsewhere.

They are started by torchrun here, by a torchrun that runs Ikusi itself (`torchrun`), or by a
cluster (`slurm`); each then calls `main`. The worker that was given the step waits for them. What
they are to do, how far they are and what went wrong stands in files in `jobs/STEP/` of the study.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from ikusi import artifact, disk, jsonfile
from ikusi.errors import IkusiError, InputError
from ikusi.processes import die_with_parent
from ikusi.recipe.folder import StudyFolder
from ikusi.study.context import Context, Report, call, to_one_line
from ikusi.study.launch.hardware import claim_hardware, list_accelerators

TASK, PROGRESS, FAILURE, DONE = "task.json", "progress.json", "failure.json", "done.json"
SECONDS_BETWEEN_LOOKS = 0.2


@dataclass(frozen=True)
class Task:
    """A step as its processes read it: what they call, and where it writes.

    Attributes:
        folder: where the task stands as a file, and what becomes of it.
        compute: what the step runs on, as plain values (`ikusi.recipe.Compute`).
    """

    folder: Path
    function: str
    settings: Mapping[str, Any]
    compute: Mapping[str, Any]
    output: Path
    study: Path
    fingerprint: str

    def to_json(self) -> dict[str, Any]:
        """As JSON, with whole paths: the processes may run in another folder."""
        paths = {name: str(getattr(self, name).absolute()) for name in ("output", "study")}
        values = asdict(self) | paths
        del values["folder"]
        return values

    def is_saved(self) -> bool:
        """Whether just this is what the folder already holds."""
        try:
            known = json.loads((self.folder / TASK).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return bool(known == json.loads(json.dumps(self.to_json())))

    def save(self) -> None:
        """Write it down in a folder that holds nothing else."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        artifact.write_json(self.folder / TASK, self.to_json())


class Written(jsonfile.Record):
    """A task as its file has it."""

    function: str
    settings: dict[str, Any]
    compute: dict[str, Any]
    output: str
    study: str


class Processes(Protocol):
    """Processes at work on a task."""

    def poll(self) -> int | None:
        """None while they work; then 0 if all went well."""

    def describe(self) -> str:
        """A few words on what they wait for, or how they ended; often empty."""

    def cause(self) -> str:
        """The cause from outside that ended them all; empty if there was none."""

    def stop(self) -> None:
        """End those that are left; called in any case but that of `leave`."""

    def leave(self) -> None:
        """End those that do not go on without this process, which has been asked to end."""


Starter = Callable[[Task], Processes]


def run(task: Task, start: Starter, send: Callable[[Report], None]) -> None:
    """Have a task done, passing on how far it is.

    Raises:
        InputError, IkusiError: what the first process to fail reported.
    """
    processes, last = start(task), None
    try:
        while (code := processes.poll()) is None:
            last = _pass_on(_report(task.folder / PROGRESS, processes.describe()), last, send)
            time.sleep(SECONDS_BETWEEN_LOOKS)
    except SystemExit:
        processes.leave()
        raise
    except BaseException:
        processes.stop()
        raise
    processes.stop()
    _pass_on(_report(task.folder / PROGRESS, ""), last, send)
    if code:
        raise _failure(task.folder / FAILURE, processes, code)
    shutil.rmtree(task.folder, ignore_errors=True)


def start_here(task: Task) -> Processes:
    """Start them with torchrun, on this machine."""
    task.save()
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
        *("--nproc_per_node", str(task.compute["processes"])),
        *("-m", "ikusi.study.launch.ranks", str(task.folder)),
    ]
    return Here(subprocess.Popen(command, preexec_fn=die_with_parent))


@dataclass(frozen=True)
class Here:
    """Processes on this machine: one, and what it has started."""

    process: subprocess.Popen[bytes]

    def poll(self) -> int | None:
        """See `Processes`."""
        return self.process.poll()

    def describe(self) -> str:
        """See `Processes`."""
        return ""

    cause = describe

    def stop(self) -> None:
        """See `Processes`."""
        self.process.terminate()
        self.process.wait()

    leave = stop


def _pass_on(report: Report, last: Report | None, send: Callable[[Report], None]) -> Report | None:
    """Send a report that says anything new; returns the last one that was sent."""
    if report == last or not report.note:
        return last
    send(report)
    return report


def _report(path: Path, waits: str) -> Report:
    """The progress of the processes, with what they wait for or else say."""
    try:
        fraction, note = json.loads(path.read_text(encoding="utf-8"))
    except OSError:  # none yet, or it was replaced on another machine while it was read
        fraction, note = 0.0, ""
    return Report(fraction, waits or note)


def _failure(path: Path, processes: Processes, code: int) -> IkusiError:
    """The error of a failed task: its cause from outside, or the first message of its processes."""
    if cause := processes.cause():
        return IkusiError(cause)
    if (failure := _read_json(path)) is None:
        how = processes.describe() or f"one ended with code {code}"
        return IkusiError(f"its processes left no message: {how}; its log says more")
    return (InputError if failure["bad_input"] else IkusiError)(failure["message"])


def write_failure(folder: Path, error: Exception, attempt: int = 0) -> None:
    """Say why a task failed; the first to do so counts, as others fail because it did."""
    if not has_failed(folder, attempt):
        if line := disk.describe_fault(error):
            error = InputError(line)
        bad_input = isinstance(error, InputError)
        failure = {"message": to_one_line(error), "bad_input": bad_input, "attempt": attempt}
        artifact.write_json(folder / FAILURE, failure)


def has_failed(folder: Path, attempt: int = 0) -> bool:
    """Whether one of the processes has reported a failure in this attempt."""
    failure = _read_json(folder / FAILURE)
    return failure is not None and failure["attempt"] == attempt


def _read_json(path: Path) -> dict[str, Any] | None:
    content: dict[str, Any] | None = None
    with suppress(FileNotFoundError):
        content = json.loads(path.read_text(encoding="utf-8"))
    return content


def find_free_port() -> int:
    """A port of this machine that nothing listens at."""
    with socket.socket() as listener:
        listener.bind(("", 0))
        return int(listener.getsockname()[1])


def main(folder: Path, attempt: int = 0) -> None:
    """Do this process's share of the task that `folder` holds.

    Args:
        attempt: how often all processes of the task have been started anew.
    """
    die_with_parent()
    claim_hardware(",".join(list_accelerators()) or None)
    os.environ.update(HF_HUB_DISABLE_PROGRESS_BARS="1")  # what libraries write goes to logs
    rank = int(os.environ.get("RANK", "0"))  # none where the process is the only one
    first = rank == 0
    form = f"%(asctime)s {rank} %(name)s %(levelname)s %(message)s"
    logging.basicConfig(level=logging.INFO if first else logging.ERROR, format=form)
    task = jsonfile.read(folder / TASK, Written, "the task of a step")
    if first and not has_failed(folder, attempt):
        (folder / FAILURE).unlink(missing_ok=True)  # what an earlier attempt reported

    def send(report: Report) -> None:
        if first:
            artifact.write_json(folder / PROGRESS, [report.fraction, report.note])

    context = Context(StudyFolder(Path(task.study)), send, task.compute)
    try:
        call(task.function, Path(task.output), context, task.settings, str(folder / TASK))
    except Exception as error:
        traceback.print_exc()
        write_failure(folder, error, attempt)
        sys.stderr.flush()
        os._exit(1)  # without waiting for the others, who may wait for this one
    if first:
        artifact.write_json(folder / DONE, {})
    _end_exchange()


def _end_exchange() -> None:
    """End what the processes of a step exchange, if it began any: Python must not end meanwhile."""
    group = getattr(sys.modules.get("torch"), "distributed", None)
    if group and group.is_available() and group.is_initialized():
        group.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
