"""A step in two processes, which torchrun starts."""

import json
import os
from pathlib import Path

import pytest

import starting
import warm
from ikusi import study
from ikusi.errors import InputError
from ikusi.study.graph import Step
from ikusi.study.launch import ranks
from ikusi.study.launch.ranks import Task

pytestmark = pytest.mark.slow

TOGETHER = '''
import atexit, json, time
import torch
import torch.distributed as dist
from pathlib import Path
from ikusi.errors import InputError
from ikusi.study.context import Context
from ikusi.yamlfile import Section


class Add(Section):
    number: int


class Nothing(Section):
    pass


def add(output: Path, context: Context, settings: Add) -> None:
    """Each process adds its rank and the number; the first one writes the sum."""
    dist.init_process_group("gloo")
    left = output / f"left-{dist.get_rank()}"
    atexit.register(lambda: left.write_text(str(dist.is_initialized())))
    total = torch.tensor(dist.get_rank() + settings.number)
    dist.all_reduce(total)
    context.progress(1.0, f"rank {dist.get_rank()} is done")
    if dist.get_rank() == 0:
        told = {"total": int(total), "processes": dist.get_world_size(), **context.compute}
        (output / "total.json").write_text(json.dumps(told))
    dist.barrier()


def refuse(output: Path, context: Context, settings: Nothing) -> None:
    """The second process refuses its input while the first one waits for it."""
    dist.init_process_group("gloo")
    if dist.get_rank() == 1:
        raise InputError("row-7: expected an answer, found none")
    dist.barrier()
'''


class Copy(warm.Command):
    """A process of a step, in a copy; see `ranks.Processes`."""

    def describe(self) -> str:
        return ""

    def cause(self) -> str:
        return ""

    def stop(self) -> None:
        self.kill()
        self.communicate()

    leave = stop


@pytest.fixture
def together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "together.py").write_text(TOGETHER)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", starting.paths(folder))
    return "together"


def test_processes_work_together_and_the_first_one_tells(
    together: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm.let_workers_be_copies(monkeypatch)
    compute = {"processes": 2, "parallel": "zero2"}
    step = Step("align/a", f"{together}:add", (), {"number": 10}, compute=compute)
    outcome = study.run_steps([step], tmp_path / "study", "auto")
    assert outcome.exit_code == 0
    told = json.loads((tmp_path / "study" / "align/a" / "total.json").read_text())
    assert told == {"total": 21, "processes": 2, "parallel": "zero2"}
    assert outcome.states["align/a"].note == "rank 0 is done"
    left = sorted((tmp_path / "study" / "align/a").glob("left-*"))
    assert [path.read_text() for path in left] == ["False", "False"], "a group is left at the end"


def test_a_task_file_that_lacks_a_setting_is_told_in_one_line(
    together: str, tmp_path: Path
) -> None:
    """By one process, which is started as torchrun starts each."""

    def start(task: Task) -> Copy:
        task.save()
        return Copy(["-m", "ikusi.study.launch.ranks", str(task.folder)], os.environ)

    jobs, output = tmp_path / "jobs", tmp_path / "output"
    task = Task(jobs, f"{together}:add", {}, {"processes": 2}, output, tmp_path, "print")
    with pytest.raises(InputError) as refused:
        ranks.run(task, start, print)
    told = f"{jobs / 'task.json'}: settings: number: expected a value, found nothing"
    assert str(refused.value) == told


def test_what_one_process_refuses_is_told_in_one_line(
    together: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm.let_workers_be_copies(monkeypatch)
    step = Step("align/a", f"{together}:refuse", compute={"processes": 2})
    outcome = study.run_steps([step], tmp_path / "study", 1)
    assert outcome.exit_code == 3
    assert outcome.states["align/a"].message == "row-7: expected an answer, found none"
