"""One thread, no hub, no display, a cache of their own: every test behaves the same on every
machine, and leaves nothing in the user's."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import platformdirs
from hypothesis import settings

KEPT = ("ikusi/miniature", "ikusi/tests", "matplotlib")
"""Folders of the user's cache that tests read and add to: what takes long to make or is brought
from elsewhere, and is the same in every run."""


def make_cache() -> "TemporaryDirectory[str]":
    """A cache for this run, and for all processes that it starts."""
    own, users = TemporaryDirectory(prefix="ikusi-tests-"), platformdirs.user_cache_path()
    for name in KEPT:
        place = Path(own.name, name)
        (users / name).mkdir(parents=True, exist_ok=True)
        place.parent.mkdir(exist_ok=True)
        place.symlink_to(users / name)
    return own


CACHE = make_cache()  # gone when this process ends

# Read by libraries when they are first imported, so set before any test module.
os.environ.update(
    OMP_NUM_THREADS="1",
    MKL_NUM_THREADS="1",
    HF_HUB_OFFLINE="1",
    TOKENIZERS_PARALLELISM="false",
    MPLBACKEND="Agg",
    XDG_CACHE_HOME=CACHE.name,
)

# The same examples in every run of the same code.
settings.register_profile("same", derandomize=True)
settings.load_profile("same")
