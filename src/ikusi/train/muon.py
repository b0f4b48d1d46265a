"""Muon for processors without instructions for bf16.

torch's own makes a step's matrices orthogonal in bf16, which such a processor emulates: sixteen
times the work of fp32, most of what a training of a small model took. Here they are in fp32, by
the same iteration with the same coefficients.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ikusi.train.precision import has_bf16

WIDE = 2  # times as long as short: then the iteration takes less on products of its rows alone


class Muon(torch.optim.Muon):
    """torch's Muon with Moonshot's rule; in fp32 where a matrix is on a processor without bf16."""

    def __init__(self, matrices: Any, learning_rate: float, weight_decay: float) -> None:
        adjusted = "match_rms_adamw"
        super().__init__(matrices, learning_rate, weight_decay=weight_decay, adjust_lr_fn=adjusted)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step; torch's own to the bit where there is bf16."""
        for group in self.param_groups:
            if has_bf16(group["params"][0].device):
                super().step(closure)
                return
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._change(parameter, parameter.grad, group)

    def _change(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state, rate, momentum = self.state[parameter], group["lr"], group["momentum"]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        mean = state["momentum_buffer"].lerp_(gradient, 1 - momentum)
        update = gradient.lerp(mean, momentum)
        update = make_orthogonal(update, group["ns_coefficients"], group["ns_steps"], group["eps"])
        parameter.mul_(1 - rate * group["weight_decay"])
        parameter.add_(update, alpha=-rate * 0.2 * max(parameter.shape) ** 0.5)


def make_orthogonal(
    matrix: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float
) -> Tensor:
    """A matrix with the same singular vectors, whose singular values are all near 1.

    Args:
        matrix: [M, N]; computed in its own format.
        coefficients: of x, x^3 and x^5 in one step of the Newton-Schulz iteration.
        steps: of the iteration.
        eps: least norm that it is divided by.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    rows = matrix.T if tall else matrix
    rows = rows / rows.norm().clamp(min=eps)
    iterate = _iterate_on_products if rows.shape[1] >= WIDE * rows.shape[0] else _iterate
    rows = iterate(rows, coefficients, steps)
    return rows.T if tall else rows


def _iterate(rows: Tensor, coefficients: tuple[float, float, float], steps: int) -> Tensor:
    """X <- aX + (bG + cG^2) X, with G = X X^T."""
    a, b, c = coefficients
    for _ in range(steps):
        products = rows @ rows.T
        change = torch.addmm(products, products, products, beta=b, alpha=c)
        rows = torch.addmm(rows, change, rows, beta=a)
    return rows


def _iterate_on_products(
    rows: Tensor, coefficients: tuple[float, float, float], steps: int
) -> Tensor:
    """The same, but each step changes the small G, and X is multiplied once by all of them.

    All that is multiplied are polynomials of the first G, so they commute.
    """
    a, b, c = coefficients
    products = rows @ rows.T
    whole = None
    for step in range(steps):
        change = torch.addmm(products, products, products, beta=b, alpha=c)
        change.diagonal().add_(a)
        whole = change if whole is None else whole @ change
        if step < steps - 1:
            products = change @ products @ change
    return rows if whole is None else whole @ rows
