"""Engines are asked what evaluations ask them, of the same small models."""

from typing import Any

import pytest
from torch import Tensor, nn

from evaluate.conftest import backbone, benchmarks, checkpoint

__all__ = ["backbone", "benchmarks", "checkpoint"]


@pytest.fixture
def key_heads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The heads of keys that torch's kernel of attention was given, call by call."""
    counted: list[int] = []
    kernel = nn.functional.scaled_dot_product_attention

    def count(query: Tensor, key: Tensor, *given: Any, **named: Any) -> Tensor:
        counted.append(key.shape[1])
        return kernel(query, key, *given, **named)

    monkeypatch.setattr(nn.functional, "scaled_dot_product_attention", count)
    return counted
