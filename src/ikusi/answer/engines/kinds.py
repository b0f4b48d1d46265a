"""What kind of model a checkpoint holds, which decides how it is opened."""

from pathlib import Path

from ikusi import pretrained
from ikusi.model import hub


def locate_checkpoint(checkpoint: str | Path) -> tuple[Path, str]:
    """Where a checkpoint is and what kind of model it holds."""
    from transformers import AutoConfig

    place = hub.find_folder(checkpoint)
    with hub.guard_opening(checkpoint, "a model"):
        return place, str(pretrained.load(AutoConfig, place).model_type)
