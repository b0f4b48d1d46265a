"""Paths of the models that are called `miniature/...`: its own, and LLMs of others.

Loads nothing heavy: plans are made without torch.
"""

import re
from pathlib import Path

from ikusi import packaged
from ikusi.errors import InputError
from ikusi.miniature.packages import cache_folder, list_used, read_catalogue

PREFIX = "miniature/"
RATIO = 0.8  # of the rows of a backbone that is adapted to a language are in it
HAS_READ = re.compile(r"llama-(?P<code>.+)-(?P<percent>\d+(\.\d+)?)pct")


def find_model(name: str) -> Path:
    """Folder of a base model such as `miniature/encoder` or `miniature/llama-eu`.

    Raises:
        InputError: it neither ships nor was built or fetched here.
    """
    if folder := find_here(name):
        return folder
    short = name.removeprefix(PREFIX)
    if find_package(name):
        how = f"ikusi miniature fetch {short}"
        raise InputError(f"{name}: expected it here, found none yet: `{how}` brings it")
    how = "ikusi miniature bases"
    if short.startswith("llama-"):
        code, share = read_name(short)
        how += f" --language {code}" + ("" if share == RATIO else f" --share {share:g}")
    raise InputError(f"{name}: expected a base model, found none (make it: {how})")


def find_here(name: str) -> Path | None:
    """Folder of a base model that is called `miniature/...`; none where it is not here."""
    short = name.removeprefix(PREFIX)
    folders = (root / short for root in (packaged.BASES, locate_cache()))
    return next((folder for folder in folders if (folder / "config.json").exists()), None)


def find_package(name: str) -> str | None:
    """The package that an LLM of others comes in, such as `miniature/smollm2`; none for models of
    the miniature's own."""
    short = name.removeprefix(PREFIX)
    return next((one for one, entry in list_used("llm").items() if entry["model"] == short), None)


def find_unfetched(name: str) -> str | None:
    """The hub's name of an LLM of others that has not been fetched; None for any other model."""
    package = find_package(name)
    return None if not package or find_here(name) else read_catalogue()[package]["source"]


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
    """The place of a base model: a folder, or the hub's name as it stands, revision included.

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
