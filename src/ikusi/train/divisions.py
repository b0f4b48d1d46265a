"""Ways to divide a model in training among processes, and all that differs with them.

A *division* holds a model and its optimiser: it adds up gradients, clips them, makes a step, and
reads and sets whole weights and whole moments, so that a checkpoint written under one division
opens under any other.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ikusi.recipe import Stage
from ikusi.train import optimizer
from ikusi.train.parallel import CLIP, Place, make_deepspeed_settings


class Replicated:
    """Every process holds everything.

    All of it must be called by every process, in the same order. `model`: what is called for a
    loss. `optimizer`: torch's own, for a schedule.
    """

    def __init__(self, model: nn.Module, stage: Stage, place: Place) -> None:
        _in_fp32(model)
        self.model = model.to(place.device)
        self.optimizer = optimizer.make(self.model, stage)
        if place.processes > 1:
            devices = None if place.device.type == "cpu" else [place.device]
            self.model = DistributedDataParallel(self.model, devices)

    def part(self, last: bool) -> AbstractContextManager[Any]:
        """Context in which a loss and its gradients are computed, the `last` of a step or another.

        Gradients of parts before the last one need not be shared yet.
        """
        if isinstance(self.model, DistributedDataParallel) and not last:
            return self.model.no_sync()
        return nullcontext()

    def backward(self, loss: Tensor, last: bool) -> None:
        """Add the gradients of a loss (one number), averaged over all processes, to those of this
        step."""
        loss.backward()

    def clip(self) -> float:
        """Limit the norm of this step's gradients to `CLIP`; returns what it was."""
        return float(self._whole(nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)))

    def step(self) -> None:
        """Change the weights, and forget the gradients."""
        self.optimizer.step()
        self.model.zero_grad()

    def weight(self, parameter: nn.Parameter) -> Tensor:
        """A parameter, whole."""
        return self._whole(parameter.detach())

    def set_weight(self, parameter: nn.Parameter, whole: Tensor) -> None:
        """Give a parameter its whole value, of the parameter's whole shape."""
        with torch.no_grad():
            parameter.copy_(self._share(whole, parameter))

    def moments(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        """Values that the optimiser keeps for a parameter, by the optimiser's names."""
        state = self.optimizer.state.get(parameter, {})
        # bitsandbytes counts steps in plain numbers, torch in tensors of floats.
        tensors = {n: v if isinstance(v, Tensor) else torch.tensor(v) for n, v in state.items()}
        return {name: self._whole(value) for name, value in tensors.items()}

    def set_moments(self, kept: Mapping[nn.Parameter, dict[str, Tensor]]) -> None:
        """Put back what it keeps for all parameters."""
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        states = {
            place: {name: self._share(value, p) for name, value in kept[p].items()}
            for place, p in enumerate(parameters)
            if p in kept
        }
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": states, "param_groups": groups})

    def _whole(self, value: Tensor) -> Tensor:
        return value

    def _share(self, value: Tensor, parameter: nn.Parameter) -> Any:
        return int(value) if value.ndim == 0 and value.dtype == torch.int64 else value


class Sharded(Replicated):
    """FSDP2: every parameter is a DTensor, and so are its moments.

    Gradients of every part are shared at once: no process has room for all of them.
    """

    def __init__(self, model: nn.Module, stage: Stage, place: Place) -> None:
        _shard(model, place, bf16=stage.precision == "bf16")
        _in_fp32(model)
        self.model, self.optimizer = model, optimizer.make(model, stage)

    def _whole(self, value: Tensor) -> Tensor:
        gathered: Tensor = value.full_tensor() if hasattr(value, "full_tensor") else value
        return gathered

    def _share(self, value: Tensor, parameter: nn.Parameter) -> Any:
        from torch.distributed.tensor import DTensor, distribute_tensor

        if not isinstance(parameter, DTensor) or value.shape != parameter.shape:
            return value
        moved = value.to(parameter.device)
        mesh, placements = parameter.device_mesh, parameter.placements
        return distribute_tensor(moved, mesh, placements, src_data_rank=None)


class Zero:
    """DeepSpeed: it keeps fp32 weights of its own, read and set through its own functions."""

    MOMENTS = ("exp_avg", "exp_avg_sq")

    def __init__(self, model: nn.Module, stage: Stage, settings: dict[str, Any]) -> None:
        import deepspeed

        deepspeed.utils.logger.setLevel(logging.WARNING)
        self.optimizer = optimizer.make(model, stage)
        self.model: Any
        self.model, self._zero, *_ = deepspeed.initialize(
            model=model, optimizer=self.optimizer, config=settings
        )

    def part(self, last: bool) -> AbstractContextManager[Any]:
        """See `Replicated`."""
        return nullcontext()

    def backward(self, loss: Tensor, last: bool) -> None:
        """See `Replicated`."""
        self.model.set_gradient_accumulation_boundary(is_boundary=last)
        self.model.backward(loss)

    def clip(self) -> float:
        """See `Replicated`. DeepSpeed clips and makes its step at once."""
        self.model.step()
        return float(self.model.get_global_grad_norm())

    def step(self) -> None:
        """See `Replicated`: the weights changed in `clip`."""
        self.model.zero_grad()

    def weight(self, parameter: nn.Parameter) -> Tensor:
        """See `Replicated`."""
        from deepspeed.runtime.zero import GatheredParameters
        from deepspeed.utils import safe_get_full_fp32_param

        if parameter.requires_grad:
            whole: Tensor = safe_get_full_fp32_param(parameter)
            return whole
        with GatheredParameters([parameter]):
            return parameter.detach().clone()

    def set_weight(self, parameter: nn.Parameter, whole: Tensor) -> None:
        """See `Replicated`."""
        from deepspeed.runtime.zero import GatheredParameters
        from deepspeed.utils import safe_set_full_fp32_param

        safe_set_full_fp32_param(parameter, whole.to(parameter.device))
        # That was the optimiser's copy; this is the one that is computed with.
        with torch.no_grad(), GatheredParameters([parameter], modifier_rank=0):
            parameter.copy_(whole)

    def moments(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        """See `Replicated`."""
        from deepspeed.utils import safe_get_full_optimizer_state

        states = self._states()
        moments = {name: safe_get_full_optimizer_state(parameter, name) for name in self.MOMENTS}
        return {**moments, "step": states[0]["step"].float().clone()}

    def set_moments(self, kept: Mapping[nn.Parameter, dict[str, Tensor]]) -> None:
        """See `Replicated`."""
        from deepspeed.utils import safe_set_full_optimizer_state

        states = self._states()
        for parameter, moments in kept.items():
            for name in self.MOMENTS:
                safe_set_full_optimizer_state(parameter, moments[name].to(parameter.device), name)
            for state in states:
                state["step"].fill_(moments["step"].item())

    def _states(self) -> list[dict[str, Tensor]]:
        """State of torch's AdamW for this process's slice of each group, made if need be.

        (DeepSpeed leaves it to the first step, and then ZeRO-2 links the parameters of the first
        group alone to it.)
        """
        from deepspeed.utils import lazy_init_hp_params_optimizer_state

        zero, state = self._zero, self.optimizer.state
        second = hasattr(zero, "single_partition_of_fp32_groups")
        slices = (
            zero.single_partition_of_fp32_groups if second else zero.fp32_partitioned_groups_flat
        )
        for number, part in enumerate(slices):
            if not state[part]:
                zeros = {name: torch.zeros_like(part) for name in self.MOMENTS}
                state[part] = {"step": torch.zeros((), device=part.device), **zeros}
            if second:
                lazy_init_hp_params_optimizer_state(zero.bit16_groups[number], part, state)
        return [state[part] for part in slices]


Division = Replicated | Zero
"""What checkpoints and the loop know of it."""


def divide(chosen: str, model: nn.Module, stage: Stage, place: Place) -> Division:
    """Put a model where it is trained, under a strategy (`parallel.choose_strategy`)."""
    if chosen == "fsdp":
        return Sharded(model, stage, place)
    if settings := make_deepspeed_settings(chosen, bf16=stage.precision == "bf16"):
        return Zero(model, stage, settings)
    return Replicated(model, stage, place)


def _in_fp32(model: nn.Module) -> None:
    """Hold what learns in fp32, whatever it is computed in."""
    model._apply(lambda tensor: tensor.float() if tensor.requires_grad else tensor)


def _shard(model: nn.Module, place: Place, *, bf16: bool) -> None:
    """Divide a model among all processes with FSDP2: each decoder layer is gathered when its turn
    comes, all else at once. Gradients are summed in fp32."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    mesh = init_device_mesh(place.device.type, (place.processes,))
    half = torch.bfloat16 if bf16 else None
    policy = MixedPrecisionPolicy(
        param_dtype=half, reduce_dtype=torch.float32, cast_forward_inputs=False
    )
    for layer in _layers(model):
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)


def _layers(model: nn.Module) -> Iterable[nn.Module]:
    """The repeated blocks of a model, as transformers names them (`_no_split_modules`)."""
    names = {
        name
        for module in model.modules()
        for name in getattr(module, "_no_split_modules", ()) or ()
    }
    return [module for module in model.modules() if type(module).__name__ in names]
