"""Engines, a file each: they run a model in this process, in vLLM, or behind a server.

A module here that has `ENGINES` adds those; nothing else needs to know.
"""

from ikusi import catalogue
from ikusi.answer.engine import Asked, Engine, Way
from ikusi.errors import InputError

REGISTRY: catalogue.Modules[Way] = catalogue.Modules(__name__, "ENGINES", "--engine")


def open_engine(name: str, asked: Asked) -> Engine:
    """Open a model where the engine of this name runs it.

    Raises:
        InputError: there is no such engine, or it has no such model.
    """
    way = REGISTRY.find(name)
    if way.remote != (asked.url is not None):
        actual = f"--engine {name}, --url {asked.url}"
        raise InputError(f"expected --engine server and --url together, found {actual}")
    return way.open(asked)
