"""A disk that is full, has no inodes left or is read-only: one line, then the command goes on."""

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import powered
from ikusi import cli, disk
from ikusi.errors import InputError

COMMANDS = [powered.folder, powered.imports, powered.translates, powered.evaluates]


def mounted(folder: Path, *options: str) -> bool:
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
    return mount is not None and not subprocess.run(command, capture_output=True).returncode


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own."""
    (tmp_path / "disk").mkdir()
    if not mounted(tmp_path / "disk", "size=64m", "nr_inodes=1000"):
        pytest.skip("mounting a file system is for root")
    yield tmp_path / "disk"
    subprocess.run(["umount", "-l", str(tmp_path / "disk")], check=True)


@pytest.mark.parametrize("run", COMMANDS, ids=lambda run: run.__name__)
def test_every_command_says_in_a_line_that_the_disk_takes_no_more_and_goes_on(
    small: Path, tmp_path: Path, run: Callable[[Path, Path], Any]
) -> None:
    given, told = tmp_path / "given", {}
    powered.prepare(given)
    for limit in ("ro", "inodes", "size=4k", "size=36k"):
        used = os.statvfs(small)
        few = f"nr_inodes={used.f_files - used.f_ffree + 1}"
        options = few if limit == "inodes" else limit
        assert mounted(small, "remount", "size=64m", "nr_inodes=1000", "rw", options)
        try:
            run(small / "root", given)
        except InputError as error:
            told[limit] = str(error)
            assert "\n" not in str(error) and str(small) in str(error)
    assert "a disk that is read-only" in told["ro"]
    assert "no inodes left" in told["inodes"]
    assert " free of 4.1 kB" in told["size=4k"]
    assert mounted(small, "remount", "size=64m", "nr_inodes=1000", "rw")
    assert run(small / "root", given) == run(tmp_path / "roomy", given)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "expected room on the disk, found .* free of "),
        (errno.EDQUOT, "found your quota used up"),
        (errno.EFBIG, "found a limit on its size"),
        (errno.EROFS, "found a disk that is read-only"),
        (errno.EACCES, "found no right to"),
        (errno.EIO, "found: Input/output error"),
    ],
)
def test_what_a_disk_refuses_is_one_line_and_exit_code_3(
    number: int,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number), str(tmp_path / "x.partial" / "table"))

    (tmp_path / "x.partial").mkdir()
    (tmp_path / "x.partial" / "half").write_bytes(bytes(2000))
    monkeypatch.setattr("ikusi.language.available", refuse)
    with pytest.raises(SystemExit) as end:
        cli.main(["language", "list"])
    assert end.value.code == 3
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith(f"error: {tmp_path}/x.partial/table: ")
    with pytest.raises(InputError, match=words) as refused, disk.explained(tmp_path):
        refuse()
    full = number in disk.FULL
    assert ("2.0 kB had been written, so it needs more" in str(refused.value)) == full


@pytest.mark.parametrize(
    "words",
    [
        "Error while serializing: I/O error: No space left on device (os error 28)",
        "Error while serializing: IoError(Os { code: 28, kind: StorageFull })",
    ],
)
def test_libraries_that_tell_a_full_disk_in_words_are_understood(words: str) -> None:
    from safetensors import SafetensorError

    assert "expected room" in str(disk.fault(SafetensorError(words), Path("/out")))
    assert disk.fault(SafetensorError("Error while deserializing header"), Path("/out")) is None
    assert disk.fault(RuntimeError("code: 28"), Path("/out")) is None
