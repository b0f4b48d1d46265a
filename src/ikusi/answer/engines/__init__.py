"""Where a model runs: here, in vLLM, or behind a server."""

from pathlib import Path
from typing import TYPE_CHECKING

from ikusi import pretrained
from ikusi.answer.engine import Engine
from ikusi.errors import InputError
from ikusi.model import hub

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

    place, kind = _opened(checkpoint)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    usual = "bfloat16" if device.startswith("cuda") else "float32"
    form = dtype if isinstance(dtype, torch.dtype) else getattr(torch, dtype or usual)
    if kind != "llava" and kind in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
        return general.open_general(place, form, device, batch_size)
    if kind == "llava" or kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return local.open_local(place, kind, form, device, batch_size)
    raise InputError(f"{checkpoint}: expected a model that answers, found {kind}")


def open_vllm(
    checkpoint: str | Path, *, dtype: str | None = None, batch_size: int = 256, pictures: int = 1
) -> Engine:
    """Open a LLaVA or a bare LLM in vLLM; see ``engines.vllm``.

    Args:
        checkpoint: a folder, or a hub id that is in the cache.
        dtype: None is bf16.
        batch_size: pictures held at once.
        pictures: most of one prompt, few-shots' included.

    Raises:
        InputError: there is no such model, or no vLLM.
    """
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    from ikusi.answer.engines import vllm

    place, kind = _opened(checkpoint)
    if kind != "llava" and kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise InputError(
            f"{checkpoint}: expected a LLaVA or a bare LLM, found {kind}: its prompts are not "
            "known here; let vLLM serve it and ask that server, or run it without vLLM"
        )
    return vllm.open_vllm(place, kind, dtype or "bfloat16", batch_size, pictures)


def open_server(url: str, model: str, *, batch_size: int = 32) -> Engine:
    """Open a model behind an OpenAI-compatible server; see ``engines.server``.

    Args:
        url: base address, such as http://localhost:8000/v1.
        model: its name there.
        batch_size: most requests at once.

    Raises:
        InputError: the server is not there, does not have the model, or refuses the key.
    """
    from ikusi.answer.engines import server

    return server.Server(url, model, batch_size)


def _opened(checkpoint: str | Path) -> tuple[Path, str]:
    """Where a checkpoint is and what kind of model it holds."""
    from transformers import AutoConfig

    place = hub.folder(checkpoint)
    with hub.opening(checkpoint, "a model"):
        return place, str(pretrained.load(AutoConfig, place).model_type)
