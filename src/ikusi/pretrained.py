"""Opens what others have trained, and runs no code of theirs.

transformers asks on the terminal whether to run the code that a checkpoint brings, unless it is
told; so every `from_pretrained` goes through here, where it is.
"""

from pathlib import Path
from typing import Any

from ikusi import content
from ikusi.errors import InputError


def load(kind: Any, place: str | Path, **settings: Any) -> Any:
    """Give what `kind.from_pretrained(place, **settings)` gives.

    Raises:
        InputError: it asks to run code of its own, or a file of it is a pipe or a device.
        OSError, ValueError: as transformers says.
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
