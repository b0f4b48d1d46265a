"""LLaVA-NeXT and LLaVA-OneVision: pictures in tiles of a grid that fits their shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import AutoConfig

from ikusi import pretrained
from ikusi.errors import InputError
from ikusi.model.families.base import Family


class LlavaNext(Family):
    """The whole picture, then its tiles, each row of them ended by a vector that is learnt."""

    name = "LLaVA-NeXT"
    model_types = ("llava_next",)


class LlavaOnevision(Family):
    """The same, with larger pictures made smaller once they were seen."""

    name = "LLaVA-OneVision"
    model_types = ("llava_onevision",)
    alone = True

    def open_processor(self, folder: str | Path) -> Any:
        """See `Family`. Refused is an aspect ratio that transformers cannot read."""
        processor = super().open_processor(folder)
        place, pinned = pretrained.split_place(folder)
        for one in (processor, pretrained.load(AutoConfig, place, **pinned)):
            ratio = str(one.vision_aspect_ratio)
            if not ratio.removeprefix("anyres_max_").isdecimal():
                problem = f"expected anyres_max_ and a number, found {ratio}"
                raise InputError(f"{folder}: vision_aspect_ratio: {problem}")
        return processor


FAMILIES = [LlavaNext(), LlavaOnevision()]
