"""A study in the processes of a torchrun that runs Ikusi itself, on two machines.

Both are this one: two of torchrun's agents take it for a machine each.
"""

import json
import os
from pathlib import Path

import pytest

import starting
import warm
from ikusi.study.launch.ranks import find_free_port
from study.launch import together

pytestmark = pytest.mark.slow

STUDY = """
from __future__ import annotations
import json, sys
from pathlib import Path
from ikusi import study
from ikusi.study.launch import torchrun
from ikusi.study.graph import Step
if __name__ != "__main__":  # those that only share it need not load what it takes
    from train.rank import Given, step


def train(output, context, settings: Given):
    \"\"\"Train, and write down how many processes share it.\"\"\"
    import torch.distributed as dist

    step(output, context, settings)
    if dist.get_rank() == 0:
        (output / "processes").write_text(str(dist.get_world_size()))


if __name__ == "__main__":
    folder, settings = Path(sys.argv[1]), json.loads(sys.argv[2])
    shared = {"processes": 1, "parallel": "ddp"}
    steps = [Step("align/a", "run_study:train", (), settings, compute=shared, resumes=True)]
    outcome = torchrun.lead(lambda: study.run_steps(steps, folder, "auto"))
    print("followed" if outcome is None else outcome.describe())
    sys.exit(outcome.exit_code if outcome else 0)
"""

LOST = """
import json, os, sys
from pathlib import Path
from ikusi import study
from ikusi.study.launch import torchrun
from ikusi.study.graph import Step
from ikusi.yamlfile import Section


class Lost(Section):
    lost: bool


def world(output, context, settings: Lost):
    \"\"\"Each process tells its rank; where one is to be lost, it ends without a word.\"\"\"
    import torch.distributed as dist

    dist.init_process_group("gloo")
    if settings.lost and dist.get_rank() == 1:
        os._exit(9)
    told = [None] * dist.get_world_size()
    dist.all_gather_object(told, os.environ["RANK"])
    if dist.get_rank() == 0:
        (output / "told.json").write_text(json.dumps(told))


if __name__ == "__main__":
    folder, shared = Path(sys.argv[1]), {"processes": 1}
    steps = [
        Step("align/lost", "lost:world", (), {"lost": True}, compute=shared),
        Step("align/whole", "lost:world", (), {"lost": False}, compute=shared),
    ]
    outcome = torchrun.lead(lambda: study.run_steps(steps, folder, "auto"))
    if outcome is not None:
        states = {name: [state.status, state.message] for name, state in outcome.states.items()}
        (folder / "states.json").write_text(json.dumps(states))
"""


def agent(port: int, *command: str) -> warm.Command:
    """A machine's torchrun, as one starts it by hand."""
    meeting = ["--rdzv_backend", "c10d", "--rdzv_endpoint", f"localhost:{port}", "--rdzv_id", "a"]
    return started(*meeting, "--local_addr", "127.0.0.1", *command)


def numbered(node: int, port: int, *command: str) -> warm.Command:
    """The same where the machines are numbered, and the first one's address is given."""
    place = ["--master_addr", "127.0.0.1", "--master_port", str(port)]
    return started("--node_rank", str(node), *place, *command)


def started(*arguments: str) -> warm.Command:
    whole = ["-m", "torch.distributed.run", "--nnodes", "2", "--nproc_per_node", "1", *arguments]
    environment = os.environ | {"PYTHONPATH": starting.paths(), "OMP_NUM_THREADS": "1"}
    environment |= {"TMPDIR": os.environ["XDG_CACHE_HOME"]}  # where it leaves folders of its own
    return warm.Command(whole, environment)


def test_two_machines_train_as_one_process_does(
    tmp_path: Path, undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "run_study.py"
    script.write_text(STUDY)
    monkeypatch.syspath_prepend(tmp_path)
    folder, port = tmp_path / "study", find_free_port()
    told = [str(script), str(folder), json.dumps(together.SETTINGS)]
    agents = [agent(port, *told) for _ in range(2)]
    outputs = ["".join(each.communicate(timeout=240)) for each in agents]
    assert [each.returncode for each in agents] == [0, 0], "\n".join(outputs)
    assert sum("followed" in output for output in outputs) == 1
    assert sum("done: 1 of 1 steps made" in output for output in outputs) == 1
    together.assert_same_training(folder / "align/a", undisturbed)
    assert (folder / "align/a" / "processes").read_text() == "2"


def test_a_lost_process_costs_its_step_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "lost.py"
    script.write_text(LOST)
    monkeypatch.syspath_prepend(tmp_path)
    folder, port = tmp_path / "study", find_free_port()
    agents = [numbered(node, port, str(script), str(folder)) for node in range(2)]
    outputs = ["".join(each.communicate(timeout=240)) for each in agents]
    assert [each.returncode for each in agents] == [0, 0], "\n".join(outputs)
    states = json.loads((folder / "states.json").read_text())
    assert states["align/whole"] == ["done", ""]
    assert json.loads((folder / "align/whole" / "told.json").read_text()) == ["0", "1"]
    status, message = states["align/lost"]
    assert status == "failed" and message and "left no message" not in message
