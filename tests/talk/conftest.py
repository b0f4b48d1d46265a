"""Stages for the tests of the pages; pictures are stripped in this process."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from annotate.conftest import browser, stripped_here
from talk.stage import Stage

__all__ = ["browser", "stage", "stripped_here"]


@pytest.fixture
def stage() -> Iterator[Callable[..., Stage]]:
    """Make the pages of some models."""
    made: list[Stage] = []

    def stage(*engines: Any, **settings: Any) -> Stage:
        made.append(Stage(*engines, **settings))
        return made[-1]

    yield stage
    for one in made:
        one.close()
