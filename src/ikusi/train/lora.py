"""Low-rank adapters on the LLM, or on any part, beside parts that learn in full (peft; optionally
over 4-bit weights, as QLoRA), and how they become plain weights again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from ikusi.errors import InputError
from ikusi.model import sharing
from ikusi.model.learning import find_part
from ikusi.recipe import Lora

NAME = "default"
A, B, BASE = f".lora_A.{NAME}.weight", f".lora_B.{NAME}.weight", ".base_layer."
PEFT_PREFIX = "base_model.model."
NUMBER = re.compile(r"(?<=\.)(\d+)(?=\.)")  # of a block, in the name of a layer


@dataclass
class Adapters:
    """Adapters that were put into a model.

    `beside`: names of the connector's weights. `originals`: weights that are
    held in 4 bits, as they were, in the machine's memory.
    """

    config: Any
    beside: frozenset[str] = frozenset()
    originals: dict[str, Tensor] = field(default_factory=dict)

    def merge(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The weights of a model without adapters that computes the same.

        Args:
            state: the weights of the model with them, by name.
        """
        scale = self.config.lora_alpha / self.config.r
        plain = {}
        for name, tensor in state.items():
            if ".lora_" in name or name in self.originals:
                continue
            plain[name.replace(BASE, ".")] = tensor
        plain |= {name.replace(BASE, "."): tensor for name, tensor in self.originals.items()}
        for name in [name for name in state if name.endswith(A)]:
            target = name.removesuffix(A) + ".weight"
            up, down = state[name.removesuffix(A) + B].float(), state[name].float()
            weight = plain[target]
            plain[target] = (weight.float() + scale * (up @ down)).to(weight.dtype)
        return plain

    def save(self, state: Mapping[str, Tensor], folder: Path) -> None:
        """Write the adapters as `PeftModel.from_pretrained` reads them, and the connector, which
        they were trained with, beside them."""
        folder.mkdir(parents=True, exist_ok=True)
        adapters = {
            PEFT_PREFIX + name.replace(f".{NAME}.", "."): tensor.contiguous()
            for name, tensor in state.items()
            if ".lora_" in name
        }
        save_file(adapters, folder / "adapter_model.safetensors", {"format": "pt"})
        self.config.save_pretrained(str(folder))
        connector = {name: state[name].contiguous() for name in self.beside if name in state}
        if connector:
            save_file(connector, folder / "connector.safetensors", {"format": "pt"})
        sharing.share_weights(folder)


def add(model: PreTrainedModel, settings: Lora, device: torch.device) -> Adapters:
    """Freeze parts and put adapters into their layers; all else learns as it did.

    Raises:
        InputError: no layer of them is called as `settings.targets` says.
    """
    from peft import LoraConfig
    from peft.tuners.lora import LoraModel

    parts = {name: find_part(model, name) for name, _ in model.named_parameters()}
    moving = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    learning = {name for name in moving if parts[name] not in settings.parts}
    every = [name for part in settings.parts for name in list_linear_layers(model, part)]
    layers = [name for name in every if f"{name}.weight" in moving]
    wanted = settings.targets
    endings = sorted({name.rpartition(".")[2] for name in layers})
    if wanted != ["all-linear"]:
        if lacking := [name for name in wanted if name not in endings]:
            raise InputError(
                f"lora.targets: expected names among {', '.join(endings)}, found {lacking[0]}"
            )
        endings = wanted
    chosen = [name for name in layers if name.rpartition(".")[2] in endings]
    adapters = Adapters(
        LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,  # type: ignore[arg-type]  # peft takes fractions too
            lora_dropout=settings.dropout,
            target_modules=_pattern(chosen),
        ),
        frozenset(name for name, part in parts.items() if part == "connector"),
    )
    if settings.quantize == "nf4":
        adapters.originals = _quantize(model, layers, device)
    LoraModel(model, adapters.config, NAME)  # works in place
    for name, parameter in model.named_parameters():
        if ".lora_" in name or name in learning:
            parameter.requires_grad_(True)
        if ".lora_" in name:
            parameter.data = parameter.data.float()
    return adapters


def list_linear_layers(model: PreTrainedModel, part: str = "llm") -> list[str]:
    """Names of the linear layers of a part of a model, without its output layer."""
    head = model.get_output_embeddings()
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module is not head and find_part(model, name) == part
    ]


def _pattern(names: list[str]) -> str:
    """A pattern for exactly these layers, those of one place in several blocks together. (The ends
    of their names would match other parts' as well.)"""
    blocks: dict[tuple[str, str], list[str]] = {}
    for name in names:
        before, number, after = [*NUMBER.split(name, maxsplit=1), "", ""][:3]
        blocks.setdefault((re.escape(before), re.escape(after)), []).append(number)
    return "|".join(
        f"{before}(?:{'|'.join(numbers)}){after}" for (before, after), numbers in blocks.items()
    )


def _quantize(model: Any, names: list[str], device: torch.device) -> dict[str, Tensor]:
    """Hold layers in 4 bits (NF4, with quantised scales) on `device`; returns what they were."""
    from bitsandbytes.nn import Linear4bit, Params4bit

    originals = {}
    for name in names:
        layer = model.get_submodule(name)
        weight = layer.weight.detach().cpu()
        originals[f"{name}{BASE}weight"] = weight
        small = Linear4bit(
            layer.in_features,
            layer.out_features,
            bias=layer.bias is not None,
            compute_dtype=weight.dtype,
            quant_type="nf4",
        )
        small.weight = Params4bit(weight.clone(), requires_grad=False, quant_type="nf4")
        if layer.bias is not None:
            small.bias = nn.Parameter(layer.bias.detach(), requires_grad=False)
        parent, _, own = name.rpartition(".")
        setattr(model.get_submodule(parent), own, small.to(device))
    model.is_loaded_in_4bit = True
    return originals
