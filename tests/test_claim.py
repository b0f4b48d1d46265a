"""The door to where Ikusi writes: nothing of anybody else's is replaced, by any writer."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from ikusi import artifact, claim, cli
from ikusi.errors import InputError
from translate.jobs import numbered

Door = Callable[[Path], object]


def replaced(path: Path) -> None:
    with artifact.write_folder(path, fingerprint="f", kind="k") as staging:
        (staging / "made").write_text("by Ikusi")


def grown(path: Path) -> None:
    with claim.claim_folder(path, "k") as folder:
        (folder / "made").write_text("by Ikusi")


DOORS = {"replaced": replaced, "grown": grown}


def everything(folder: Path) -> dict[str, str]:
    """Every path below a folder, with what is there."""
    return {
        str(path.relative_to(folder)): path.read_text(errors="replace")
        if path.is_file() and not path.is_symlink()
        else oct(stat.S_IFMT(path.lstat().st_mode))
        for path in folder.rglob("*")
    }


@pytest.fixture
def somebodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of somebody's, with a file in it."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("three years")
    return tmp_path / "mine"


def file_in(folder: Path) -> Path:
    return folder / "thesis.txt"


def below_a_file(folder: Path) -> Path:
    return folder / "thesis.txt" / "out"


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def linked(folder: Path) -> Path:
    (folder / "link").symlink_to(folder)
    return folder / "link"


def dangling(folder: Path) -> Path:
    (folder / "link").symlink_to(folder / "unmounted" / "out")
    return folder / "link"


def circle(folder: Path) -> Path:
    (folder / "link").symlink_to(folder / "link")
    return folder / "link"


def device(folder: Path) -> Path:
    return Path("/dev/null")


def root(folder: Path) -> Path:
    return Path("/")


def here(folder: Path) -> Path:
    return Path()


def above(folder: Path) -> Path:
    return Path("..")


def home(folder: Path) -> Path:
    return Path("~").expanduser()


def itself(folder: Path) -> Path:
    return folder


TAKEN = [itself, file_in, below_a_file, pipe, linked, dangling, circle]
TAKEN += [device, root, here, above, home]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("taken", TAKEN)
def test_what_is_somebodys_is_refused_and_left(
    somebodys: Path, taken: Callable[[Path], Path], door: str
) -> None:
    output = taken(somebodys)
    before = everything(somebodys.parent)
    with pytest.raises(InputError, match=r": expected .*, found ") as refused:
        DOORS[door](output)
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith((str(output), str(somebodys)))
    assert everything(somebodys.parent) == before
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("ending", [".partial", ".replaced"])
def test_somebodys_folder_beside_is_refused_and_left(somebodys: Path, ending: str) -> None:
    beside = somebodys.rename(somebodys.with_name(f"out{ending}"))
    before = everything(somebodys.parent)
    with pytest.raises(InputError, match=f"out{ending}: expected .*, found thesis.txt"):
        replaced(somebodys.with_name("out"))
    assert everything(somebodys.parent) == before and beside.exists()


def test_somebodys_lock_beside_is_refused_and_left(somebodys: Path) -> None:
    (somebodys.parent / ".out.lock").write_text("a diary")
    with pytest.raises(InputError, match=r"\.out\.lock: expected no file or a lock of Ikusi's"):
        replaced(somebodys.parent / "out")
    assert (somebodys.parent / ".out.lock").read_text() == "a diary"


@pytest.mark.parametrize("door", DOORS)
def test_what_ikusi_made_for_the_same_purpose_is_taken_again(tmp_path: Path, door: str) -> None:
    (tmp_path / "out").mkdir()
    for _ in range(2):
        DOORS[door](tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"out"}
    with pytest.raises(InputError, match=r"made by `other`, found .*, of `k`"):
        claim.expect(tmp_path / "out", "other")
    with pytest.raises(InputError, match=r"made by `other`, found .*, of `k`"):
        claim.expect_whole(tmp_path / "out", "other")


def test_a_finished_folder_is_not_added_to(tmp_path: Path) -> None:
    replaced(tmp_path / "out")
    with pytest.raises(InputError, match=r"found made, manifest\.json, of `k`"):
        grown(tmp_path / "out")


@pytest.mark.parametrize("name", ["notes.txt", "deep/notes.txt", "link"])
def test_a_file_that_somebody_added_to_ours_is_never_deleted(tmp_path: Path, name: str) -> None:
    replaced(tmp_path / "out")
    own = tmp_path / "out" / name
    own.parent.mkdir(exist_ok=True)
    own.symlink_to(tmp_path) if name == "link" else own.write_text("own")
    with pytest.raises(InputError, match=rf"only what Ikusi wrote there, .* found {name}; move"):
        replaced(tmp_path / "out")
    assert os.path.lexists(own)
    grown(tmp_path / "place")
    (tmp_path / "place" / "notes.txt").write_text("own")
    grown(tmp_path / "place")
    assert (tmp_path / "place" / "notes.txt").read_text() == "own"


def test_a_file_that_is_added_during_the_work_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    replaced(tmp_path / "out")
    with artifact.write_folder(tmp_path / "out", fingerprint="g", kind="k") as staging:
        (staging / "new").write_text("")
        (tmp_path / "out" / "notes.txt").write_text("own")
    assert artifact.is_current(tmp_path / "out", "g")
    assert everything(tmp_path / "out.replaced").get("notes.txt") == "own"
    assert "out.replaced: kept for what Ikusi did not write: notes.txt" in caplog.text


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk" / "out")
    for _ in range(2):
        replaced(tmp_path / "out")
        assert (tmp_path / "out").is_symlink()
        assert {path.name for path in (tmp_path / "disk").iterdir()} == {"out"}
    assert artifact.is_current(tmp_path / "out", "f")


@pytest.mark.parametrize("output", ["read", "read/out", ""])
def test_outputs_are_apart_from_what_is_read(tmp_path: Path, output: str) -> None:
    (tmp_path / "a" / "read").mkdir(parents=True)
    for door in (claim.expect, claim.expect_whole, claim.check_file):
        with pytest.raises(InputError, match="expected an output apart from what is read, found"):
            door(tmp_path / "a" / output, "k", [tmp_path / "a" / "read"])
    with pytest.raises(InputError, match="expected an output apart from what is read"):
        claim.expect_whole(tmp_path / "out", "k", [tmp_path / "out.partial"])


def test_files_are_replaced_only_with_our_mark(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    for text in (f"<head>{claim.PAGE}", "<head>a page about Ikusi", " " * 4096 + claim.PAGE, ""):
        page.write_text(text)
        if text.startswith("<head><meta"):
            assert claim.check_file(page, claim.PAGE) == page
            continue
        with pytest.raises(InputError, match=r"expected a new file or one of Ikusi's"):
            claim.check_file(page, claim.PAGE)
        assert page.read_text() == text
    with pytest.raises(InputError, match="expected a new file, found another"):
        claim.check_file(page, None)
    assert claim.check_file(tmp_path / "new" / "page.html", None).parent.is_dir()


@pytest.mark.parametrize("taken", [itself, below_a_file, pipe, dangling, circle, device])
def test_a_file_is_not_written_over_what_is_no_file(
    somebodys: Path, taken: Callable[[Path], Path]
) -> None:
    output = taken(somebodys)
    before = everything(somebodys.parent)
    with pytest.raises(InputError, match=r": expected .*, found "):
        claim.check_file(output, claim.PAGE)
    assert everything(somebodys.parent) == before


def command(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main([str(argument) for argument in arguments])
    return end.value.code if isinstance(end.value.code, int) else int(end.value.code is not None)


def test_every_command_goes_through_the_door(
    somebodys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before any work: most of what these commands name is not there."""
    tmp = somebodys.parent
    corpus = numbered(tmp / "corpus", "vqa", 4).folder
    (tmp / "rows.jsonl").write_text('{"id": "1", "text": "a"}\n')
    (tmp / "to.yaml").write_text(
        "{name: t, language: eu, engine: {kind: command, command: [absent]}}"
    )
    runs = ["--benchmark", "vqav2", "--language", "en", "--output", somebodys]
    page = somebodys / "thesis.txt"
    before = everything(tmp)
    for arguments in (
        ["data", "import", "table", "--path", tmp / "rows.jsonl", "row_type=caption"],
        ["translate", tmp / "to.yaml", "--corpus", corpus],
        ["export", "absent", "--to", "llm"],
        ["compare", "absent", "absent"],
        ["report", "absent"],
        ["evaluate", "absent", *runs[:4]],
        ["tasks", "lmms-eval", *runs[:4], "--data", tmp],
        ["data", "show", corpus, "--html", page],
        ["inspect", "absent", corpus, "--html", page],
        ["miniature", "sheet", "--output", page],
        ["language", "new", "cy", "--output", page],
    ):
        output = [] if page in arguments else ["--output", somebodys]
        assert command(*arguments, *output) == 3, arguments
        told = capsys.readouterr().err
        named = page if page in arguments else somebodys
        assert told.startswith(f"error: {named}: expected ") and told.count("\n") == 1, told
        assert everything(tmp) == before, arguments
