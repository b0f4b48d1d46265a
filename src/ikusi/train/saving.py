"""The checkpoint that a stage ends with, put together from however many processes trained it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.integrations.deepspeed import unset_hf_deepspeed_config

from ikusi.model import fusion
from ikusi.train import parallel
from ikusi.train.lora import Adapters
from ikusi.train.trainer import StageTrainer

CHECKPOINT, ADAPTER = "checkpoint", "adapter"
TOWER = "model.vision_tower."


def write(
    trainer: StageTrainer,
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
    """
    state = trainer.whole_state()
    if trainer.args.process_index == 0:
        if adapters:
            adapters.save(state, output / ADAPTER)
            state = adapters.merged(state)
        if tower is not None:
            state |= {TOWER + name: value.cpu() for name, value in tower.state_dict().items()}
        staging = output / (CHECKPOINT + ".partial")
        shutil.rmtree(staging, ignore_errors=True)
        fusion.save(shell(model, state, dtype), processor, staging)
        shutil.rmtree(output / CHECKPOINT, ignore_errors=True)
        os.rename(staging, output / CHECKPOINT)
    parallel.meet()


def shell(model: PreTrainedModel, state: dict[str, Tensor], dtype: torch.dtype) -> PreTrainedModel:
    """A model of the same kind that holds `state` and nothing else, in `dtype`."""
    unset_hf_deepspeed_config()  # under ZeRO-3 the new model would wait to be divided as well
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


def size(model: nn.Module) -> int:
    """How many parameters a model has, wherever they are held."""
    return sum(parameter.numel() for parameter in model.parameters())
