"""Public data sets, one file each: what a row of theirs is in the corpus format.

A module here that has `SOURCES` adds those data sets to the list; nothing else needs to know.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from ikusi import yamlfile
from ikusi.data.sources.base import Source
from ikusi.errors import InputError


@cache
def _every() -> dict[str, Source]:
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    modules = (importlib.import_module(f"{__name__}.{name}") for name in names)
    return {source.name: source for module in modules for source in getattr(module, "SOURCES", ())}


def available() -> list[Source]:
    """The data sets that can be imported, by name."""
    return [source for _, source in sorted(_every().items())]


def load(name: str) -> Source:
    """A data set by its name.

    Raises:
        InputError: there is none of that name.
    """
    if name not in _every():
        near = yamlfile.nearest(name, _every())
        hint = f" (did you mean {near}?)" if near else ""
        known = ", ".join(source.name for source in available())
        raise InputError(f"source: expected one of {known}, found {name}{hint}")
    return _every()[name]
