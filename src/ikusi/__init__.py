"""Ikusi builds, measures and releases multimodal language models for low-resource languages.

From Python: `assemble` and `load` give a model and its processor, `Corpus`, `MixturePart` and
`Mixture` what it trains on, and `ikusi.train(...)` trains it (docs/training.md has an example).
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PLACES = {
    "assemble": "ikusi.model.fusion",
    "load": "ikusi.model.fusion",
    "Corpus": "ikusi.data.corpus",
    "Mixture": "ikusi.data.mixture",
    "MixturePart": "ikusi.data.mixture",
}


def __getattr__(name: str) -> Any:
    """What is told above, imported when it is asked for: `import ikusi` loads nothing heavy."""
    if name == "train":
        return import_module("ikusi.train")
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'ikusi' has no attribute {name!r}")
