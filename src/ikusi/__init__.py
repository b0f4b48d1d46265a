"""Ikusi builds, measures and releases multimodal language models for low-resource languages."""

__version__ = "0.1.0"
