"""Modules with large libraries behind them, imported in less time."""

import gc
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


def load(name: str) -> ModuleType:
    """A module by its name, imported as `keep_imports` does where it has not been before."""
    if name in sys.modules:
        return importlib.import_module(name)
    with keep_imports():
        return importlib.import_module(name)


@contextmanager
def keep_imports() -> Iterator[None]:
    """Import without looking for garbage, nor ever after among what was imported.

    A million objects come with PyTorch and transformers, and last as long as the process. To look
    through them again and again while more of them come is a sixth of the time of the import.
    """
    looks = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if looks:
            gc.enable()
