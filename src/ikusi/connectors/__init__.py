"""The layers between a vision encoder and an LLM, a file each, as stock LLaVA can have them.

A module here that has `CONNECTORS` adds those to what a recipe may ask for; nothing else needs to
know.
"""

from ikusi import catalogue
from ikusi.connectors.base import Connector

REGISTRY: catalogue.Modules[Connector] = catalogue.Modules(__name__, "CONNECTORS", "connector")


def has_one_layer(activation: str) -> bool:
    """Whether a projector with this activation is a single layer, and an identity after it."""
    return any(one.activation == activation and one.one_layer for one in REGISTRY.every.values())
