"""Normalisation by the root mean square, in fewer passes over memory.

transformers writes it in elementary operations. Each reads and writes all states, and several keep
what they made for the way back. Here the way back is written out, and needs only the normalised
states, in the type that comes out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

PROBE = 3  # states that a module is tried on
OFFSETS = (0.0, 1.0)  # of weights; Gemma's are about zero


class Normalise(torch.autograd.Function):
    """`states` [..., H] over their root mean square, by `weight` [H], in `dtype`."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, eps: float, dtype: torch.dtype) -> Tensor:
        """Normalise; see the class."""
        length = torch.linalg.vector_norm(states, dim=-1, keepdim=True, dtype=torch.float32)
        inverse = length.square_().div_(states.shape[-1]).add_(eps).rsqrt_()
        normal = (states * inverse).to(dtype)
        ctx.save_for_backward(normal, inverse, weight)
        return normal * weight.to(dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        """Gradients of the states and of the weight."""
        normal, inverse, weight = ctx.saved_tensors
        product, small = gradient * normal, weight.to(normal.dtype)
        of_weight = None
        if ctx.needs_input_grad[1]:
            rows = product.flatten(0, -2)
            of_weight = (rows.new_ones(1, len(rows)) @ rows)[0].to(weight.dtype)
        along = product @ (small / len(small))[:, None]  # what would only make the states longer
        of_states = (gradient * small).float().addcmul_(normal, along, value=-1).mul_(inverse)
        return of_states, of_weight, None, None  # autograd converts them to the states' own type


@contextmanager
def use_lean_norms(decoder: nn.Module) -> Iterator[None]:
    """Compute the norms of a decoder so meanwhile, those that compute no more than that."""
    known = {
        norm: offset for norm in decoder.modules() if (offset := _find_offset(norm)) is not None
    }
    for norm, offset in known.items():
        norm.forward = partial(_normalise, norm, offset)
    try:
        yield
    finally:
        for norm in known:
            del norm.forward


def _normalise(norm: Any, offset: float, states: Tensor) -> Tensor:
    """The states as `norm` makes them; in the half type of autocast where that is on."""
    kind, dtype = states.device.type, states.dtype
    if torch.is_autocast_enabled(kind):
        dtype = torch.get_autocast_dtype(kind)
    weight = norm.weight + offset if offset else norm.weight
    with torch.autocast(kind, enabled=False):
        made: Tensor = Normalise.apply(states, weight, _read_eps(norm), dtype)
    return made


def _find_offset(module: Any) -> float | None:
    """The number to be added to a norm's weight, as Gemma does; None where it is no such norm."""
    weight = getattr(module, "weight", None)
    if not type(module).__name__.endswith("RMSNorm") or weight is None or _read_eps(module) is None:
        return None
    with torch.no_grad():
        probe = torch.linspace(-1, 2, PROBE * len(weight), device=weight.device).view(PROBE, -1)
        wanted = module(probe).float()
        for offset in OFFSETS:
            if torch.allclose(_normalise(module, offset, probe).float(), wanted, rtol=1e-4):
                return offset
    return None


def _read_eps(norm: Any) -> float | None:
    """The addend of the mean square, by either of the names that transformers has for it."""
    return getattr(norm, "variance_epsilon", getattr(norm, "eps", None))
