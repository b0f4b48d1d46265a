"""Where the miniature's base models are. Loads nothing heavy: plans are made without torch."""

from pathlib import Path

from ikusi import packaged
from ikusi.errors import InputError
from ikusi.miniature.packages import cache_folder

PREFIX = "miniature/"


def find_model(name: str) -> Path:
    """Folder of a base model such as `miniature/encoder` or `miniature/llama-eu`.

    Raises:
        InputError: it neither ships nor was built here.
    """
    short = name.removeprefix(PREFIX)
    for root in (packaged.BASES, locate_cache()):
        if (root / short / "config.json").exists():
            return root / short
    kind, _, code = short.partition("-")
    how = f"ikusi miniature bases --language {code}" if kind == "llama" else "ikusi miniature bases"
    raise InputError(f"{name}: expected a base model, found none (make it: {how})")


def locate_base(name: str) -> str:
    """Where a base model is: a folder, or the hub's name as it stands, revision included.

    Raises:
        InputError: a `miniature/...` model that has not been made.
    """
    return str(find_model(name)) if name.startswith(PREFIX) else name


def list_models() -> list[str]:
    """Every model that ships: the encoder, the English backbone and the adapted ones."""
    codes = sorted(file.stem for file in packaged.LANGUAGES.glob("*.yaml"))
    adapted = [code for code in codes if code != "en"]
    return ["encoder", "llama-en", *(f"llama-{code}" for code in adapted)]


def locate_cache() -> Path:
    """The cache folder that holds models built on this machine."""
    return cache_folder() / "bases"
