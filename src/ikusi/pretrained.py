"""Opens what others have trained, and runs no code of theirs.

transformers asks on the terminal whether to run the code that a checkpoint brings, unless
`trust_remote_code` is given; so every `from_pretrained` goes through here, where it is False.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ikusi import content
from ikusi.errors import InputError


def split_place(model: str | Path) -> tuple[str, dict[str, str]]:
    """Arguments for transformers' `from_pretrained`: a folder or hub id, and its revision.

    A hub id is NAME or NAME@REVISION, where a revision is a branch, a tag or a commit.

    >>> split_place("org/name@v2")
    ('org/name', {'revision': 'v2'})
    >>> split_place("org/name")
    ('org/name', {})
    """
    name, at, revision = str(model).partition("@")
    if not at or Path(model).is_dir():
        return str(model), {}
    return name, {"revision": revision}


def load(kind: Any, place: str | Path, **settings: Any) -> Any:
    """Give what `kind.from_pretrained(place, **settings)` gives.

    Raises:
        InputError: it asks to run code of its own, or a file of it is a pipe or a device.
        OSError, ValueError: as transformers raises them.
    """
    if Path(place).is_dir():
        for path in Path(place).iterdir():
            content.expect_plain(path)
    try:
        return kind.from_pretrained(place, trust_remote_code=False, **settings)
    except ValueError as error:
        if "trust_remote_code" not in str(error):
            raise
        raise InputError(
            f"{place}: expected a model that transformers knows, found one that asks to run code "
            "of its own"
        ) from None


def describe_shape(config: Mapping[str, Any]) -> str:
    """A short text that models of one shape have in common, from their `config.json`.

    >>> describe_shape({"model_type": "llama", "hidden_size": 160, "num_hidden_layers": 4,
    ...     "intermediate_size": 432})
    'llama 160/432/4'
    """
    parts = [config[name] for name in ("vision_config", "text_config") if name in config]
    if config.get("model_type") in ("clip", "siglip"):
        parts = parts[:1]  # of two towers, the one that sees
    if parts:
        return " + ".join(map(describe_shape, parts))
    sizes = ("hidden_size", "intermediate_size", "num_hidden_layers")
    return f"{config.get('model_type')} {'/'.join(str(config.get(size)) for size in sizes)}"
