"""Files and folders known by all their bytes, and recognised later without reading them again.

A digest is kept in the user's cache under the file's path, size, times and inode, so a model of
many gigabytes is read once. Times only save work: a copy with other times has the same digest.
"""

import hashlib
import logging
import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from ikusi import artifact, disk
from ikusi.errors import InputError

logger = logging.getLogger(__name__)

CHUNK = 16 * 2**20
"""Bytes that one thread reads; a larger file's digest is that of its chunks' digests."""

THREADS = 8
KEPT_FROM = 2**20  # bytes; what is smaller is read faster than looked up
ANNOUNCED_FROM = 2 * 2**30  # bytes; reading these takes long enough to say so
ENTRIES = 4096  # digests kept
SETTLED = 2.0  # seconds without a change: a file may change twice within one tick of a clock

NOTES = (
    *("*.md", "training.json", "retrieval.json", "quarantine.parquet"),
    *(artifact.MANIFEST, f"{artifact.MARKER}*"),
)
"""Files that say how a folder was made; what is computed from it does not depend on them."""

Named = Sequence[tuple[str, Path, os.stat_result]]


def hash_file(path: Path) -> str:
    """Name a file by its bytes: 64 hexadecimal digits, by SHA-256.

    Raises:
        InputError: there is no such file, or it is a pipe, a device or a folder.
    """
    state = _state(path)
    return _recall([("", path, state)], lambda: _hash(path, state.st_size))


def hash_files(files: Iterable[Path], root: Path) -> str:
    """Name several files by their bytes, and by their names below `root`: 16 hexadecimal digits."""
    paths = sorted((path.relative_to(root).as_posix(), path) for path in files)
    named = [(name, path, _state(path)) for name, path in paths]
    return _recall(
        named, lambda: artifact.fingerprint([[name, hash_file(path)] for name, path, _ in named])
    )


def hash_derived(files: Iterable[Path], root: Path, what: str, read: Callable[[], str]) -> str:
    """The result of `read` for several files, words of 16 hexadecimal digits; cached until one
    changes.

    Args:
        what: a name for what it makes of them.
    """
    named = ((f"{what} {path.relative_to(root).as_posix()}", path) for path in sorted(files))
    return _recall([(name, path, _state(path)) for name, path in named], read)


def hash_folder(path: Path) -> str:
    """Name a folder by all files in it and below, `NOTES` excepted."""
    files = (file for file in path.rglob("*") if file.is_file())
    return hash_files((file for file in files if not any(map(file.match, NOTES))), path)


def expect_plain(path: Path) -> None:
    """Refuse a pipe, a device or a socket, which a reader might wait for without end.

    Raises:
        InputError: it is one. A path that does not exist passes; its reader reports it.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError(f"{path}: expected a file or folder, found a pipe or a device")


def _state(path: Path) -> os.stat_result:
    try:
        state = path.stat()
    except OSError as error:
        raise InputError(f"{path}: expected a file, found {error.strerror}") from None
    if not stat.S_ISREG(state.st_mode):
        raise InputError(f"{path}: expected a file, found a pipe, a device or a folder")
    return state


def _hash(path: Path, size: int) -> str:
    """Hash a file, its chunks side by side: hashing frees the interpreter for other threads."""
    if size >= ANNOUNCED_FROM:
        logger.warning("%s: reading its %.1f GB once, to know it again", path, size / 1e9)

    def hash_chunk(start: int) -> bytes:
        with path.open("rb") as file:
            file.seek(start)
            return hashlib.sha256(file.read(CHUNK)).digest()

    if size <= CHUNK:
        return hash_chunk(0).hex()
    with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
        return hashlib.sha256(b"".join(pool.map(hash_chunk, range(0, size, CHUNK)))).hexdigest()


def _recall(named: Named, read: Callable[[], str]) -> str:
    """The result of `read` for files; from the cache if they have not changed since."""
    if sum(state.st_size for _, _, state in named) < KEPT_FROM:
        return read()
    entry = _entry(named)
    with suppress(OSError, UnicodeDecodeError):
        known = entry.read_text(encoding="ascii")
        if re.fullmatch(r"[0-9a-f]{16}( [0-9a-f]{16})*|[0-9a-f]{64}", known):
            os.utime(entry)
            return known
    began = time.time()
    made = read()
    settled = all(
        began - max(state.st_mtime, state.st_ctime) > SETTLED for _, _, state in named
    ) and entry == _entry([(name, path, _state(path)) for name, path, _ in named])
    if settled:
        with suppress(OSError, InputError):  # a cache that cannot be written only costs time
            entry.parent.mkdir(parents=True, exist_ok=True)
            disk.write_text(entry, made)
            _prune(entry.parent)
    return made


def _entry(named: Named) -> Path:
    """The cache file of a digest, named by all that changes whenever the files' bytes do."""
    import platformdirs

    states = [(name, str(path.resolve()), *_changing(state)) for name, path, state in named]
    key = hashlib.sha256(repr([CHUNK, states]).encode("utf-8", "surrogatepass")).hexdigest()
    return platformdirs.user_cache_path("ikusi") / "digests" / key


def _changing(state: os.stat_result) -> tuple[int, ...]:
    times = (state.st_mtime_ns, state.st_ctime_ns)
    return (state.st_size, state.st_dev, state.st_ino, *times)


def _prune(cache: Path) -> None:
    """Forget the digests that were not asked for the longest, some at a time."""
    with os.scandir(cache) as listing:
        entries = [(entry.stat().st_mtime, entry.path) for entry in listing]
    if len(entries) > ENTRIES:
        for _, path in sorted(entries)[: len(entries) - ENTRIES * 3 // 4]:
            Path(path).unlink(missing_ok=True)
