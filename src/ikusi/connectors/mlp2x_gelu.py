"""The connector of LLaVA-1.5: two layers."""

from ikusi.connectors.base import Connector

CONNECTORS = [Connector("mlp2x_gelu", activation="gelu")]
