"""What pytest leaves out where lmms-eval is not installed, and in which order the rest runs."""

from importlib.util import find_spec

import pytest

LMMS = (
    "src/ikusi/evaluate/harness/lmms_model.py",
    "src/ikusi/evaluate/harness/lmms_manifest.py",
    "tests/parity/lmms.py",
)
collect_ignore = [] if find_spec("lmms_eval") else list(LMMS)

LONGEST = (
    "tests/train/test_parallel.py",
    "tests/miniature/test_corpora.py",
    "tests/test_stopping.py",
    "tests/study/launch/test_real_slurm.py",
    "tests/study/launch/test_torchrun.py",
    "tests/study/test_paper_recipes.py",
    "tests/test_bench.py",
    "tests/test_power_cut.py",
)
"""Files that take more than half a minute. They start first: no processor waits for the last."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, the longest of all at the very beginning."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(LONGEST)))
