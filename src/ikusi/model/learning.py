"""Choice of the parameters that learn, by the parts of a model, whatever its family."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from ikusi.errors import InputError
from ikusi.model import families

logger = logging.getLogger(__name__)


def set_trainable(
    model: PreTrainedModel, parts: Sequence[str], processor: Any = None
) -> dict[str, int]:
    """Let only `parts` ("connector", "llm", "vision") learn, and count what learns in each.

    A bare LLM has the one part "llm". The identity of a linear connector never learns, nor does
    what no feature of the encoder depends on, such as layers above the one that is read. Raises
    InputError for a part the model does not have. `processor`: the model's own, by which pictures
    are looked at where the encoder learns; a LLaVA needs none.
    """
    family, available = families.find_of(model), _list_parts(model)
    unknown = [part for part in parts if part not in available]
    if unknown:
        raise InputError(
            f"trainable: expected parts among {', '.join(available)}, found {unknown[0]!r}"
        )
    model.requires_grad_(False)
    counts = {}
    for part in parts:
        parameters = available[part]
        for parameter in parameters:
            parameter.requires_grad_(True)
        unreached = family.list_unreached(model, processor) if family and part == "vision" else []
        for parameter in unreached:
            parameter.requires_grad_(False)
        counts[part] = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
    total = sum(parameter.numel() for parameter in model.parameters())
    listed = ", ".join(f"{part} {count:,}" for part, count in counts.items()) or "nothing"
    logger.info("trainable: %s of %s parameters", listed, f"{total:,}")
    return counts


def find_part(model: PreTrainedModel, name: str) -> str:
    """The part of a parameter or a module, by its name in the model; a bare LLM is one part."""
    family = families.find_of(model)
    return "llm" if family is None else family.find_part(name)


def _list_parts(model: PreTrainedModel) -> dict[str, list[nn.Parameter]]:
    """The parameters of each part that can learn."""
    family = families.find_of(model)
    parts: dict[str, list[nn.Parameter]] = {part: [] for part in family.parts} if family else {}
    for name, parameter in model.named_parameters():
        parts.setdefault(find_part(model, name), []).append(parameter)
    fixed = {id(parameter) for parameter in (family.list_fixed(model) if family else [])}
    return {
        part: [one for one in own if id(one) not in fixed] for part, own in sorted(parts.items())
    }
