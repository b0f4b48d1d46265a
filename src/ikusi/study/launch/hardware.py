"""The processors that a process of a study may use, claimed before torch is imported."""

import os
import re
from pathlib import Path

# The environment of a process on the CPU before torch is imported.
CLAIMED = {
    "DS_ACCELERATOR": "cpu",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


def list_accelerators(devices: Path = Path("/dev")) -> list[str]:
    """The NVIDIA GPUs this machine, or its job queue, lets us use; found without torch."""
    allotted = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allotted is not None:
        return [name for name in allotted.split(",") if name and name != "-1"]
    matches = (re.fullmatch(r"nvidia(\d+)", path.name) for path in devices.glob("nvidia*"))
    return [str(number) for number in sorted(int(match[1]) for match in matches if match)]


def claim_hardware(gpus: str | None) -> None:
    """Before torch is imported: one thread a process on the CPU, one GPU a process otherwise.

    One thread always, not cores / workers: the sum of a matrix product depends on how threads
    split it, and a study must not depend on the number of workers.
    """
    os.environ.update(TOKENIZERS_PARALLELISM="false")
    if gpus is not None:
        os.environ.update(CUDA_VISIBLE_DEVICES=gpus)
    else:
        os.environ.update(CLAIMED)
