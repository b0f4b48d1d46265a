"""The processor of a model that sees, opened without torchvision, and written as it was.

Many processors also read videos, which transformers does by torchvision alone. That half is left
out; pictures go through the PIL form of the model's own image processor. A checkpoint gets the
files of the processor as they came, so that whoever has torchvision opens it whole.
"""

from __future__ import annotations

import logging
import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoImageProcessor, AutoTokenizer
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

from ikusi import pretrained
from ikusi.errors import InputError
from ikusi.model import hub
from ikusi.model.ends import make_ending
from ikusi.model.resizing import resize_across_first
from ikusi.model.steady import pin_date

logger = logging.getLogger(__name__)

TEMPLATE = "chat_template.jinja"
FILES = (
    "preprocessor_config.json",
    "video_preprocessor_config.json",
    "processor_config.json",
    "chat_template.json",
    TEMPLATE,
)
VIDEO = "video_processor"


def open_processor(folder: str | Path, template: str | None = None) -> Any:
    """A model's own processor without what reads videos; its chat template writes one date.

    `template`: that of a family whose models come without one.

    Raises:
        InputError: there is none, or its image processor has no form without torchvision.
    """
    place, pinned = pretrained.split_place(folder)
    with hub.guard_opening(folder, "a processor that needs no torchvision"):
        config = pretrained.load(AutoConfig, place, **pinned)
        kind = PROCESSOR_MAPPING[type(config)]
        settings, _ = kind.get_processor_dict(place, **pinned)
        opened = {
            "image_processor": resize_across_first(
                pretrained.load(AutoImageProcessor, place, **pinned, backend="pil")
            ),
            "tokenizer": pretrained.load(AutoTokenizer, place, **pinned),
        }
        arguments = [opened.get(name) for name in kind.get_attributes()]
        processor: Any = _without_video(kind).from_args_and_dict(arguments, settings)
    if processor.chat_template is None:
        processor.chat_template = processor.tokenizer.chat_template or template
    if not isinstance(processor.chat_template, str):
        raise InputError(f"{folder}: expected a processor with one chat template, found none")
    speaker = deepcopy(processor.tokenizer)
    speaker.chat_template = pin_date(processor.chat_template)
    make_ending(speaker)
    processor.chat_template = speaker.chat_template
    if processor.tokenizer.pad_token is None:
        processor.tokenizer.pad_token = processor.tokenizer.eos_token
    processor.came_from = str(folder)
    return processor


def _without_video(kind: Any) -> Any:
    """A class of processors that can be made without what reads videos."""
    if VIDEO not in kind.get_attributes():
        return kind

    def check(self: Any, name: str, argument: Any) -> Any:
        return None if name == VIDEO else kind.check_argument_for_proper_class(self, name, argument)

    return type(kind.__name__, (kind,), {"check_argument_for_proper_class": check})


def save_processor(processor: Any, folder: Path) -> None:
    """Write a processor, or a tokenizer, to the folder of a checkpoint.

    What `open_processor` gave has the files that it came from, and the chat template that it has.
    """
    if not isinstance(came_from := getattr(processor, "came_from", None), str):
        processor.save_pretrained(folder)
        return
    own = hub.find_folder(came_from)
    processor.tokenizer.save_pretrained(folder)
    for name in FILES:
        if (own / name).exists():
            shutil.copyfile(own / name, folder / name)
    (folder / "chat_template.json").unlink(missing_ok=True)
    if getattr(processor, "keeps_template", True):
        (folder / TEMPLATE).write_text(processor.chat_template, encoding="utf-8")
