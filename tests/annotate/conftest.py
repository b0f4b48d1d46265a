"""Projects that are served, for the tests of the pages."""

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from annotate.hall import QUIET, Hall, listening
from annotate.people import Served, make_own, make_project
from ikusi import processes
from ikusi.annotate.project import OWN, Project
from ikusi.annotate.store import open_store
from ikusi.web import stripping

CHROMIUM = Path("/usr/bin/chromium")


def make(folder: Path, task: str, **about: Any) -> Project:
    """A project of some task."""
    return make_own(folder, **about) if task == OWN else make_project(folder, task, **about)


@pytest.fixture
def stripped_here(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """Strip pictures in this process; `test_own_browser.py` does it in processes of their own."""

    def run(command: Sequence[str], **_: Any) -> subprocess.CompletedProcess[str]:
        assert command[2] == stripping.__name__
        capsys.readouterr()
        code = stripping.main(*command[3:])
        return subprocess.CompletedProcess(command, code, *capsys.readouterr())

    monkeypatch.setattr(processes, "run", run)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Make a project and serve it to clients in this process."""
    opened: list[Served] = []

    def serve(task: str = "validate", consent: str = "", **about: Any) -> Served:
        project = make(tmp_path / f"project-{len(opened)}", task, **about)
        opened.append(Served(project, open_store(project.folder), consent))
        return opened[-1]

    yield serve
    for one in opened:
        one.store.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium; while it is there, an event loop runs, and no test can run another."""
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.is_file():
        pytest.skip(f"no Chromium at {CHROMIUM}")
    with playwright.sync_playwright() as driver:
        own = os.environ | {"XDG_CONFIG_HOME": os.environ["XDG_CACHE_HOME"]}
        opened = driver.chromium.launch(executable_path=str(CHROMIUM), args=QUIET, env=own)
        yield opened
        opened.close()


@pytest.fixture
def hall(tmp_path: Path, browser: Any) -> Iterator[Callable[..., Hall]]:
    """Make a project and serve it to browsers on this machine."""
    halls: list[Hall] = []
    with ExitStack() as stack:

        def hall(task: str = "validate", **about: Any) -> Hall:
            project = make(tmp_path / f"project-{len(halls)}", task, **about)
            served = Served(project, open_store(project.folder))
            halls.append(Hall(served, stack.enter_context(listening(served.app)), browser))
            return halls[-1]

        yield hall
        for context in browser.contexts:
            context.close()
    for one in halls:
        one.served.store.close()
        assert one.foreign == [] and one.faults == []
