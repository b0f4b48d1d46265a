"""A model in this process, opened in the fastest way that its kind allows."""

from pathlib import Path
from typing import TYPE_CHECKING

from ikusi.answer.engine import Asked, Engine, Way
from ikusi.answer.engines.kinds import locate_checkpoint
from ikusi.errors import InputError

if TYPE_CHECKING:
    import torch


def open_local(
    checkpoint: str | Path,
    *,
    dtype: "torch.dtype | str | None" = None,
    device: str | None = None,
    batch_size: int = 64,
) -> Engine:
    """Open a model in this process.

    A LLaVA and a bare LLM get the fast way (``engines.local``), any other model that takes images
    and text the general one (``engines.general``).

    Args:
        checkpoint: a folder, or a hub id that is in the cache, as NAME or NAME@REVISION.
        dtype: None is bf16 on a GPU and fp32 elsewhere.
        device: None is a GPU where there is one.
        batch_size: pictures, and sequences, worked on at once.

    Raises:
        InputError: there is no model, or none that answers.
    """
    import torch
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
    )

    from ikusi.answer.engines import general, local

    place, kind = locate_checkpoint(checkpoint)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    usual = "bfloat16" if device.startswith("cuda") else "float32"
    form = dtype if isinstance(dtype, torch.dtype) else getattr(torch, dtype or usual)
    if kind != "llava" and kind in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
        return general.open_general(place, form, device, batch_size)
    if kind == "llava" or kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return local.open_local(place, kind, form, device, batch_size)
    raise InputError(f"{checkpoint}: expected a model that answers, found {kind}")


def _open(asked: Asked) -> Engine:
    return open_local(asked.checkpoint, dtype=asked.dtype, batch_size=asked.batch_size or 64)


ENGINES = [Way("local", "here", _open)]
