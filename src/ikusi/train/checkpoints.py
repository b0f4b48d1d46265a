"""Checkpoints from which a killed stage goes on: written aside, flushed, renamed; never pickled.

`resume/step-00000120/` holds `tensors-00000.safetensors` and more, as needed (every weight that
learns under its name, and what the optimiser keeps for it under `NAME//exp_avg` and the like),
`random-00000.safetensors` for each process, and `state.json` (step, schedule, counts, the names of
all files). Nothing in it depends on how many processes wrote it, or on how they divided the model.
"""

from __future__ import annotations

import json
import logging
import random
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ikusi import disk
from ikusi.errors import IkusiError, InputError
from ikusi.model import sharing
from ikusi.train.divisions import Division
from ikusi.train.parallel import Place, meet

logger = logging.getLogger(__name__)

STATE = "state.json"
SHARD_BYTES = 2 << 30
MOMENT = "//"  # between a weight's name and that of a moment of it


def locate(folder: Path, step: int) -> Path:
    """The folder of the checkpoint after `step` steps."""
    return folder / f"step-{step:08d}"


def save(
    path: Path,
    weights: Mapping[str, nn.Parameter],
    division: Division,
    schedule: Any,
    state: Mapping[str, Any],
    place: Place,
) -> None:
    """Write a checkpoint, and only then remove the older ones beside it.

    Every process must call it; the first one writes what all share.

    Args:
        weights: what learns, by name.
        state: anything else to go on from, as JSON.

    Raises:
        IkusiError: it could not be written, as on a full disk; what was there before stays.
    """
    staging = path.with_suffix(".partial")
    if place.first:
        shutil.rmtree(staging, ignore_errors=True)
        disk.make_folder(path.parent)
        staging.mkdir()
    meet()
    try:
        files = _write_tensors(staging, weights, division, place.first)
        _write_random(staging, place.process)
        meet()
        if place.first:
            content = {"tensors": files, "scheduler": schedule.state_dict(), **state}
            (staging / STATE).write_text(json.dumps(content), encoding="utf-8")
            sharing.share_weights(staging)
            _promote(staging, path)
    except (OSError, safetensors.SafetensorError) as error:
        shutil.rmtree(staging, ignore_errors=True)
        kept = find_latest(path.parent)
        whole = f"the last whole one is {kept.name if kept else 'none'}"
        if line := disk.describe_fault(error, path):
            raise InputError(f"{line}; of the checkpoints, {whole}") from error
        raise IkusiError(
            f"{path}: expected to write the checkpoint, found {error}; {whole}"
        ) from error
    meet()


def _promote(staging: Path, path: Path) -> None:
    disk.flush_tree(staging)
    shutil.rmtree(path, ignore_errors=True)
    disk.move(staging, path)
    for other in path.parent.glob("step-*"):
        if other != path:
            shutil.rmtree(other, ignore_errors=True)


def find_latest(folder: Path) -> Path | None:
    """The last checkpoint that can be read whole; None where there is none."""
    for path in sorted(folder.glob("step-*[0-9]"), reverse=True):
        try:
            for name in (*read_state(path)["tensors"], _random_name(0)):
                with safetensors.safe_open(path / name, "pt"):
                    pass
        except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
            logger.warning("%s: damaged, not resumed from: %s", path, error)
        else:
            return path
    return None


def find(folder: Path, identity: str) -> Path | None:
    """The last checkpoint of a training, by its identity; None where it must start afresh."""
    path = find_latest(folder)
    if path and read_state(path)["identity"] != identity:
        logger.warning("%s: of other settings or data; starting afresh", path)
        return None
    if path:
        logger.info("going on from %s", path)
    return path


def read_state(path: Path) -> dict[str, Any]:
    """The `state` that `save` was given, and more."""
    state: dict[str, Any] = json.loads((path / STATE).read_text(encoding="utf-8"))
    return state


def load(
    path: Path, weights: Mapping[str, nn.Parameter], division: Division, schedule: Any
) -> None:
    """Put weights, optimiser and schedule back to where they were.

    Raises:
        ValueError: the checkpoint has other weights, by name.
    """
    kept = {name for name in _names(path) if MOMENT not in name}
    if kept != weights.keys():
        raise ValueError(f"{path}: expected the weights {sorted(weights)}, found {sorted(kept)}")
    moments: dict[nn.Parameter, dict[str, Tensor]] = {}
    for name, tensor in _tensors(path):
        weight, _, moment = name.partition(MOMENT)
        if moment:
            moments.setdefault(weights[weight], {})[moment] = tensor
        else:
            division.set_weight(weights[weight], tensor)
    division.set_moments(moments)
    schedule.load_state_dict(read_state(path)["scheduler"])
    rates = schedule.get_last_lr()
    for group, rate in zip(division.optimizer.param_groups, rates, strict=True):
        group["lr"] = rate


def load_random(path: Path, process: int = 0) -> None:
    """Put the random generators of Python, NumPy and torch back to where they were.

    A process that the checkpoint does not know takes the state of one that it knows.
    """
    known = len(list(path.glob(_random_name("*"))))
    file = path / _random_name(process % known)
    generators = load_file(file)
    with safetensors.safe_open(file, "pt") as opened:
        kept = json.loads(opened.metadata()["numbers"])
    version, internal, gauss = kept["python"]
    random.setstate((version, tuple(internal), gauss))
    name, position, has_gauss, cached = kept["numpy"]
    np.random.set_state((name, generators["numpy"].numpy(), position, has_gauss, cached))
    torch.set_rng_state(generators["torch"])
    if "cuda" in generators and torch.cuda.is_available():
        torch.cuda.set_rng_state(generators["cuda"])


def _write_tensors(
    folder: Path, weights: Mapping[str, nn.Parameter], division: Division, writes: bool
) -> list[str]:
    """Write weights and moments a few gigabytes at a time, so that one process never holds all
    that others hold; returns the names of the files."""
    files: list[str] = []
    held: dict[str, Tensor] = {}

    def write() -> None:
        files.append(f"tensors-{len(files):05d}.safetensors")
        save_file(held, folder / files[-1])
        held.clear()

    for name, tensor in _whole(weights, division):
        if not writes:
            continue
        held[name] = _plain(tensor)
        if sum(t.nbytes for t in held.values()) > SHARD_BYTES:
            write()
    if held:
        write()
    return files


def _whole(weights: Mapping[str, nn.Parameter], division: Division) -> Iterator[tuple[str, Tensor]]:
    for name, parameter in weights.items():
        yield name, division.weight(parameter)
        for moment, value in division.moments(parameter).items():
            yield f"{name}{MOMENT}{moment}", value


def _names(path: Path) -> Iterator[str]:
    for file in read_state(path)["tensors"]:
        with safetensors.safe_open(path / file, "pt") as opened:
            yield from opened.keys()


def _tensors(path: Path) -> Iterator[tuple[str, Tensor]]:
    for file in read_state(path)["tensors"]:
        with safetensors.safe_open(path / file, "pt") as opened:
            yield from ((name, opened.get_tensor(name)) for name in sorted(opened.keys()))


def _write_random(folder: Path, process: int) -> None:
    name, keys, position, has_gauss, cached = np.random.get_state()
    generators = {"torch": torch.get_rng_state(), "numpy": torch.from_numpy(np.asarray(keys))}
    if torch.cuda.is_available():
        generators["cuda"] = torch.cuda.get_rng_state()
    numbers = {"python": random.getstate(), "numpy": [name, position, has_gauss, cached]}
    metadata = {"numbers": json.dumps(numbers)}
    save_file(generators, folder / _random_name(process), metadata)


def _random_name(process: int | str) -> str:
    return f"random-{process:05d}.safetensors" if process != "*" else "random-*.safetensors"


def _plain(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous()
