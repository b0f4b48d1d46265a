"""The kind of model that a checkpoint holds, which decides how it is opened."""

from pathlib import Path

from ikusi import pretrained
from ikusi.model import hub


def locate_checkpoint(checkpoint: str | Path) -> tuple[Path, str]:
    """Return the folder of a checkpoint and the kind of model that it holds (`model_type`)."""
    from transformers import AutoConfig

    place = hub.find_folder(checkpoint)
    with hub.guard_opening(checkpoint, "a model"):
        return place, str(pretrained.load(AutoConfig, place).model_type)
