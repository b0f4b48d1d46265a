"""Rules of a run of the tests: what is left out where lmms-eval is not installed, the order of the
rest, and the time that a quick run may take."""

import gc
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent / "src/ikusi"
LMMS = (
    "src/ikusi/evaluate/harness/lmms_model.py",
    "src/ikusi/evaluate/harness/lmms_manifest.py",
    "tests/parity/lmms.py",
)
collect_ignore = [] if find_spec("lmms_eval") else list(LMMS)

LONGEST = (
    "tests/study/launch/test_real_slurm.py",
    "tests/train/test_parallel.py",
    "tests/test_stopping.py",
    "tests/study/launch/test_torchrun.py",
    "tests/study/test_paper_recipes.py",
    "tests/test_power_cut.py",
    "tests/miniature/test_corpora.py",
    "tests/test_full_disk.py",
    "tests/study/test_code.py",
    "tests/annotate/test_browser.py",
)
"""Files that take more than half a minute. They start first: no processor waits for the last."""

DOCTEST = b">>>"
QUICK = "not slow and not system"  # the marks of a quick run: make test-fast
MOST_SECONDS = 10.0
"""Processor time that a test without the mark may take, with all that it has started: many times
what it takes, as it may be the first to load a large library."""


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a file among the longest that is not there: it was renamed or split.

    What is then imported to collect the tests stays: nobody need look for garbage in it.
    """
    if missing := [name for name in LONGEST if not (config.rootpath / name).is_file()]:
        raise pytest.UsageError(f"conftest.py: LONGEST: expected files, found none: {missing}")
    gc.disable()


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out the package's files that have no example: each would be imported to see that."""
    if collection_path.suffix != ".py" or PACKAGE not in collection_path.parents:
        return None
    return True if DOCTEST not in collection_path.read_bytes() else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, the longest of all at the very beginning."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(LONGEST)))


def pytest_collection_finish() -> None:
    """Look for garbage again, but never among what was imported."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def quick(request: pytest.FixtureRequest) -> Iterator[None]:
    """In a quick run, fail a test that is slow and not marked so."""
    before = processor_seconds()
    yield
    taken = processor_seconds() - before
    if request.config.getoption("markexpr") == QUICK and taken > MOST_SECONDS:
        pytest.fail(f"expected {MOST_SECONDS} s of processor time, or @pytest.mark.slow: {taken}")


def processor_seconds() -> float:
    """Processor time of this process so far, and of all that it has started and waited for."""
    return sum(os.times()[:4])
