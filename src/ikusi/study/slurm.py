"""A step of a study as a job of a SLURM cluster, by submitit.

The study's folder must be on a disk that all machines see. A job is known by `job.json` beside its
task, so a study that was killed finds its jobs again, still at work or done.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ikusi import artifact
from ikusi.errors import IkusiError, InputError
from ikusi.recipe import Slurm
from ikusi.study import ranks
from ikusi.study.ranks import DONE, FAILURE, Task
from ikusi.study.worker import CLAIMED

logger = logging.getLogger(__name__)

JOB = "job.json"
SECONDS_BETWEEN_QUESTIONS = 15.0
SECONDS_TO_END = 120.0
MOST_TIMEOUTS = 1000  # how often a job that took all its time may queue again


@dataclass(frozen=True)
class Rank:
    """What each process of a job calls; pickled by submitit."""

    folder: str

    def __call__(self) -> None:
        """Find the others of the job, and do this process's share."""
        from submitit import JobEnvironment
        from submitit.helpers import TorchDistributedEnvironment

        job = JobEnvironment()
        if job.num_tasks > 1:
            TorchDistributedEnvironment().export(set_cuda_visible_devices=False, overwrite=True)
        if job.global_rank == 0:  # what an attempt told that was taken off its machines
            (Path(self.folder) / FAILURE).unlink(missing_ok=True)
        ranks.main(Path(self.folder))

    def checkpoint(self) -> Any:
        """Called when the job's time is over, or another takes its place: queue it once more."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


@dataclass
class Job:
    """A job in the queue or at work."""

    folder: Path
    number: str
    state: str = "PENDING"
    reason: str = ""
    _asked: float = float("-inf")
    _absences: int = 0

    def poll(self) -> int | None:
        """See `Processes`. A shared disk may show the end of a job later than the queue does."""
        done = (self.folder / DONE).exists()
        if time.monotonic() - self._asked < (1.0 if done else SECONDS_BETWEEN_QUESTIONS):
            return None
        self._asked = time.monotonic()
        self.state, self.reason = _in_queue(self.number)
        self._absences = 0 if self.state else self._absences + 1
        if self._absences < (1 if done else 2):
            return None
        return 0 if done else 1

    def told(self) -> str:
        """See `Processes`."""
        if not self.state:
            return f"SLURM job {self.number} ended{_how_it_ended(self.number)}, see {self.folder}"
        if self.state == "RUNNING":
            return ""
        return f"SLURM job {self.number} is {self.state}, {self.reason}"

    def stop(self) -> None:
        """See `Processes`. What the job has written goes to the step's log."""
        for log in sorted(self.folder.glob(f"{self.number}_0_log.*")):
            logger.info("%s\n%s", log.name, log.read_text(encoding="utf-8", errors="replace"))
        if self.state:
            _ask("scancel", self.number)


def start(task: Task) -> Job:
    """Submit a task as a job, or find the one that is at it already.

    Raises:
        InputError: there is no SLURM, or it refuses what the recipe asks for.
    """
    if shutil.which("sbatch") is None:
        raise InputError("compute.slurm: expected SLURM's commands on the PATH, found no sbatch")
    kept = _kept(task.folder)
    if kept and task.is_told() and ((task.folder / DONE).exists() or _in_queue(kept)[0]):
        logger.info("SLURM job %s is at it already", kept)
        return Job(task.folder, kept)
    task.tell()
    number = _submit(task, Slurm.model_validate(task.compute["slurm"]))
    artifact.write_json(task.folder / JOB, {"number": number})
    logger.info("SLURM job %s: %s", number, task.folder)
    return Job(task.folder, number)


def settle(task: Task) -> None:
    """End a job that is at another task in this folder, before its output is made anew."""
    kept = _kept(task.folder)
    if kept is None or task.is_told() or not _in_queue(kept)[0]:
        return
    _ask("scancel", kept)
    end = time.monotonic() + SECONDS_TO_END
    while _in_queue(kept)[0]:
        if time.monotonic() > end:
            raise IkusiError(f"SLURM job {kept}: expected to end when cancelled, found it at work")
        time.sleep(1)


def _kept(folder: Path) -> str | None:
    path = folder / JOB
    return json.loads(path.read_text(encoding="utf-8"))["number"] if path.exists() else None


def _submit(task: Task, asked: Slurm) -> str:
    import submitit
    from submitit.core.utils import FailedJobError

    processes = task.compute.get("processes", 1)
    values = {
        "job_name": f"ikusi-{task.folder.name}",
        "time": asked.minutes,
        "nodes": asked.nodes if "processes" in task.compute else 1,
        "ntasks_per_node": processes,
        "gpus_per_node": processes if asked.gpus else None,
        "partition": asked.partition,
        "account": asked.account,
        "cpus_per_task": asked.cpus_per_task,
        "mem": asked.mem,
        "setup": [f"unset {' '.join(CLAIMED)}", *asked.setup],
        "stderr_to_stdout": True,
        "wckey": None,
        "srun_args": ["--kill-on-bad-exit=1"],
        "additional_parameters": {
            "requeue": True,
            **{name: value for name, value in asked.options.items() if value is not False},
        },
    }
    executor = submitit.SlurmExecutor(task.folder, max_num_timeout=MOST_TIMEOUTS)
    executor.parameters.update({name: v for name, v in values.items() if v is not None})
    try:
        return str(executor.submit(Rank(str(task.folder.absolute()))).job_id)
    except FailedJobError as error:
        raise InputError(f"compute.slurm: sbatch: {' '.join(str(error).split())}") from error


def _in_queue(number: str) -> tuple[str, str]:
    """A job's state in SLURM's words, and why; two empty words once it has ended."""
    told = _ask("squeue", "--noheader", "--format=%T %r", "--jobs", number)
    if told.returncode and "Invalid job id" not in told.stderr:
        return "UNKNOWN", " ".join(told.stderr.split())
    state, _, reason = told.stdout.strip().partition(" ")
    return state, reason


def _how_it_ended(number: str) -> str:
    """As far as SLURM still knows it."""
    told = _ask("scontrol", "--oneliner", "show", "job", number).stdout
    found = re.search(r"JobState=(\S+) Reason=(\S+)", told)
    return f" as {found[1]} ({found[2]})" if found else ""


def _ask(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)
