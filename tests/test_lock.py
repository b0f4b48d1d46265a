"""Two at once in one output: the second is refused, whatever the file system knows of locks."""

import errno
import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ikusi import artifact, claim
from ikusi.errors import InputError
from ikusi.lock import hold_folder

HOLD = """
import sys, time
from pathlib import Path
from ikusi import artifact, claim
path = Path(sys.argv[2])
made = {
    "whole": artifact.write_folder(path, fingerprint="f", kind="k"),
    "grown": claim.claim_folder(path, "k"),
}
with made[sys.argv[1]] as folder:
    (folder / "half").write_text("mine")
    print("held", flush=True)
    time.sleep(60)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


@pytest.mark.parametrize("way", ["whole", "grown"])
def test_the_second_is_refused_by_name_and_the_first_keeps_what_it_has(
    tmp_path: Path, way: str
) -> None:
    output = tmp_path / "out"
    command = [sys.executable, "-c", HOLD, way, str(output)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None and first.stdout.readline() == "held\n"
        before = names(tmp_path)
        told = f"out: expected no other run on this folder, found process {first.pid}, host "
        with pytest.raises(InputError, match=told):
            enter(way, output)
        assert names(tmp_path) == before
        first.kill()
    enter(way, output)  # a lock goes with its process
    assert not [name for name in names(tmp_path) if name.endswith(".lock")]


def enter(way: str, output: Path) -> None:
    if way == "grown":
        with claim.claim_folder(output, "k"):
            return
    with artifact.write_folder(output, fingerprint="f", kind="k"):
        return


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP])
def test_without_locks_a_file_names_the_holder_and_says_what_to_remove(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    lock = tmp_path / "out" / ".lock"
    with hold_folder(tmp_path / "out", "this"):
        told = f"found process {os.getpid()}, host {socket.gethostname()}; if that has ended, "
        with (
            pytest.raises(InputError, match=rf"{told}remove {lock}"),
            hold_folder(lock.parent, "it"),
        ):
            pass
    assert names(tmp_path) == ["out"]
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    lock.write_text(f"{ended.pid}\n{socket.gethostname()}\n")
    with hold_folder(tmp_path / "out", "this"):
        assert lock.read_text().startswith(f"{os.getpid()}\n")
