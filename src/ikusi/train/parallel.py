"""Several processes that train one model: who they are, and how they meet.

`ddp` leaves everything with everyone; `fsdp` (PyTorch's FSDP2) and `zero3` (DeepSpeed) divide
weights, gradients and optimiser among the processes, `zero2` all but the weights: see `divisions`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from accelerate import PartialState
from torch import Tensor

from ikusi.errors import InputError
from ikusi.recipe import DIVIDING, Compute, Stage
from ikusi.train import compiling
from ikusi.yamlfile import spell

CLIP = 1.0  # most that the norm of all gradients may be
PATIENCE = timedelta(minutes=30)  # with the others, as while the first one writes a large model


@dataclass(frozen=True)
class Place:
    """This process: its number among all processes, and the device that it computes on."""

    process: int
    processes: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether it is the one that writes."""
        return self.process == 0


def join() -> Place:
    """Meet the processes that torchrun started with this one; alone where it started none."""
    state = PartialState(cpu=not torch.accelerator.is_available(), timeout=PATIENCE)
    device = torch.empty(0, device=state.device).device  # with its number: cuda:0, not cuda
    return Place(state.process_index, state.num_processes, device)


def choose_strategy(compute: Compute, processes: int) -> str:
    """Return `compute.parallel`, or `single` for a lone process, which shares nothing."""
    return compute.parallel if processes > 1 else "single"


def check(stage: Stage, chosen: str) -> None:
    """Raise InputError for an optimiser that cannot work on a part of a matrix.

    (A recipe is refused when it is read; this is for those who train without one.)
    """
    if chosen in DIVIDING and (lone := stage.find_undivided()):
        key, expected, actual = lone
        raise InputError(f"{spell(key)}: expected {expected} with {chosen}, found {actual}")


def make_deepspeed_settings(chosen: str, *, bf16: bool) -> dict[str, Any] | None:
    """DeepSpeed's configuration; None for a strategy that is not DeepSpeed's.

    Raises:
        InputError: DeepSpeed would wait for ever (`compiling`).
    """
    if chosen not in ("zero2", "zero3"):
        return None
    compiling.expect_no_left_lock()
    return {
        "zero_optimization": {"stage": int(chosen[-1]), "overlap_comm": torch.cuda.is_available()},
        "zero_allow_untested_optimizer": True,  # it knows AdamW, but asks for leave all the same
        "bf16": {"enabled": bf16},
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": CLIP,
        "steps_per_print": float("inf"),
    }


def sum_over_processes(value: Tensor) -> Tensor:
    """The sum of a tensor over all processes, in place."""
    if torch.distributed.is_initialized():
        torch.distributed.all_reduce(value)
    return value


def meet() -> None:
    """Wait for all processes."""
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
