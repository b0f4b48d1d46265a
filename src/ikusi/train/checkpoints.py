"""What a killed stage goes on from: written aside, flushed, renamed; never pickled.

`resume/step-00000120/`: `weights.safetensors` (what learns), `optimizer.safetensors`,
`random.safetensors`, `state.json` (settings of the optimiser, schedule, random state, counts) and
`trainer_state.json` (transformers' own: the place in the data).
"""

from __future__ import annotations

import json
import logging
import os
import random
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import TrainerState
from transformers.trainer import TRAINER_STATE_NAME

logger = logging.getLogger(__name__)

WEIGHTS, OPTIMIZER, RANDOM = "weights.safetensors", "optimizer.safetensors", "random.safetensors"
STATE = "state.json"


def path_of(folder: Path, step: int) -> Path:
    """Where the checkpoint after `step` steps is."""
    return folder / f"step-{step:08d}"


def save(
    path: Path,
    weights: Mapping[str, Tensor],
    optimizer: Any,
    scheduler: Any,
    trainer_state: TrainerState,
    state: Mapping[str, Any],
) -> None:
    """Write a checkpoint, and only then remove the older ones beside it.

    `state`: anything else to go on from, as JSON.
    """
    staging = path.with_suffix(".partial")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    save_file({name: _plain(tensor) for name, tensor in weights.items()}, staging / WEIGHTS)
    tensors, settings = _optimizer_state(optimizer)
    save_file(tensors, staging / OPTIMIZER)
    generators, numbers = _random_state()
    save_file(generators, staging / RANDOM)
    told = {
        "optimizer": settings,
        "scheduler": scheduler.state_dict(),
        "random": numbers,
        **state,
    }
    (staging / STATE).write_text(json.dumps(told), encoding="utf-8")
    trainer_state.save_to_json(str(staging / TRAINER_STATE_NAME))
    for file in (*staging.iterdir(), staging):
        _flush(file)
    shutil.rmtree(path, ignore_errors=True)
    os.rename(staging, path)
    _flush(path.parent)
    for other in path.parent.iterdir():
        if other != path:
            shutil.rmtree(other, ignore_errors=True)


def latest(folder: Path) -> Path | None:
    """The last checkpoint that can be read whole; None where there is none."""
    for path in sorted(folder.glob("step-*[0-9]"), reverse=True):
        try:
            state(path)
            for name in (WEIGHTS, OPTIMIZER, RANDOM):
                with safetensors.safe_open(path / name, "pt"):
                    pass
        except (OSError, ValueError, safetensors.SafetensorError) as error:
            logger.warning("%s: damaged, not resumed from: %s", path, error)
        else:
            return path
    return None


def state(path: Path) -> dict[str, Any]:
    """What `save` was given as `state`, and more."""
    found: dict[str, Any] = json.loads((path / STATE).read_text(encoding="utf-8"))
    return found


def load_weights(path: Path, weights: Mapping[str, nn.Parameter]) -> None:
    """Put the weights that learn in place, each by its name."""
    kept = load_file(path / WEIGHTS)
    if kept.keys() != weights.keys():
        raise ValueError(f"{path}: expected the weights {sorted(weights)}, found {sorted(kept)}")
    with torch.no_grad():
        for name, parameter in weights.items():
            parameter.copy_(kept[name])


def load_optimizer(path: Path, optimizer: Any, scheduler: Any) -> None:
    """Put the optimiser and the schedule back to where they were."""
    kept = state(path)
    states: dict[int, dict[str, Tensor]] = {}
    for key, tensor in load_file(path / OPTIMIZER).items():
        number, name = key.split(".", 1)
        states.setdefault(int(number), {})[name] = tensor
    optimizer.load_state_dict({"state": states, "param_groups": kept["optimizer"]})
    scheduler.load_state_dict(kept["scheduler"])


def load_random(path: Path) -> None:
    """Put the random generators of Python, NumPy and torch back to where they were."""
    kept = state(path)["random"]
    generators = load_file(path / RANDOM)
    version, internal, gauss = kept["python"]
    random.setstate((version, tuple(internal), gauss))
    name, position, has_gauss, cached = kept["numpy"]
    np.random.set_state((name, generators["numpy"].numpy(), position, has_gauss, cached))
    torch.set_rng_state(generators["torch"])
    for number in range(torch.cuda.device_count()):
        if f"cuda.{number}" in generators:
            torch.cuda.set_rng_state(generators[f"cuda.{number}"], number)


def _optimizer_state(optimizer: Any) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    whole = optimizer.state_dict()
    tensors = {
        f"{number}.{name}": _plain(value)
        for number, values in whole["state"].items()
        for name, value in values.items()
    }
    return tensors, whole["param_groups"]


def _random_state() -> tuple[dict[str, Tensor], dict[str, Any]]:
    name, keys, position, has_gauss, cached = np.random.get_state()
    generators = {"torch": torch.get_rng_state(), "numpy": torch.from_numpy(np.asarray(keys))}
    for number in range(torch.cuda.device_count()):
        generators[f"cuda.{number}"] = torch.cuda.get_rng_state(number)
    numbers = {"python": random.getstate(), "numpy": [name, position, has_gauss, cached]}
    return generators, numbers


def _plain(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous()


def _flush(path: Path) -> None:
    """Hand a file or folder to the disk: a rename must not outlive what it renames."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
