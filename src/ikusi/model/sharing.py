"""File rights of a checkpoint, and the removal of this machine's paths from it."""

from pathlib import Path
from typing import Any


def share_weights(folder: Path) -> None:
    """Give weights the rights that the umask gives any file: safetensors lets no one else read
    what it writes."""
    probe = folder / ".rights"
    probe.touch()
    rights = probe.stat().st_mode & 0o777
    probe.unlink()
    for file in folder.glob("*.safetensors"):
        file.chmod(rights)


def forget_places(config: Any) -> None:
    """Leave out of a configuration, and of those in it, from which folder a model was read."""
    for part in (config, *vars(config).values()):
        if hasattr(part, "_name_or_path"):
            part._name_or_path = ""
