"""The base of connectors: stock LLaVA always has two layers with an activation between them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Connector:
    """A connector that stock LLaVA can have.

    Attributes:
        name: what recipes call it.
        activation: what stands between its layers, as transformers calls it.
        one_layer: the second layer is the identity and never learns.
    """

    name: str
    activation: str
    one_layer: bool = False
