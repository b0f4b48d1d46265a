"""The rules of `conftest.py` for a run of the tests, on tests of its own."""

import os
import runpy
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import gettempdir
from types import SimpleNamespace

import pytest

import starting
from ikusi import speeds
from without_extras.sitecustomize import EXTRAS

ROOT = Path(__file__).parents[1]
SETTINGS = runpy.run_path(str(ROOT / "conftest.py"))
LONGEST, QUICK = SETTINGS["LONGEST"], SETTINGS["QUICK"]
TESTS = """
import sys, time
import pytest

def work():
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass

def test_quick(): pass

def test_unmarked(): work()

@pytest.mark.slow
def test_marked(): work()
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A folder with this suite's settings, a lower bound, and three tests."""
    settings = (ROOT / "conftest.py").read_text(encoding="utf-8")
    bounded = settings.replace("MOST_SECONDS = 10.0", "MOST_SECONDS = 0.2")
    assert bounded != settings
    (tmp_path / "conftest.py").write_text(bounded, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    for name in LONGEST:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "tests/test_speed.py").write_text(TESTS)
    return tmp_path


def run(folder: Path, *words: str) -> str:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests", *words]
    # Options that the user has set for the whole suite are none of this run's.
    own = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    done = subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True)
    return done.stdout + done.stderr


@pytest.mark.slow
def test_a_quick_run_leaves_slow_tests_out_and_fails_one_that_is_not_marked(suite: Path) -> None:
    told = run(suite, "-m", QUICK)
    assert "1 deselected" in told and "ERROR tests/test_speed.py::test_unmarked" in told
    assert "expected 0.2 s of processor time, or @pytest.mark.slow" in told
    assert "2 passed" in told and "1 error" in told


@pytest.mark.slow
def test_a_whole_run_lets_every_test_take_its_time(suite: Path) -> None:
    assert "3 passed" in run(suite)


def test_a_file_among_the_longest_that_is_not_there_ends_the_run(suite: Path) -> None:
    (suite / LONGEST[-1]).unlink()
    with pytest.raises(pytest.UsageError, match=f"found none: .'{LONGEST[-1]}'."):
        SETTINGS["pytest_configure"](SimpleNamespace(rootpath=suite))


@pytest.mark.parametrize(
    ("target", "marks"),
    [("test-fast", f'-m "{QUICK}"'), ("test", '-m "not system"'), ("test-system", "-m system")],
)
def test_make_chooses_tests_by_their_marks(target: str, marks: str) -> None:
    asked = ["make", "--dry-run", target]
    shown = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert any(line.endswith(f" {marks}") for line in shown.splitlines())


def test_a_landing_runs_both_kinds() -> None:
    lines = (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
    for target in ("test", "test-system"):
        assert any(line.startswith(f"make {target} ") for line in lines)


@pytest.mark.parametrize(("text", "left_out"), [("x = 1", True), (">>> x", None)])
def test_files_of_the_package_without_examples_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, left_out: bool | None
) -> None:
    ignore = SETTINGS["pytest_ignore_collect"]
    monkeypatch.setitem(ignore.__globals__, "PACKAGE", tmp_path / "src")
    for folder in ("src", "tests"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.py").write_text(text)
    assert ignore(tmp_path / "src/a.py") is left_out
    assert ignore(tmp_path / "tests/a.py") is None and ignore(tmp_path / "src") is None


def test_what_tests_keep_is_not_kept_in_the_users_cache() -> None:
    place = Path(os.environ["XDG_CACHE_HOME"])
    assert place.parent == Path(gettempdir()) and place.name.startswith("ikusi-tests-")
    assert speeds.locate_speeds().is_relative_to(place)
    shared = [path.name for path in (place / "ikusi").iterdir() if path.is_symlink()]
    assert sorted(shared) == ["miniature", "tests"]


def test_processes_of_the_tests_are_without_extras() -> None:
    code = f"from importlib.util import find_spec; print([find_spec(name) for name in {EXTRAS}])"
    environment = os.environ | {"PYTHONPATH": starting.paths()}
    command = [sys.executable, "-c", code]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == str([None] * len(EXTRAS))
    assert all(find_spec(name) for name in EXTRAS), "those of this process are there"
