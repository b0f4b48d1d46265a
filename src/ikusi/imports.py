"""Modules with large libraries behind them, imported in less time."""

import gc
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


def load(name: str) -> ModuleType:
    """Import a module by its name, as `keep_imports` does; one that is imported is returned as it
    is."""
    if name in sys.modules:
        return importlib.import_module(name)
    with keep_imports():
        return importlib.import_module(name)


@contextmanager
def keep_imports() -> Iterator[None]:
    """Import without garbage collection, and exempt what was imported from later collections.

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
