"""A study in the processes of a torchrun that runs Ikusi itself, on two machines.

Both are this one: two of torchrun's agents take it for a machine each.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import starting
import warm
from ikusi.study.launch.ranks import find_free_port

pytestmark = [pytest.mark.slow, pytest.mark.system]

STUDY = """
from __future__ import annotations
import json, os, sys
from pathlib import Path
from ikusi import study
from ikusi.study.graph import Step
from ikusi.study.launch import torchrun
from ikusi.yamlfile import Section


class Add(Section):
    number: int
    lost: bool = False


def add(output, context, settings: Add):
    \"\"\"Add up ranks and numbers; where a process is to be lost, it ends without a word.\"\"\"
    import torch
    import torch.distributed as dist

    dist.init_process_group("gloo")
    if settings.lost and dist.get_rank() == 1:
        os._exit(9)
    total = torch.tensor(dist.get_rank() + settings.number)
    dist.all_reduce(total)
    if dist.get_rank() == 0:
        sums = {"total": int(total), "processes": dist.get_world_size()}
        (output / "total.json").write_text(json.dumps(sums))


if __name__ == "__main__":
    folder, asked, shared = Path(sys.argv[1]), json.loads(sys.argv[2]), {"processes": 1}
    steps = [
        Step(f"align/{name}", "run_study:add", (), settings, compute=shared)
        for name, settings in asked.items()
    ]
    outcome = torchrun.lead(lambda: study.run_steps(steps, folder, "auto"))
    if outcome is None:
        print("followed")
    else:
        states = {name: [state.status, state.message] for name, state in outcome.states.items()}
        (folder / "states.json").write_text(json.dumps(states))
"""
WHOLE = {"whole": {"number": 10}}


def meeting(node: int, port: int, *command: str) -> warm.Command:
    """A machine's torchrun, as one starts it by hand, where the machines find their numbers."""
    place = ["--rdzv_backend", "c10d", "--rdzv_endpoint", f"localhost:{port}", "--rdzv_id", "a"]
    return started(*place, "--local_addr", "127.0.0.1", *command)


def numbered(node: int, port: int, *command: str) -> warm.Command:
    """The same where the machines are numbered, and the first one's address is given."""
    place = ["--master_addr", "127.0.0.1", "--master_port", str(port)]
    return started("--node_rank", str(node), *place, *command)


def started(*arguments: str) -> warm.Command:
    whole = ["-m", "torch.distributed.run", "--nnodes", "2", "--nproc_per_node", "1", *arguments]
    environment = os.environ | {"PYTHONPATH": starting.paths(), "OMP_NUM_THREADS": "1"}
    environment |= {"TMPDIR": os.environ["XDG_CACHE_HOME"]}  # where it leaves folders of its own
    return warm.Command(whole, environment)


Start = Callable[..., warm.Command]


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Start, Any], Path]:
    """Runs steps on two machines, which are started in a way; gives the study's folder."""
    script, folder = tmp_path / "run_study.py", tmp_path / "study"
    script.write_text(STUDY)
    monkeypatch.syspath_prepend(tmp_path)

    def run(start: Start, asked: dict[str, Any]) -> Path:
        port = find_free_port()
        agents = [
            start(node, port, str(script), str(folder), json.dumps(asked)) for node in range(2)
        ]
        outputs = ["".join(each.communicate(timeout=240)) for each in agents]
        assert [each.returncode for each in agents] == [0, 0], "\n".join(outputs)
        assert sum("followed" in output for output in outputs) == 1
        return folder

    return run


def assert_whole(folder: Path) -> None:
    """Both machines took part in the step that is whole."""
    states = json.loads((folder / "states.json").read_text())
    assert states["align/whole"] == ["done", ""]
    sums = json.loads((folder / "align/whole/total.json").read_text())
    assert sums == {"total": 21, "processes": 2}


def test_machines_that_are_numbered_work_together(study: Callable[[Start, Any], Path]) -> None:
    assert_whole(study(numbered, WHOLE))


def test_a_lost_process_costs_its_step_and_no_other(study: Callable[[Start, Any], Path]) -> None:
    folder = study(meeting, {"lost": {"number": 10, "lost": True}} | WHOLE)
    assert_whole(folder)
    status, message = json.loads((folder / "states.json").read_text())["align/lost"]
    assert status == "failed" and message and "left no message" not in message
