"""The paper's connector: one linear layer."""

from ikusi.connectors.base import Connector

CONNECTORS = [Connector("linear", activation="linear", one_layer=True)]
