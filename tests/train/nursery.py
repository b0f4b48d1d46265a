"""Trainings in new processes that need not import everything again.

A process imports all that a training needs, once, and then forks the processes of each training
that is asked for. They are as torchrun would start them: the same environment, nothing shared.

    python nursery.py    reads lines of JSON from standard input: {"settings": PATH, "processes": N}
                         answers each with a line: the processes' exit codes and what they wrote
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]


class Nursery:
    """A process that forks trainings, for a whole test file."""

    def __init__(self) -> None:
        paths = os.pathsep.join([str(TESTS), *sys.path])
        settings = {"PYTHONPATH": paths, "DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **settings},
        )

    def train(self, settings: Path, processes: int) -> tuple[list[int], str]:
        """Train as `rank.py SETTINGS` does; returns exit codes and what the processes wrote."""
        assert self._process.stdin and self._process.stdout
        print(
            json.dumps({"settings": str(settings), "processes": processes}),
            file=self._process.stdin,
        )
        self._process.stdin.flush()
        told = json.loads(self._process.stdout.readline())
        return told["codes"], told["wrote"]

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=60)


def serve() -> None:
    """Answer one training after the other."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints is no answer
    _import_all()
    for line in sys.stdin:
        print(json.dumps(_run(**json.loads(line))), file=answers, flush=True)


def _import_all() -> None:
    """Import all that a training needs; no thread may be started, or a fork would lack it."""
    import deepspeed.ops
    import torch
    from transformers import (  # noqa: F401
        CLIPVisionModel,
        LlamaForCausalLM,
        LlavaForConditionalGeneration,
    )

    import train.rank  # noqa: F401

    torch.set_num_threads(1)
    # Two minutes of compiling for sums in shared memory, which gloo does as well.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False


def _run(settings: str, processes: int) -> dict[str, Any]:
    with tempfile.TemporaryFile("w+") as wrote, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        ranks = [
            _fork(settings, rank, processes, port, wrote.fileno()) for rank in range(processes)
        ]
        codes = _wait(ranks)
        wrote.seek(0)
        return {"codes": codes, "wrote": wrote.read()}


def _fork(settings: str, rank: int, processes: int, port: int, wrote: int) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.dup2(wrote, 1)
        os.dup2(wrote, 2)
        if processes > 1:
            os.environ |= {
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": str(processes),
                "LOCAL_WORLD_SIZE": str(processes),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
            }
        from train import rank as training

        training.main(Path(settings))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(ranks: list[int]) -> list[int]:
    """Exit codes; one that fails ends the others, as torchrun would."""
    codes: dict[int, int] = {}
    while len(codes) < len(ranks):
        child, status = os.wait()
        codes[child] = os.waitstatus_to_exitcode(status)
        if codes[child]:
            for other in set(ranks) - set(codes):
                os.kill(other, signal.SIGKILL)
    return [codes[child] for child in ranks]


if __name__ == "__main__":
    serve()
