"""Engines are asked what evaluations ask them, of the same small models."""

from evaluate.conftest import backbone, benchmarks, checkpoint

__all__ = ["backbone", "benchmarks", "checkpoint"]
