"""A study in the processes of a torchrun that runs Ikusi itself, on two machines.

Both are this one: two of torchrun's agents take it for a machine each.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from study import together

TESTS = Path(__file__).parents[1]
STUDY = """
import json, sys
from pathlib import Path
from ikusi import study
from ikusi.study import torchrun
from ikusi.study.graph import Step

if __name__ == "__main__":
    folder, settings = Path(sys.argv[1]), json.loads(sys.argv[2])
    shared = {"processes": 1, "parallel": "ddp"}
    steps = [
        Step("align/a", "train.rank:step", (), settings, compute=shared, resumes=True),
        Step("align/b", "train.rank:count", (), {}, compute=shared),
    ]
    outcome = torchrun.led(lambda: study.run_steps(steps, folder, "auto"))
    print("followed" if outcome is None else outcome.told())
    sys.exit(outcome.exit_code if outcome else 0)
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def agent(port: int, *command: str) -> subprocess.Popen[str]:
    """A machine's torchrun, as one starts it by hand."""
    whole = [
        *(sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc_per_node", "1"),
        *("--rdzv_backend", "c10d", "--rdzv_endpoint", f"localhost:{port}", "--rdzv_id", "study"),
        *("--local_addr", "127.0.0.1", *command),
    ]
    paths = os.pathsep.join([str(TESTS), *sys.path])
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        whole, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_two_machines_train_as_one_process_does(tmp_path: Path, undisturbed: Path) -> None:
    script = tmp_path / "run_study.py"
    script.write_text(STUDY)
    folder, port = tmp_path / "study", free_port()
    told = [str(script), str(folder), json.dumps(together.SETTINGS)]
    agents = [agent(port, *told) for _ in range(2)]
    outputs = [each.communicate(timeout=240)[0] for each in agents]
    assert [each.returncode for each in agents] == [0, 0], "\n".join(outputs)
    assert sum("followed" in output for output in outputs) == 1
    assert sum("done: 2 of 2 steps made" in output for output in outputs) == 1
    together.assert_same_training(folder / "align/a", undisturbed)
    assert (folder / "align/b" / "processes").read_text() == "2"
