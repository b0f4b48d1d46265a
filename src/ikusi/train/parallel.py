"""Several processes that train one model: what each of them holds, and how to put it together.

`ddp` leaves everything with everyone; `fsdp` (PyTorch's FSDP2) and `zero3` (DeepSpeed) divide
weights, gradients and optimiser among the processes, `zero2` all but the weights. A *holder* reads
and sets whole weights and whole moments whatever the division, so that a checkpoint written under
one opens under any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ikusi.errors import InputError
from ikusi.recipe import DIVIDING, Compute, Stage
from ikusi.train import compiling
from ikusi.yamlfile import dotted

CLIP = 1.0  # most that the norm of all gradients may be


class Holder(Protocol):
    """Whole tensors of divided parameters. Every process must call it, in the same order."""

    def weight(self, parameter: nn.Parameter) -> Tensor:
        """A parameter, whole."""

    def set_weight(self, parameter: nn.Parameter, whole: Tensor) -> None:
        """Put a parameter in place."""

    def moments(self, optimizer: Any, parameter: nn.Parameter) -> dict[str, Tensor]:
        """What the optimiser keeps for a parameter, by the optimiser's names."""

    def set_moments(self, optimizer: Any, kept: Mapping[nn.Parameter, dict[str, Tensor]]) -> None:
        """Put back what it keeps for all parameters."""


def strategy(compute: Compute, processes: int) -> str:
    """What `compute.parallel` comes to: a lone process shares with nobody."""
    return compute.parallel if processes > 1 else "single"


def check(stage: Stage, chosen: str) -> None:
    """Raise InputError for an optimiser that cannot work on a part of a matrix.

    (A recipe is refused when it is read; this is for those who train without one.)
    """
    if chosen in DIVIDING and (lone := stage.undivided()):
        key, expected, found = lone
        raise InputError(f"{dotted(key)}: expected {expected} with {chosen}, found {found}")


def deepspeed_settings(chosen: str, *, bf16: bool) -> dict[str, Any] | None:
    """DeepSpeed's configuration; None for a strategy that is not DeepSpeed's.

    Raises:
        InputError: DeepSpeed would wait for ever (`compiling`).
    """
    if chosen not in ("zero2", "zero3"):
        return None
    compiling.expect_no_left_lock()
    return {
        "zero_optimization": {"stage": int(chosen[-1]), "overlap_comm": torch.cuda.is_available()},
        "bf16": {"enabled": bf16},
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": CLIP,
    }


def shard(model: nn.Module, *, bf16: bool) -> None:
    """Divide a model among all processes with FSDP2: each decoder layer is gathered when its turn
    comes, all else at once. Gradients are summed in fp32."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    kind = "cuda" if torch.cuda.is_available() else "cpu"
    mesh = init_device_mesh(kind, (torch.distributed.get_world_size(),))
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


def all_reduced(value: Tensor) -> Tensor:
    """The sum of a number over all processes."""
    if torch.distributed.is_initialized():
        torch.distributed.all_reduce(value)
    return value


def meet() -> None:
    """Wait for all processes."""
    if torch.distributed.is_initialized():
        torch.distributed.barrier()


class Replicated:
    """Every process holds everything."""

    def weight(self, parameter: nn.Parameter) -> Tensor:
        """See `Holder`."""
        return parameter.detach()

    def set_weight(self, parameter: nn.Parameter, whole: Tensor) -> None:
        """See `Holder`."""
        with torch.no_grad():
            parameter.copy_(whole)

    def moments(self, optimizer: Any, parameter: nn.Parameter) -> dict[str, Tensor]:
        """See `Holder`."""
        state = _inner(optimizer).state.get(parameter, {})
        # bitsandbytes counts steps in plain numbers, torch in tensors of floats.
        tensors = {n: v if isinstance(v, Tensor) else torch.tensor(v) for n, v in state.items()}
        return {name: self._whole(value) for name, value in tensors.items()}

    def set_moments(self, optimizer: Any, kept: Mapping[nn.Parameter, dict[str, Tensor]]) -> None:
        """See `Holder`."""
        inner = _inner(optimizer)
        parameters = [p for group in inner.param_groups for p in group["params"]]
        states = {
            place: {name: self._share(name, value, p) for name, value in kept[p].items()}
            for place, p in enumerate(parameters)
            if p in kept
        }
        groups = inner.state_dict()["param_groups"]
        inner.load_state_dict({"state": states, "param_groups": groups})

    def _whole(self, value: Tensor) -> Tensor:
        return value

    def _share(self, name: str, value: Tensor, parameter: nn.Parameter) -> Any:
        return int(value) if value.ndim == 0 and value.dtype == torch.int64 else value


class Sharded(Replicated):
    """FSDP2: every parameter is a DTensor, and so are its moments."""

    def weight(self, parameter: nn.Parameter) -> Tensor:
        """See `Holder`."""
        return self._whole(parameter.detach())

    def set_weight(self, parameter: nn.Parameter, whole: Tensor) -> None:
        """See `Holder`."""
        with torch.no_grad():
            parameter.copy_(self._share("weight", whole, parameter))

    def _whole(self, value: Tensor) -> Tensor:
        gathered: Tensor = value.full_tensor() if hasattr(value, "full_tensor") else value
        return gathered

    def _share(self, name: str, value: Tensor, parameter: nn.Parameter) -> Any:
        from torch.distributed.tensor import DTensor, distribute_tensor

        if not isinstance(parameter, DTensor) or value.shape != parameter.shape:
            return value
        moved = value.to(parameter.device)
        mesh, placements = parameter.device_mesh, parameter.placements
        return distribute_tensor(moved, mesh, placements, src_data_rank=None)


class Zero:
    """DeepSpeed: read and set through its own functions, in fp32."""

    MOMENTS = ("exp_avg", "exp_avg_sq")

    def weight(self, parameter: nn.Parameter) -> Tensor:
        """See `Holder`."""
        from deepspeed.runtime.zero import GatheredParameters
        from deepspeed.utils import safe_get_full_fp32_param

        if parameter.requires_grad:
            found: Tensor = safe_get_full_fp32_param(parameter)
            return found
        with GatheredParameters([parameter]):
            return parameter.detach().clone()

    def set_weight(self, parameter: nn.Parameter, whole: Tensor) -> None:
        """See `Holder`."""
        from deepspeed.runtime.zero import GatheredParameters
        from deepspeed.utils import safe_set_full_fp32_param

        safe_set_full_fp32_param(parameter, whole.to(parameter.device))
        # That was the optimiser's copy; this is the one that is computed with.
        with torch.no_grad(), GatheredParameters([parameter], modifier_rank=0):
            parameter.copy_(whole)

    def moments(self, optimizer: Any, parameter: nn.Parameter) -> dict[str, Tensor]:
        """See `Holder`."""
        from deepspeed.utils import safe_get_full_optimizer_state

        states = self._states(optimizer)
        found = {name: safe_get_full_optimizer_state(parameter, name) for name in self.MOMENTS}
        return {**found, "step": states[0]["step"].float().clone()}

    def set_moments(self, optimizer: Any, kept: Mapping[nn.Parameter, dict[str, Tensor]]) -> None:
        """See `Holder`."""
        from deepspeed.utils import safe_set_full_optimizer_state

        states = self._states(optimizer)
        for parameter, moments in kept.items():
            for name in self.MOMENTS:
                safe_set_full_optimizer_state(parameter, moments[name].to(parameter.device), name)
            for state in states:
                state["step"].fill_(moments["step"].item())

    def _states(self, optimizer: Any) -> list[dict[str, Tensor]]:
        """What torch's AdamW keeps for this process's slice of each group, made if need be.

        (DeepSpeed leaves it to the first step, and then ZeRO-2 links the parameters of the first
        group alone to it.)
        """
        from deepspeed.utils import lazy_init_hp_params_optimizer_state

        zero, inner = optimizer.optimizer, _inner(optimizer)
        second = hasattr(zero, "single_partition_of_fp32_groups")
        slices = (
            zero.single_partition_of_fp32_groups if second else zero.fp32_partitioned_groups_flat
        )
        for number, part in enumerate(slices):
            if not inner.state[part]:
                zeros = {name: torch.zeros_like(part) for name in self.MOMENTS}
                inner.state[part] = {"step": torch.zeros((), device=part.device), **zeros}
            if second:
                lazy_init_hp_params_optimizer_state(zero.bit16_groups[number], part, inner.state)
        return [inner.state[part] for part in slices]


def holder(chosen: str) -> Holder:
    """What reads and sets whole tensors under a strategy."""
    if chosen == "fsdp":
        return Sharded()
    return Zero() if chosen.startswith("zero") else Replicated()


def _inner(optimizer: Any) -> Any:
    """The torch optimiser inside what accelerate and DeepSpeed wrap around it."""
    while hasattr(optimizer, "optimizer"):
        optimizer = optimizer.optimizer
    return optimizer
