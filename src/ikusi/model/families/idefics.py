"""Idefics3 and SmolVLM: pictures cut into tiles, each with its row and column in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ikusi.model.families.base import Family


class Idefics3(Family):
    """Tiles of a picture, then the whole of it."""

    name = "Idefics3"
    model_types = ("idefics3", "smolvlm")
    parts: Mapping[str, tuple[str, ...]] = {
        "vision": ("model.vision_model.",),
        "connector": ("model.connector.",),
        "llm": ("model.text_model.", "lm_head."),
    }

    def open_processor(self, folder: str | Path) -> Any:
        """See `Family`."""
        with _without_num2words():
            processor = super().open_processor(folder)
        if getattr(processor, "video_processor", processor) is None:
            # SmolVLM's is asked for these wherever a conversation is written.
            processor.video_processor = SimpleNamespace(num_frames=1, fps=1)
        return processor


@contextmanager
def _without_num2words() -> Iterator[None]:
    """SmolVLM's processor refuses to be made without that package, which it needs for videos."""
    from transformers.models.smolvlm import processing_smolvlm

    module: Any = processing_smolvlm
    before = module.num2words
    module.num2words = before or str
    try:
        yield
    finally:
        module.num2words = before


FAMILIES = [Idefics3()]
