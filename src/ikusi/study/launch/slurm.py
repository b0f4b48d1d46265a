"""A step of a study as a job of a SLURM cluster, by submitit.

The study's folder must be on a disk that all machines see. A job is known by `job.json` beside its
task, so a study that was killed finds its jobs again, still at work or done.
"""

from __future__ import annotations

import json
import logging
import os
import pwd
import re
import shutil
import subprocess
import time
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ikusi import artifact
from ikusi.errors import IkusiError, InputError
from ikusi.recipe import Slurm
from ikusi.study.launch import ranks
from ikusi.study.launch.hardware import CLAIMED
from ikusi.study.launch.ranks import DONE, PROGRESS, Task

logger = logging.getLogger(__name__)

JOB = "job.json"
COMMANDS = ("sbatch", "srun", "squeue", "scancel", "scontrol")
ATTEMPT = "SLURM_RESTART_COUNT"
SECONDS_BETWEEN_QUESTIONS = 30.0
SECONDS_TO_BE_KNOWN = 120.0  # on a disk that shows other machines' files late
SECONDS_TO_END = 120.0
MOST_TIMEOUTS = 1000  # how often a job that took all its time may queue again

# How a job ended that did not fail by itself: what its processes say of it is no cause then.
ENDS = {
    "CANCELLED": "was cancelled",
    "TIMEOUT": "took all its time and could not queue again (compute.slurm.minutes)",
    "DEADLINE": "could not end before its deadline",
    "PREEMPTED": "had to leave its place to another job and could not queue again",
    "NODE_FAIL": "lost a machine",
    "BOOT_FAIL": "lost a machine",
    "OUT_OF_MEMORY": "needed more memory than it had asked for (compute.slurm.mem)",
}


@dataclass(frozen=True)
class Rank:
    """The function that each process of a job calls; pickled by submitit."""

    folder: str

    def __call__(self) -> None:
        """Find the others of the job, and do this process's share."""
        from submitit import JobEnvironment
        from submitit.helpers import TorchDistributedEnvironment

        job, folder = JobEnvironment(), Path(self.folder)
        attempt = int(os.environ[ATTEMPT]) if ATTEMPT in os.environ else 0
        _expect_ours(folder, job.job_id)
        if job.num_tasks > 1:
            # submitit would compute one from the job's number, taken or not.
            port = _port(folder / f"port-{attempt}.json", first=job.global_rank == 0)
            os.environ.update(MASTER_PORT=str(port))
            TorchDistributedEnvironment().export(set_cuda_visible_devices=False, overwrite=True)
        ranks.main(folder, attempt)

    def checkpoint(self) -> Any:
        """The job that submitit queues once more when its time is over or others need its place."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


@dataclass
class Job:
    """A job in the queue, at work or ended.

    Attributes:
        state: in SLURM's words; empty once the queue no longer has it.
    """

    folder: Path
    number: str
    state: str = "PENDING"
    reason: str = ""
    ended: str = ""
    _asked: float = float("-inf")
    _absences: int = 0
    _before: bytes | None = None

    def poll(self) -> int | None:
        """See `Processes`. A shared disk may show the end of a job later than the queue does."""
        done = (self.folder / DONE).exists()
        if time.monotonic() - self._asked < (1.0 if done else SECONDS_BETWEEN_QUESTIONS):
            return None
        self._asked = time.monotonic()
        self.state, self.reason = _in_queue(self.number)
        if self.state not in ("", "RUNNING"):
            self._before = self._progress()
        self._absences = 0 if self.state else self._absences + 1
        if self._absences < (1 if done else 2):
            return None
        if not done:
            self.ended = f"SLURM job {self.number} {_how(self.number)}"
        return 0 if done else 1

    def describe(self) -> str:
        """See `Processes`. While it runs, its processes report nothing until all of them have
        loaded."""
        silent = self.state == "RUNNING" and self._progress() == self._before
        if self.ended or not self.state or (self.state == "RUNNING" and not silent):
            return self.ended
        why = f", {self.reason}" if self.reason not in ("", "None") else ""
        return f"SLURM job {self.number} is {self.state}{why}"

    def cause(self) -> str:
        """See `Processes`."""
        return self.ended if any(words in self.ended for words in ENDS.values()) else ""

    def _progress(self) -> bytes | None:
        """The last report of its processes."""
        with suppress(OSError):
            return (self.folder / PROGRESS).read_bytes()
        return None

    def stop(self) -> None:
        """See `Processes`. What all its processes have written goes to the step's log."""
        logs = self.folder.glob(f"{self.number}_*_log.*")
        for log in sorted(logs, key=lambda path: int(path.name.split("_")[1])):
            logger.info("%s\n%s", log.name, log.read_text(encoding="utf-8", errors="replace"))
        if self.state:
            _ask("scancel", self.number)
            _keep(self.folder, self.number, cancelled=True)

    def leave(self) -> None:
        """See `Processes`. A job goes on, and the next run finds it."""


def _expect_ours(folder: Path, number: str) -> None:
    """Refuse to work for a study that was killed before it had noted this job, and knows nothing
    of it: it may have submitted another."""
    end = time.monotonic() + SECONDS_TO_BE_KNOWN
    while not (folder / JOB).exists() and time.monotonic() < end:
        time.sleep(1)
    actual = (_read_kept(folder) or {"number": "none"})["number"]
    if actual != number:
        raise IkusiError(f"{folder}: expected job {number} at work here, found {actual}")


def _port(path: Path, *, first: bool) -> int:
    """The port where the processes of an attempt meet: the first one finds it and writes it down
    for the others."""
    if first:
        artifact.write_json(path, ranks.find_free_port())
    end = time.monotonic() + SECONDS_TO_BE_KNOWN
    while not path.exists():
        if time.monotonic() > end:
            raise IkusiError(f"{path}: expected a port from the first process, found none")
        time.sleep(0.2)
    return int(path.read_text(encoding="utf-8"))


def start(task: Task) -> Job:
    """Submit a task as a job, or find the job that does it already.

    Raises:
        InputError: there is no SLURM, or it refuses what the recipe asks for.
    """
    kept = _read_kept(task.folder)
    if kept and task.is_saved() and ((task.folder / DONE).exists() or _in_queue(kept["number"])[0]):
        logger.info("SLURM job %s is at it already", kept["number"])
        return Job(task.folder, kept["number"])
    task.save()
    number = _submit(task, Slurm.model_validate(task.compute["slurm"]))
    _keep(task.folder, number)
    logger.info("SLURM job %s: %s", number, task.folder)
    return Job(task.folder, number)


def settle(task: Task) -> None:
    """End the job of this folder if it has another task or was cancelled, as its output is redone.

    Raises:
        IkusiError: it does not end.
    """
    kept = _read_kept(task.folder)
    if kept is None or (task.is_saved() and not kept["cancelled"]):
        return
    number, end = kept["number"], time.monotonic() + SECONDS_TO_END
    if _in_queue(number)[0]:
        _ask("scancel", number)
    while _in_queue(number)[0]:
        if time.monotonic() > end:
            raise IkusiError(f"SLURM job {number}: expected to end when cancelled, found it there")
        time.sleep(1)
    (task.folder / JOB).unlink()


def _read_kept(folder: Path) -> dict[str, Any] | None:
    """The record of the job that was last at work in a folder; None where there is none."""
    path = folder / JOB
    if not path.exists():
        return None
    known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return known


def _keep(folder: Path, number: str, *, cancelled: bool = False) -> None:
    artifact.write_json(folder / JOB, {"number": number, "cancelled": cancelled})


def _submit(task: Task, asked: Slurm) -> str:
    """Hand a task to SLURM; returns the job's number."""
    import submitit
    from submitit.core.utils import FailedJobError
    from submitit.helpers import clean_env

    missing = [name for name in COMMANDS if shutil.which(name) is None]
    if missing:
        raise InputError(f"compute.slurm: expected its commands on the PATH, found no {missing[0]}")
    executor = submitit.SlurmExecutor(task.folder, max_num_timeout=MOST_TIMEOUTS)
    # Not `update_parameters`, which reads memory as a number of gigabytes.
    executor.parameters.update(_parameters(task, asked))
    inside = "SLURM_JOB_ID" in os.environ  # a study that is a job itself has SLURM's variables
    try:
        with clean_env() if inside else nullcontext():
            return str(executor.submit(Rank(str(task.folder.absolute()))).job_id)
    except FailedJobError as error:
        raise InputError(f"compute.slurm: sbatch: {' '.join(str(error).split())}") from error


def _parameters(task: Task, asked: Slurm) -> dict[str, Any]:
    """Parameters that submitit writes into the job's script; None leaves an option out."""
    shared = "processes" in task.compute
    processes = task.compute["processes"] if shared else 1
    options = {"requeue": True, **asked.options}
    return {
        "job_name": f"ikusi-{task.folder.name}",
        "time": asked.minutes,
        "nodes": asked.nodes if shared else 1,
        "ntasks_per_node": processes,
        "gpus_per_node": processes if asked.gpus else None,
        "partition": asked.partition,
        "account": asked.account,
        "cpus_per_task": asked.cpus_per_task,
        "mem": asked.mem,
        # The environment of the study's own process, as it is on the CPU.
        "setup": [f"unset {' '.join(CLAIMED)}", *asked.setup],
        "stderr_to_stdout": True,
        "wckey": None,
        "srun_args": ["--kill-on-bad-exit=1"],
        "additional_parameters": {n: value for n, value in options.items() if value is not False},
    }


def _in_queue(number: str) -> tuple[str, str]:
    """A job's state in SLURM's words, and why; two empty words once it has ended."""
    answer = _ask("squeue", "--noheader", "--format=%T %r", "--jobs", number)
    if answer.returncode and "Invalid job id" not in answer.stderr:
        return "UNKNOWN", " ".join(answer.stderr.split())
    state, _, reason = answer.stdout.strip().partition(" ")
    return state, reason


def _how(number: str) -> str:
    """The way a job ended, in words, as far as SLURM still knows it."""
    answer = _ask("scontrol", "--oneliner", "show", "job", number).stdout
    match = re.search(r"JobState=(\S+) Reason=(\S+)", answer)
    state, reason = (match[1], match[2]) if match else ("", "")
    if state in ENDS:
        return ENDS[state] + (_by_whom(number) if state == "CANCELLED" else "")
    return f"ended as {state} ({reason})" if state else "ended, and SLURM no longer knows how"


def _by_whom(number: str) -> str:
    """The user who cancelled a job, as ` by NAME`; empty where the cluster keeps no accounts."""
    if shutil.which("sacct") is None:
        return ""
    asked = ("--noheader", "--parsable2", "--allocations", "--format=State", "--jobs", number)
    match = re.search(r"CANCELLED by (\d+)", _ask("sacct", *asked).stdout)
    try:
        return f" by {pwd.getpwuid(int(match[1])).pw_name}" if match else ""
    except KeyError:
        return f" by user {match[1]}" if match else ""


def _ask(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise InputError(f"{command[0]}: expected SLURM's command, found none") from error
