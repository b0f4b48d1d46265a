"""Arithmetic on the values of a tensor: linear addition, or TIES (arXiv 2306.01708)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from ikusi.model.merging.tensors import Piece, Stored, Three, read_pieces

Method = Literal["linear", "ties"]
METHODS: tuple[Method, ...] = get_args(Method)

Adder = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Values of run, plus and minus -> those of the merged model."""

MakesAdder = Callable[[Three], Adder]
"""Prepares an adder for a tensor of the three, which may need to see all of it first."""


def add(three: Three, prepare: MakesAdder) -> Piece:
    """The merged values of a tensor; where the run's has more than the others, the first ones."""
    adder, shared = prepare(three), three[1].length
    for pieces in zip(*(read_pieces(one, shared) for one in three), strict=True):
        yield adder(*pieces)


def make_adder(method: Method, weight: float, density: float) -> MakesAdder:
    """Make the function that merges a tensor.

    `linear`: `run + weight * (plus - minus)`.

    `ties`: what training changed (`run - minus`) and the difference (`plus - minus`) are two
    changes of one model, `minus`. Of each the largest values are kept, a share of `density` of the
    tensor's; where the two disagree in sign, the larger one has its way; then the mean of those
    that agree, the second multiplied by `weight`, is added to `minus`.
    """
    if method == "linear":
        return lambda three: lambda run, plus, minus: run + weight * (plus - minus)
    return lambda three: _make_ties(three, weight, density)


def _make_ties(three: Three, weight: float, density: float) -> Adder:
    own, plus, minus = three
    least = [find_least(one, minus, density) for one in (own, plus)]

    def adder(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        changes = [
            torch.where(change.abs() >= bound, change, 0.0)
            for change, bound in zip((a - c, b - c), least, strict=True)
        ]
        sign = torch.where(changes[0] + changes[1] >= 0, 1.0, -1.0)
        agree = [change.sign() == sign for change in changes]
        total = changes[0] * agree[0] + weight * changes[1] * agree[1]
        return c + total / (agree[0].int() + agree[1].int()).clamp(min=1)

    return adder


def find_least(one: Stored, other: Stored, density: float) -> float:
    """The smallest size of a change from `other` to `one` that is among the largest, a share of
    `density`; those of the same size all are."""
    count = other.length
    kept = int(density * count)
    if kept == 0:
        return float("inf")
    sizes, place = np.empty(count, np.float32), 0
    for a, b in zip(read_pieces(one, count), read_pieces(other, count), strict=True):
        sizes[place : place + len(a)] = (a - b).abs().numpy()
        place += len(a)
    sizes.partition(count - kept)
    return float(sizes[count - kept])
