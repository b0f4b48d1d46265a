"""Steps as jobs of a SLURM cluster, where a real one (`test_real_slurm.py`) cannot show it:
`cluster.py` stands in for it, all else is real."""

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ikusi import artifact, study
from ikusi.errors import IkusiError, InputError
from ikusi.recipe import Compute
from ikusi.study.graph import Step
from ikusi.study.launch import ranks, slurm
from ikusi.study.launch.ranks import Task

HERE = Path(__file__).parent

PLACES = '''
from pathlib import Path
from ikusi.study.context import Context
from ikusi.yamlfile import Section


class Nothing(Section):
    pass


def wait(output: Path, context: Context, settings: Nothing) -> None:
    """Wait for a file beside the study."""
    import time
    while not (context.study.root.parent / "go").exists():
        time.sleep(0.05)
    (output / "waited").touch()
'''


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The cluster's folder; its commands come first on the PATH, and no job outlives the test."""
    home, commands, modules = (tmp_path / name for name in ("cluster", "bin", "modules"))
    for folder in (home, commands, modules):
        folder.mkdir()
    for name in slurm.COMMANDS:
        script = f'#!/bin/sh\nexec {sys.executable} {HERE / "cluster.py"} {name} "$@"\n'
        (commands / name).write_text(script)
        (commands / name).chmod(0o755)
    (modules / "places.py").write_text(PLACES)
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CLUSTER", str(home))
    paths = [str(modules), str(HERE.parents[1]), *sys.path]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.setattr(slurm, "SECONDS_BETWEEN_QUESTIONS", 0.2)
    yield home
    for job in home.glob("job-*"):
        (job / "cancelled").touch()
    wait_for(lambda: all(state(job) not in ("PENDING", "RUNNING") for job in home.glob("job-*")))


def state(job: Path) -> str:
    return (job / "state").read_text()


def wait_for(happened: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def compute(processes: int | None = 1, **asked: Any) -> dict[str, Any]:
    given = {"gpus": False, "minutes": 30, **asked}
    told = Compute.model_validate({"processes": processes or 1, "slurm": given})
    return told.model_dump(mode="json", exclude=set() if processes else {"processes"})


def task(tmp_path: Path, function: str, settings: dict[str, Any], runs_on: dict[str, Any]) -> Task:
    output = tmp_path / "study" / "step.partial"
    output.mkdir(parents=True, exist_ok=True)
    folder = tmp_path / "study" / "jobs" / "step"
    return Task(folder, function, settings, runs_on, output, tmp_path / "study", "print")


@pytest.mark.slow
def test_what_sbatch_refuses_is_told(cluster: Path, tmp_path: Path) -> None:
    step = Step("align/a", "places:wait", compute=compute(partition="nowhere"), resumes=True)
    outcome = study.run_steps([step], tmp_path / "study", "auto")
    assert outcome.exit_code == 3
    told = outcome.states["align/a"].message
    assert told.startswith("compute.slurm: sbatch:")
    assert "invalid partition specified: nowhere" in told


def test_a_study_that_was_killed_finds_its_job_again(cluster: Path, tmp_path: Path) -> None:
    """So nothing is submitted twice, whether the job is still at work or done by then."""
    known = task(tmp_path, "places:wait", {}, compute())
    first = slurm.start(known)
    wait_for(lambda: state(cluster / "job-1") == "RUNNING")
    assert slurm.start(known).number == first.number
    (tmp_path / "go").touch()
    wait_for(lambda: state(cluster / "job-1") == "COMPLETED")
    ranks.run(known, slurm.start, lambda report: None)
    assert (known.output / "waited").exists()
    assert [job.name for job in cluster.glob("job-*")] == ["job-1"]


def test_a_study_that_is_stopped_cancels_its_job(cluster: Path, tmp_path: Path) -> None:
    (cluster / "hold").touch()
    known = task(tmp_path, "places:wait", {}, compute())

    def stop(report: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ranks.run(known, slurm.start, stop)
    slurm.settle(known)
    assert state(cluster / "job-1") == "CANCELLED"
    assert not (known.folder / slurm.JOB).exists()


@pytest.mark.slow
def test_a_job_at_another_task_is_cancelled_first(cluster: Path, tmp_path: Path) -> None:
    (cluster / "hold").touch()
    slurm.start(task(tmp_path, "places:wait", {}, compute()))
    other = task(tmp_path, "places:wait", {"more": 1}, compute())
    slurm.settle(other)
    assert state(cluster / "job-1") == "CANCELLED"
    assert slurm.start(other).number == "2"


def test_a_job_that_its_study_does_not_know_of_writes_nothing(
    cluster: Path, tmp_path: Path
) -> None:
    """As where the study was killed between submitting it and noting its number."""
    (cluster / "hold").touch()
    (tmp_path / "go").touch()
    known = task(tmp_path, "places:wait", {}, compute())
    job = slurm.start(known)
    artifact.write_json(known.folder / slurm.JOB, {"number": "7", "cancelled": False})
    (cluster / "hold").unlink()
    wait_for(lambda: state(cluster / "job-1") == "FAILED")
    wait_for(lambda: job.poll() == 1)
    assert job.describe() == "SLURM job 1 ended as FAILED (None)"
    assert not (known.output / "waited").exists()


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("CANCELLED", "was cancelled"),
        ("TIMEOUT", "took all its time"),
        ("PREEMPTED", "had to leave its place"),
        ("NODE_FAIL", "lost a machine"),
        ("OUT_OF_MEMORY", "needed more memory"),
    ],
)
def test_what_ended_a_job_from_outside_is_its_failure(
    cluster: Path, tmp_path: Path, state: str, words: str
) -> None:
    """Whatever its processes say: they fail when another is gone."""
    (cluster / "hold").touch()
    known = task(tmp_path, "places:wait", {}, compute())

    def end(report: Any) -> None:
        ranks.write_failure(known.folder, RuntimeError("connection reset"))
        (cluster / "job-1" / "state").write_text(state)

    with pytest.raises(IkusiError, match=f"SLURM job 1 {words}"):
        ranks.run(known, slurm.start, end)


def test_who_cancelled_a_job_is_told_where_accounts_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, answer in (
        ("scontrol", "JobState=CANCELLED Reason=None"),
        ("sacct", "CANCELLED by 0"),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{answer}'\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert slurm._how("1") == "was cancelled by root"


def test_the_script_asks_for_what_the_recipe_says(cluster: Path, tmp_path: Path) -> None:
    (cluster / "hold").touch()
    options = {"qos": "high", "exclusive": True, "requeue": False}
    asked = compute(4, nodes=2, gpus=True, account="a", partition="gpu", mem="9G", options=options)
    slurm.start(task(tmp_path, "places:wait", {}, asked))
    script = (cluster / "job-1" / "script.sh").read_text()
    told = dict(re.findall(r"^#SBATCH --([\w-]+)=?(.*)$", script, re.MULTILINE))
    assert told["nodes"] == "2" and told["ntasks-per-node"] == told["gpus-per-node"] == "4"
    assert (told["time"], told["mem"], told["signal"]) == ("30", "9G", "USR2@90")
    assert (told["account"], told["partition"], told["qos"]) == ("a", "gpu", "high")
    assert told["exclusive"] == "" and "requeue" not in told and "wckey" not in told


def test_without_slurm_its_absence_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"compute.slurm: expected its commands .* no sbatch"):
        slurm.start(task(tmp_path, "places:wait", {}, compute()))


def test_a_job_is_asked_for_more_time_than_it_is_warned_before_its_end() -> None:
    """Else it is told to leave before it can hear that, and dies of it."""
    assert compute(minutes=3)
    with pytest.raises(ValueError, match="minutes"):
        compute(minutes=2)
