"""Files are known by all their bytes, and read once: whatever changes them changes their name."""

import hashlib
import os
import shutil
import threading
import time
from pathlib import Path

import platformdirs
import pytest

from ikusi import content
from ikusi.errors import InputError

MIB = 2**20


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *_: tmp_path / "cache")
    return tmp_path / "cache" / "digests"


def aged(path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that counts as settled although it was written just now."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    monkeypatch.setattr(content, "SETTLED", -1.0)
    return path


def changed(path: Path, place: int) -> None:
    """Change one byte in place, and give the file the time that it had."""
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("place", [0, MIB + 5, 16 * MIB + 1, 20 * MIB - 1])
def test_one_byte_anywhere_gives_another_name_also_with_the_old_time(
    tmp_path: Path, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = aged(tmp_path / "model.safetensors", bytes(20 * MIB), monkeypatch)
    before = content.hash_file(path)
    changed(path, place)
    assert content.hash_file(path) != before


def test_a_small_file_has_its_plain_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"words")
    assert content.hash_file(tmp_path / "a") == hashlib.sha256(b"words").hexdigest()


def test_a_large_file_is_read_once_and_a_copy_with_other_times_is_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = aged(tmp_path / "one" / "weights", os.urandom(2 * MIB), monkeypatch)
    (tmp_path / "one" / "deep").mkdir()
    (tmp_path / "one" / "deep" / "vocabulary").write_text("a b c")
    before, name = content.hash_file(path), content.hash_folder(tmp_path / "one")
    copied = shutil.copytree(tmp_path / "one", tmp_path / "two", copy_function=shutil.copyfile)
    os.utime(copied / "weights", (1e9, 1e9))
    assert content.hash_file(copied / "weights") == before and content.hash_folder(copied) == name
    monkeypatch.setattr(content, "_hash", lambda *_: pytest.fail("read again"))
    assert content.hash_file(path) == before and content.hash_folder(copied) == name


def test_names_below_the_folder_count_and_notes_do_not(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "a").write_text("x")
    name = content.hash_folder(folder)
    for note in content.NOTES:
        (folder / note.replace("*", "README")).write_text("how it was made")
    assert content.hash_folder(folder) == name
    (folder / "a").rename(folder / "b")
    assert content.hash_folder(folder) != name


def test_a_file_that_was_just_written_is_not_kept(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(os.urandom(2 * MIB))
    content.hash_file(path)
    assert not cache.exists()
    then = time.time() + content.SETTLED + 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: then)
        content.hash_file(path)
    assert len(list(cache.iterdir())) == 1


def test_a_file_that_changes_while_it_is_read_is_not_kept(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = aged(tmp_path / "weights", bytes(2 * MIB), monkeypatch)
    read = content._hash

    def torn(path: Path, size: int) -> str:
        found = read(path, size)
        path.write_bytes(os.urandom(2 * MIB))
        return found

    monkeypatch.setattr(content, "_hash", torn)
    content.hash_file(path)
    assert not cache.exists()


def test_a_damaged_or_unwritable_cache_costs_time_alone(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = aged(tmp_path / "weights", os.urandom(2 * MIB), monkeypatch)
    before = content.hash_file(path)
    (entry,) = cache.iterdir()
    for damage in (b"", before[:20].encode(), b"\xff\xfe"):
        entry.write_bytes(damage)
        assert content.hash_file(path) == before
    shutil.rmtree(cache)
    cache.write_text("a file in the way")
    assert content.hash_file(path) == before


def test_the_cache_stays_small_and_keeps_what_was_asked_for_last(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "ENTRIES", 8)
    monkeypatch.setattr(content, "KEPT_FROM", 1)
    for number in range(30):
        content.hash_file(aged(tmp_path / f"{number}", bytes([number]), monkeypatch))
        assert len(list(cache.iterdir())) <= 8
    monkeypatch.setattr(content, "_hash", lambda *_: pytest.fail("read again"))
    content.hash_file(tmp_path / "29")


def test_many_at_once_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = aged(tmp_path / "weights", os.urandom(3 * MIB), monkeypatch)
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(content.hash_file(path))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(found)) == 1


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe: expected a file, found a pipe, a device"):
        content.hash_file(tmp_path / "pipe")
    with pytest.raises(InputError, match="nothing: expected a file, found No such file"):
        content.hash_file(tmp_path / "nothing")
