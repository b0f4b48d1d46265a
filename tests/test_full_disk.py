"""A disk that is full, has no inodes left or is read-only: one line, then the command goes on."""

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import measured
import powered
from compare.studies import Folder
from compare.test_runs import evaluation
from ikusi import cli, disk, judgements
from ikusi.errors import InputError
from ikusi.report import figures
from ikusi.study.graph import Step
from judgements.samples import validated

PAGE = 4096  # bytes: the least that a file takes on these disks
ROOMY = ("size=64m", "nr_inodes=1000", "rw")
COMMANDS = [powered.folder, powered.imports, powered.translates, powered.evaluates]


def mounted(folder: Path, *options: str) -> bool:
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
    return mount is not None and not subprocess.run(command, capture_output=True).returncode


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own."""
    (tmp_path / "disk").mkdir()
    if not mounted(tmp_path / "disk", *ROOMY):
        pytest.skip("mounting a file system is for root")
    yield tmp_path / "disk"
    subprocess.run(["umount", "-l", str(tmp_path / "disk")], check=True)


def limited(folder: Path, *limits: str) -> None:
    """Make a disk as small as its contents allow, or as shut, as `limits` say."""
    used = os.statvfs(folder)
    least = (used.f_blocks - used.f_bfree) * PAGE
    told = []
    for limit in limits:
        what, _, count = limit.partition("=")
        if what == "pages":
            told.append(f"size={max(least, int(count) * PAGE)}")
        elif what == "inodes":
            told.append(f"nr_inodes={used.f_files - used.f_ffree + int(count)}")
        else:
            told.append(limit)
    assert mounted(folder, "remount", *ROOMY, *told)


@pytest.mark.system
@pytest.mark.slow
@pytest.mark.parametrize("run", COMMANDS, ids=lambda run: run.__name__)
def test_every_command_says_in_a_line_that_the_disk_takes_no_more_and_goes_on(
    small: Path, tmp_path: Path, run: Callable[[Path, Path], Any]
) -> None:
    given, told = tmp_path / "given", {}
    powered.prepare(given)
    for limit in ("ro", "inodes=1", "size=4k", "size=36k"):
        limited(small, limit)
        try:
            run(small / "root", given)
        except InputError as error:
            told[limit] = str(error)
            assert "\n" not in str(error) and str(small) in str(error)
    assert "a disk that is read-only" in told["ro"]
    assert "no inodes left" in told["inodes=1"]
    assert " free of 4.1 kB" in told["size=4k"]
    limited(small)
    assert run(small / "root", given) == run(tmp_path / "roomy", given)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The inputs of the commands below."""
    folder = tmp_path_factory.mktemp("given")
    measured.llava(folder / "llava")
    measured.five(folder / "corpora", ["en"])
    for name, skill in (("a", 0.3), ("b", 0.7)):
        evaluation(folder / name, skill)
    study = Folder(folder / "measured", name="emoji-eu-quick", pictures=2)
    study.draw()
    study.measure(lambda *_: 0.7, only=["english-eu000"])
    judgements.append(folder / "judged", [validated(f"r{n}", "ane", "accept") for n in range(8)])
    return folder


WRITES = {
    "compare": "compare a b --bootstrap 200 --output out",
    "export": "export llava --to llm --output out",
    "report": "report measured --output out",
    "inspect": "inspect llava corpora/vqa --html out/page.html",
    "show": "data show corpora/vqa --html out/page.html",
    "tasks": "tasks lmms-eval --data corpora --benchmark miniature/vqa --language en --output out",
    "pack": "language new cy --output out/cy.yaml",
    "study": "study recipe.yaml --studies out",
    "judgements": "judgements report judged --output out",
    "table": "judgements export judged --output out/judged.parquet",
}

LIMITS = {
    "report": ("ro", "pages=20"),
    # No room for its own files, its logs, a log, a step's file.
    "study": ("pages=1", "inodes=1", "inodes=2", "inodes=3", "pages=12", "ro"),
}


def contents(folder: Path) -> dict[str, int | bytes]:
    """Files, but for those that tell times: of these, only that they are there."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    return {
        name: 0 if name.endswith((".log", "manifest.json")) else path.read_bytes()
        for name, path in files.items()
        if path.is_file()
    }


@pytest.mark.system
@pytest.mark.slow
@pytest.mark.parametrize("name", WRITES)
def test_whatever_writes_says_so_with_path_and_room_and_then_goes_on(
    name: str, small: Path, tmp_path: Path, given: Path,
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    steps = [Step("first", "powered:step"), Step("second", "powered:step", inputs=("first",))]
    monkeypatch.setattr("ikusi.study.layout.list_steps", lambda recipe: steps)
    draw_all = figures.draw_all  # each figure takes a second
    monkeypatch.setattr(figures, "draw_all", lambda study: draw_all(study)[:1])
    places = {file.name: file for file in given.iterdir()}
    places["recipe.yaml"] = Path(__file__).parents[1] / "recipes" / "emoji-eu.yaml"

    def run(output: Path) -> tuple[int, list[str]]:
        """Exit code, and the lines that tell of a fault."""
        there = {**places, "out": output / "out"}
        words = []
        for word in WRITES[name].split():
            first, slash, rest = word.partition("/")
            words.append(f"{there.get(first, first)}{slash}{rest}")
        with pytest.raises(SystemExit) as end:
            cli.main(words)
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return int(end.value.code or 0), [
            line for line in (out + err).splitlines() if "expected" in line
        ]

    assert run(tmp_path / "roomy") == (0, [])
    whole = contents(tmp_path / "roomy")
    need = sum(-(-(tmp_path / "roomy" / file).stat().st_size // PAGE) for file in whole)
    for limit in LIMITS.get(name, ("inodes=1", "pages=1", f"pages={need - 1}", "ro")):
        limited(small, limit)
        code, lines = run(small / "root")
        assert code == 3 and len(lines) == 1 and str(small) in lines[0], (limit, code, lines)
    limited(small)
    assert run(small / "root") == (0, [])
    assert contents(small / "root") == whole


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
    monkeypatch.setattr("ikusi.language.list_packs", refuse)
    with pytest.raises(SystemExit) as end:
        cli.main(["language", "list"])
    assert end.value.code == 3
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith(f"error: {tmp_path}/x.partial/table: ")
    with pytest.raises(InputError, match=words) as refused, disk.explain_errors(tmp_path):
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

    assert "expected room" in str(disk.describe_fault(SafetensorError(words), Path("/out")))
    assert (
        disk.describe_fault(SafetensorError("Error while deserializing header"), Path("/out"))
        is None
    )
    assert disk.describe_fault(RuntimeError("code: 28"), Path("/out")) is None
