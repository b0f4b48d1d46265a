"""Steps as jobs of a real SLURM, which disturbs them in every way it has."""

import json
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import starting
from ikusi.errors import IkusiError
from ikusi.recipe import Compute
from ikusi.study.launch import ranks, slurm
from ikusi.study.launch.ranks import Task
from study.launch import daemons, together

pytestmark = [pytest.mark.slow, pytest.mark.system]

SECONDS = 240  # for a job to get somewhere, on a machine that is busy

# What each process tells, and a count that goes on where it was.
STEPS = """
import json, os, sys, time
from pathlib import Path
from ikusi.study.context import Context
from ikusi.yamlfile import Section


class Until(Section):
    until: int


class Nothing(Section):
    pass


def tell(output: Path, context: Context, settings: Nothing) -> None:
    import torch.distributed as dist
    dist.init_process_group("gloo")
    told = [None] * dist.get_world_size()
    names = ("RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "SLURM_NODEID", "SLURMD_NODENAME")
    dist.all_gather_object(told, {name: os.environ[name] for name in names})
    print("process", dist.get_rank(), "was here", file=sys.stderr)
    if dist.get_rank() == 0:
        (output / "told.json").write_text(json.dumps(told))
    dist.barrier()


def count(output: Path, context: Context, settings: Until) -> None:
    until = settings.until
    kept = output / "count"
    reached = int(kept.read_text()) if kept.exists() else 0
    while reached < until:
        reached += 1
        with (output / "ticks").open("a") as ticks:
            ticks.write(f"{reached}\\n")
        kept.with_suffix(".new").write_text(str(reached))
        kept.with_suffix(".new").rename(kept)
        context.progress(reached / until, f"at {reached}")
        time.sleep(0.25)
        while reached == until and not (context.study.root / "go").exists():
            time.sleep(0.1)
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The daemons; what they start finds the tests' modules."""
    if lacking := daemons.missing():
        pytest.skip(lacking)
    home = tmp_path_factory.mktemp("slurm")
    (home / "modules").mkdir()
    (home / "modules" / "disturbed.py").write_text(STEPS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", starting.paths(home / "modules"))
        patch.setattr(slurm, "SECONDS_BETWEEN_QUESTIONS", 0.5)
        try:
            with daemons.started(home / "daemons") as variables:
                for name, value in variables.items():
                    patch.setenv(name, value)
                yield
        except RuntimeError as error:
            pytest.skip(str(error))


class Running:
    """A task as a job, watched as a study's worker does."""

    def __init__(self, folder: Path, function: str, settings: dict[str, Any], **asked: Any) -> None:
        output = folder / "step.partial"
        output.mkdir(parents=True, exist_ok=True)
        told = {"gpus": False, "minutes": 30, **asked}
        compute = Compute.model_validate({"slurm": told}).model_dump(mode="json")
        where = folder / "jobs" / "step"
        self.task = Task(where, function, settings, compute, output, folder, "print")
        self.notes: list[str] = []
        self.error: IkusiError | None = None
        self.leaves = False
        self.watch()

    def watch(self) -> None:
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            ranks.run(self.task, slurm.start, self._send)
        except IkusiError as error:
            self.error = error
        except SystemExit:  # the study was told to leave
            pass

    def _send(self, report: Any) -> None:
        self.notes.append(report.note)
        if self.leaves:
            raise SystemExit

    def comes_to(self, pattern: str, after: int = 0) -> int:
        """Wait until it says this; how much it has said then."""
        found: Callable[[], bool] = lambda: any(re.search(pattern, n) for n in self.notes[after:])  # noqa: E731
        assert daemons.waited(found, SECONDS), (pattern, self.notes, self.error)
        return len(self.notes)

    @property
    def number(self) -> str:
        return str(json.loads((self.task.folder / slurm.JOB).read_text())["number"])

    def ended(self) -> None:
        self.thread.join(SECONDS)
        assert not self.thread.is_alive(), self.notes


def control(*words: str) -> None:
    subprocess.run(["scontrol", *words], check=True)


def node_of(number: str) -> str:
    asked = ["squeue", "--noheader", "--format=%N", "--jobs", number]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()


def more_time(running: Running, said: int) -> None:
    running.comes_to("PENDING", said)
    control("update", f"JobId={running.number}", "TimeLimit=30")


def test_a_training_that_is_disturbed_in_every_way_ends_the_same_to_the_bit(
    cluster: None, tmp_path: Path, undisturbed: Path
) -> None:
    """Beside it a job whose time is over, and one that is cancelled: they take as long together."""
    settings = together.SETTINGS | {"seconds": 1.0}
    training = Running(tmp_path / "training", "train.rank:step", settings)
    limited = Running(tmp_path / "limited", "disturbed:count", {"until": 40})
    cancelled = Running(tmp_path / "cancelled", "disturbed:count", {"until": 10_000})

    cancelled.comes_to("^at 1")
    lost = cancelled.number
    subprocess.run(["scancel", lost], check=True)
    said = limited.comes_to("^at 2")
    control("update", f"JobId={limited.number}", "TimeLimit=1")  # it is told 90 seconds before
    again = threading.Thread(target=more_time, args=(limited, said))
    again.start()

    said = training.comes_to("^step 1")
    assert any("is RUNNING" in note for note in training.notes[:said])
    lost_node = node_of(training.number)
    control("update", f"NodeName={lost_node}", "State=DOWN", "Reason=test")
    said = training.comes_to("PENDING", said)
    said = training.comes_to("^step", said)
    control("update", f"NodeName={lost_node}", "State=RESUME")

    training.leaves = True  # the study ends; its job goes on, and the next run finds it
    training.ended()
    training.leaves, number = False, training.number
    training.watch()
    said = training.comes_to("^step", said)
    assert training.number == number

    hog = ["sbatch", "--partition=high", "--exclusive", f"--nodelist={node_of(number)}"]
    subprocess.run([*hog, "--output=/dev/null", "--wrap", "sleep 1"], check=True)
    said = training.comes_to("PENDING", said)
    training.ended()
    assert training.error is None
    made, wanted = (
        folder / "checkpoint/model.safetensors" for folder in (training.task.output, undisturbed)
    )
    assert made.read_bytes() == wanted.read_bytes()
    assert (
        together.lines(training.task.output)[-1]["step"] == together.lines(undisturbed)[-1]["step"]
    )

    cancelled.ended()
    assert str(cancelled.error) == f"SLURM job {lost} was cancelled"
    again.join()
    (tmp_path / "limited" / "go").touch()
    limited.ended()
    assert limited.error is None and any("PENDING" in note for note in limited.notes)
    assert (limited.task.output / "ticks").read_text().split() == [str(n) for n in range(1, 41)]


def test_two_machines_know_their_places_and_keep_what_they_wrote(
    cluster: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        running = Running(tmp_path, "disturbed:tell", {}, nodes=2)
        running.ended()
    assert running.error is None, running.error
    places = json.loads((running.task.output / "told.json").read_text())
    assert [place["RANK"] for place in places] == ["0", "1"]
    assert [place["LOCAL_RANK"] for place in places] == ["0", "0"]
    assert [place["SLURMD_NODENAME"] for place in places] == list(daemons.NODES)
    assert all(f"process {rank} was here" in caplog.text for rank in (0, 1))
