"""The optimiser of a stage: AdamW, AdamW with 8-bit moments, or Muon beside AdamW."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ikusi.recipe import Stage
from ikusi.train.muon import Muon

NORMS = re.compile(r"layernorm|rmsnorm|(^|[._])norm($|\.)")
"""In the name of a normalisation's weight, whatever class of transformers it is of."""


def make(model: nn.Module, stage: Stage) -> torch.optim.Optimizer:
    """The optimiser of all that learns in a model, as `stage` says."""
    rate, decay = stage.learning_rate, stage.weight_decay
    learning = list_learning_weights(model)
    if stage.optimizer == "muon":
        return MuonAdamW(learning, rate, decay)
    spared = _list_undecayed(model)
    groups = [
        {"params": [p for n, p in learning.items() if n not in spared], "weight_decay": decay},
        {"params": [p for n, p in learning.items() if n in spared], "weight_decay": 0.0},
    ]
    if stage.optimizer == "adamw8bit":
        return _eight_bit(model, groups, rate)
    return torch.optim.AdamW(groups, rate, fused=True)


def list_learning_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that learn, by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def _list_undecayed(model: nn.Module) -> set[str]:
    """Names of the parameters that weight decay leaves alone: biases and normalisations."""
    return {
        f"{place}.{name}".removeprefix(".")
        for place, module in model.named_modules()
        for name, _ in module.named_parameters(recurse=False)
        if isinstance(module, nn.LayerNorm)
        or "bias" in f"{place}.{name}".lower()
        or NORMS.search(f"{place}.{name}".lower())
    }


def _eight_bit(model: nn.Module, groups: list[dict[str, Any]], rate: float) -> Any:
    """AdamW of bitsandbytes; tables of embeddings keep 32 bits, as its authors advise."""
    from bitsandbytes.optim import AdamW, GlobalOptimManager

    made = AdamW(groups, lr=rate, optim_bits=8)
    # The shared manager keeps its settings, by a parameter's place, for every later model.
    made.mng = GlobalOptimManager.__new__(GlobalOptimManager)
    made.mng.initialize()
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            made.mng.register_module_override(module, "weight", {"optim_bits": 32})
    return made


class MuonAdamW(torch.optim.Optimizer):
    """Muon (Jordan 2024) with AdamW beside it for embeddings, convolutions, biases and norms.

    Muon gives rare associations, such as the names of things seldom seen, as large a step as
    frequent ones. Updates have AdamW's size (Moonshot's rule), so both share a learning rate.

    Args:
        named: the parameters that learn, by name.
        learning_rate: of both.
        weight_decay: of both; biases and norms have none.
    """

    def __init__(
        self, named: Mapping[str, nn.Parameter], learning_rate: float, weight_decay: float
    ) -> None:
        matrices = [p for name, p in named.items() if _inside(name, p)]
        tables = [p for name, p in named.items() if p.ndim > 1 and not _inside(name, p)]
        vectors = [p for p in named.values() if p.ndim <= 1]
        parts: list[torch.optim.Optimizer] = []
        if matrices:
            parts.append(Muon(matrices, learning_rate, weight_decay))
        groups = [
            {"params": tables, "weight_decay": weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        if groups := [group for group in groups if group["params"]]:
            parts.append(torch.optim.AdamW(groups, learning_rate, betas=(0.9, 0.98), fused=True))
        self._parts = parts
        super().__init__([group for part in parts for group in part.param_groups], {})
        self._share()

    def _share(self) -> None:
        """Let both parts work on this optimiser's groups and state."""
        groups = iter(self.param_groups)
        for part in self._parts:
            part.param_groups = [next(groups) for _ in part.param_groups]
            part.state = self.state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._share()

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step of both parts."""
        for part in self._parts:
            part.step(closure)


def _inside(name: str, parameter: nn.Parameter) -> bool:
    """Whether Muon takes it: a matrix between two hidden spaces."""
    return parameter.ndim == 2 and (".layers." in f".{name}" or "projector" in name)
