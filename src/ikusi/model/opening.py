"""Models that see, opened to be trained: those assembled here, and those of any family."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoModelForImageTextToText, PreTrainedModel

from ikusi import pretrained
from ikusi.errors import InputError
from ikusi.model import families, fusion, hub
from ikusi.model.parts import check_finite, check_loaded


def open_seeing(folder: str | Path) -> tuple[PreTrainedModel, Any]:
    """Open a model that sees and its processor, in the dtype it was saved in.

    Args:
        folder: a checkpoint, or a hub id (NAME, NAME@REVISION).

    Raises:
        InputError: there is none, it is of no family, or it lacks weights.
    """
    place, pinned = pretrained.split_place(folder)
    with hub.guard_opening(folder, "a model that sees"):
        kind = pretrained.load(AutoConfig, place, **pinned).model_type
    if kind == "llava":
        return fusion.load(folder)
    family = families.find(kind)
    if family is None:
        known = ", ".join(families.list_types())
        raise InputError(f"{folder}: expected a model that sees, one of {known}, found {kind}")
    settings: dict[str, Any] = {"dtype": "auto", "output_loading_info": True}
    with hub.guard_opening(folder, "a model that sees"):
        model, report = pretrained.load(AutoModelForImageTextToText, place, **pinned, **settings)
    # What a checkpoint has beside, transformers leaves out too.
    check_loaded(folder, {**report, "unexpected_keys": []})
    check_finite(folder, model)
    return model.eval(), family.open_processor(folder)
