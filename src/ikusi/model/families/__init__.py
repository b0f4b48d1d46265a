"""Families of models that see: a file for each, with what is true of it alone.

A file lists its families as `FAMILIES`; nothing else names them. `base` holds the contract, and
what most families have in common.
"""

from __future__ import annotations

from typing import Any

from ikusi import catalogue
from ikusi.errors import InputError
from ikusi.model.families.base import Family

REGISTRY: catalogue.Modules[Family] = catalogue.Modules(
    "ikusi.model.families", "FAMILIES", "family"
)


def list_types() -> list[str]:
    """Every model type that a family covers."""
    return sorted(kind for one in REGISTRY.every.values() for kind in one.model_types)


def find(model_type: str) -> Family | None:
    """The family of a model type of transformers; None for what is in no family."""
    return next((one for one in REGISTRY.every.values() if model_type in one.model_types), None)


def find_of(model: Any) -> Family | None:
    """The family of a model; None for a bare LLM.

    Raises:
        InputError: it sees, and is in no family.
    """
    family = find(model.config.model_type)
    if family is None and getattr(model.config, "vision_config", None) is not None:
        known = ", ".join(list_types())
        raise InputError(
            f"model: expected a bare LLM or one that sees of the kinds {known}, "
            f"found {model.config.model_type}"
        )
    return family
