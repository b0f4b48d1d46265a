"""Where the miniature's base models are. Loads nothing heavy: plans are made without torch."""

import re
from pathlib import Path

from ikusi import packaged
from ikusi.errors import InputError
from ikusi.miniature.packages import cache_folder

PREFIX = "miniature/"
RATIO = 0.8  # of the rows of a backbone that is adapted to a language are in it
HAS_READ = re.compile(r"llama-(?P<code>.+)-(?P<percent>\d+(\.\d+)?)pct")


def find_model(name: str) -> Path:
    """Folder of a base model such as `miniature/encoder` or `miniature/llama-eu`.

    Raises:
        InputError: it neither ships nor was built here.
    """
    short = name.removeprefix(PREFIX)
    for root in (packaged.BASES, locate_cache()):
        if (root / short / "config.json").exists():
            return root / short
    how = "ikusi miniature bases"
    if short.startswith("llama-"):
        code, share = read_name(short)
        how += f" --language {code}" + ("" if share == RATIO else f" --share {share:g}")
    raise InputError(f"{name}: expected a base model, found none (make it: {how})")


def name_llama(code: str, share: float = RATIO) -> str:
    """Name of a backbone that has read a language, beside English: with another share than the
    adapted one's, the share in percent too, `llama-eu-0.1pct`."""
    return f"llama-{code}" if share == RATIO else f"llama-{code}-{share * 100:g}pct"


def read_name(name: str) -> tuple[str, float]:
    """Language and share of a backbone's name, `name_llama` undone."""
    if match := HAS_READ.fullmatch(name):
        return match["code"], float(match["percent"]) / 100
    return name.partition("-")[2], RATIO


def locate_base(name: str) -> str:
    """Where a base model is: a folder, or the hub's name as it stands, revision included.

    Raises:
        InputError: a `miniature/...` model that has not been made.
    """
    return str(find_model(name)) if name.startswith(PREFIX) else name


def list_models() -> list[str]:
    """Every model that ships: the encoder, the English backbone, and its twin that is adapted to
    Basque."""
    return ["encoder", "llama-en", "llama-eu"]


def locate_cache() -> Path:
    """The cache folder that holds models built on this machine."""
    return cache_folder() / "bases"
