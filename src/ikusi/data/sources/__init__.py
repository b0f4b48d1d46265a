"""Public data sets, one file each: what a row of theirs is in the corpus format.

A module here that has `SOURCES` adds those data sets to the list; nothing else needs to know.
"""

from ikusi import catalogue
from ikusi.data.sources.base import Source

REGISTRY: catalogue.Modules[Source] = catalogue.Modules(__name__, "SOURCES", "source")


def list_sources() -> list[Source]:
    """The data sets that can be imported, by name."""
    return [REGISTRY.every[name] for name in REGISTRY.names()]


def load(name: str) -> Source:
    """A data set by its name.

    Raises:
        InputError: there is none of that name.
    """
    return REGISTRY.find(name)
