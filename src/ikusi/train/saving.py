"""The checkpoint that a stage ends with, put together from however many processes trained it.

Whatever would keep it from being written is looked for before the first step (`try_out`): a night
of training must not end with what cannot be saved.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors
import torch
from torch import Tensor, nn
from transformers import GenerationConfig, PreTrainedModel

from ikusi import disk
from ikusi.errors import IkusiError, InputError
from ikusi.model import fusion
from ikusi.model.parts import check_finite
from ikusi.recipe.folder import CHECKPOINT
from ikusi.train import checkpoints, parallel
from ikusi.train.loop import Loop
from ikusi.train.lora import Adapters

ADAPTER = "adapter"
TOWER = "model.vision_tower."
SWITCHES = ("do_sample", "num_beams", "use_cache", "return_dict_in_generate")
"""Settings of generation that decide which others are used."""

logger = logging.getLogger(__name__)


def try_out(model: PreTrainedModel, processor: Any, output: Path) -> None:
    """Save all but the weights where the checkpoint will be written, and remove it again.

    Settings of generation that are never used, which transformers refuses to save, are unset in
    `model`: what it generates stays the same.

    Raises:
        InputError: it cannot be saved, or the disk has no room for the weights.
    """
    drop_unused(model.generation_config)
    staging = output / (CHECKPOINT + ".partial")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        fusion.save(make_shell(model, {}, model.dtype), processor, staging, weightless=True)
    except Exception as error:  # whatever a model's own code or a file system comes up with
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{output / CHECKPOINT}: expected a model that can be saved, found: {reason}"
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    need, free = count_parameters(model) * model.dtype.itemsize, shutil.disk_usage(output).free
    if need > free:
        raise InputError(
            f"{output / CHECKPOINT}: expected room for {need / 1e9:.2f} GB of weights, "
            f"found {free / 1e9:.2f} GB free"
        )


def drop_unused(settings: GenerationConfig | None) -> None:
    """Unset the settings of generation that others switch off, such as a temperature without
    sampling; what is generated stays the same."""
    if settings is None or _is_accepted(settings):
        return
    switches = {name: getattr(settings, name) for name in SWITCHES}
    for name, value in settings.to_diff_dict().items():
        if name in SWITCHES or _is_accepted(_with(**switches, **{name: value})):
            continue
        logger.warning("generation config: %s=%s is never used here; unset", name, value)
        setattr(settings, name, None)


def _with(**values: Any) -> GenerationConfig:
    settings = GenerationConfig()
    for name, value in values.items():
        setattr(settings, name, value)
    return settings


def _is_accepted(settings: GenerationConfig) -> bool:
    """Whether transformers saves these settings."""
    try:
        settings.validate(strict=True)
    except ValueError:
        return False
    return True


def write(
    loop: Loop,
    model: PreTrainedModel,
    processor: Any,
    tower: nn.Module | None,
    adapters: Adapters | None,
    dtype: torch.dtype,
    output: Path,
) -> None:
    """Write `output/checkpoint/` aside and rename it; every process must call it.

    Args:
        tower: the encoder that stood apart from the model, if one did.
        adapters: those in the model, if any: written to `output/adapter/`, and merged.
        dtype: of the checkpoint.

    Raises:
        IkusiError: it could not be written, as on a full disk; the trained weights stay in
            `output/resume/`, from which the same call writes it without a further step.
        InputError: a trained weight is not finite.
    """
    state = loop.whole_state()
    if loop.place.first:
        with _keep_in(loop.folder, output):
            _write(state, model, processor, tower, adapters, dtype, output)
    parallel.meet()


@contextmanager
def _keep_in(resume: Path, output: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, safetensors.SafetensorError) as error:
        kept = checkpoints.find_latest(resume)
        fault = disk.describe_fault(error, output / CHECKPOINT)
        raise (InputError if fault else IkusiError)(
            f"{output / CHECKPOINT}: expected to write the trained model, found {fault or error}; "
            f"the same command writes it from {resume.name}/{kept.name if kept else ''} and trains "
            "nothing again"
        ) from error


def _write(
    state: dict[str, Tensor],
    model: PreTrainedModel,
    processor: Any,
    tower: nn.Module | None,
    adapters: Adapters | None,
    dtype: torch.dtype,
    output: Path,
) -> None:
    if adapters:
        adapters.save(state, output / ADAPTER)
        disk.flush_tree(output / ADAPTER)
        state = adapters.merge(state)
    if tower is not None:
        state |= {TOWER + name: value.cpu() for name, value in tower.state_dict().items()}
    staging = output / (CHECKPOINT + ".partial")
    shutil.rmtree(staging, ignore_errors=True)
    made = make_shell(model, state, dtype)
    check_finite(output / CHECKPOINT, made)
    fusion.save(made, processor, staging)
    disk.flush_tree(staging)
    shutil.rmtree(output / CHECKPOINT, ignore_errors=True)
    disk.move(staging, output / CHECKPOINT)


def make_shell(
    model: PreTrainedModel, state: dict[str, Tensor], dtype: torch.dtype
) -> PreTrainedModel:
    """A model of the same kind with the weights of `state` (by name, each whole), in `dtype`.

    Weights that `state` lacks stay without values, on the device "meta".
    """
    with torch.device("meta"):
        made = type(model)(model.config)
    converted = {
        name: value.to(dtype) if value.is_floating_point() else value
        for name, value in state.items()
    }
    made.load_state_dict(converted, strict=False, assign=True)
    made.tie_weights()
    made.generation_config = model.generation_config
    made.config.dtype = dtype
    return made.eval()


def count_parameters(model: nn.Module) -> int:
    """Number of parameters of a model, wherever they are held."""
    return sum(parameter.numel() for parameter in model.parameters())
