"""Helpers for training the miniature's towers: a schedule, and states from which to resume."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ikusi import disk

log = logging.getLogger(__name__)


def schedule(step: int, steps: int, warmup: int) -> float:
    """Share of the learning rate: linear warm-up, then cosine to zero."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Give all parameters one learning rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate


def save_state(folder: Path, model: nn.Module, optimiser: torch.optim.Optimizer, step: int) -> None:
    """Write weights, moments and step aside, then rename: the last good state always stands."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    for index, entry in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{key}": value for key, value in entry.items()}
    tensors["step"] = torch.tensor(step)
    tensors = {name: value.contiguous() for name, value in tensors.items()}
    with disk.replace_file(folder / "state.safetensors") as aside:
        save_file(tensors, aside)


def load_state(folder: Path, model: nn.Module, optimiser: torch.optim.Optimizer) -> int:
    """Restore what `save_state` wrote; returns the step to go on from, 0 where there is none."""
    path = folder / "state.safetensors"
    if not path.exists():
        return 0
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        log.warning("%s: damaged, starting afresh: %s", path, error)
        return 0
    step = int(tensors.pop("step"))
    model.load_state_dict(
        {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
    )
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        owner, _, rest = key.partition(".")
        if owner == "optimiser":
            index, name = rest.split(".")
            state.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict(optimiser.state_dict() | {"state": state})
    log.info("%s: going on from step %d", folder, step)
    return step
