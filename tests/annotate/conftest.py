"""Projects that are served, for the tests of the pages."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from annotate.people import Served, make_project
from ikusi.annotate.store import open_store


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Make a project and serve it to clients in this process."""
    opened: list[Served] = []

    def serve(task: str = "validate", consent: str = "", **about: Any) -> Served:
        project = make_project(tmp_path / f"project-{len(opened)}", task, **about)
        opened.append(Served(project, open_store(project.folder), consent))
        return opened[-1]

    yield serve
    for one in opened:
        one.store.close()
