import os
import time
from pathlib import Path

import pytest

from ikusi.errors import InputError
from ikusi.train import compiling, parallel


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("TORCH_EXTENSIONS_DIR", raising=False)
    path = tmp_path / "torch_extensions/py311_cpu/deepspeed_shm_comm/lock"
    path.parent.mkdir(parents=True)
    path.touch()
    return path


def age(lock: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(lock, (then, then))


def test_a_lock_that_a_killed_compilation_left_is_named(lock: Path) -> None:
    age(lock, compiling.LONGEST + 60)
    with pytest.raises(InputError, match=r"deepspeed_shm_comm/lock: .* 16 minutes .* delete it"):
        compiling.expect_no_left_lock()


def test_a_lock_is_found_where_torch_is_told_to_compile(
    lock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    age(lock, compiling.LONGEST + 60)
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path / "elsewhere"))
    compiling.expect_no_left_lock()
    moved = tmp_path / "elsewhere/deepspeed_shm_comm/lock"
    moved.parent.mkdir(parents=True)
    lock.rename(moved)
    with pytest.raises(InputError, match=r"elsewhere/deepspeed_shm_comm/lock: .* delete it"):
        compiling.expect_no_left_lock()


def test_a_lock_of_a_compilation_under_way_is_waited_for(lock: Path) -> None:
    age(lock, compiling.LONGEST - 60)
    compiling.expect_no_left_lock()
    lock.unlink()
    compiling.expect_no_left_lock()


def test_only_a_training_under_zero_stops_at_such_a_lock(lock: Path) -> None:
    age(lock, 24 * 3600)
    assert parallel.make_deepspeed_settings("ddp", bf16=False) is None
    for chosen in ("zero2", "zero3"):
        with pytest.raises(InputError, match="delete it"):
            parallel.make_deepspeed_settings(chosen, bf16=False)
