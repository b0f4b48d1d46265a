"""Folders that are whole or absent: written aside, renamed when done, with their provenance.

A step writes into ``NAME.partial`` and only a finished step is ever seen under ``NAME``, so a
process may be killed at any moment. ``manifest.json`` says what went in and what came out.
"""

import dataclasses
import hashlib
import importlib.metadata
import json
import logging
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from ikusi import claim, disk
from ikusi.claim import MANIFEST as MANIFEST
from ikusi.claim import MARKER, PARTIAL, REPLACED
from ikusi.disk import write_text as write_text
from ikusi.lock import LOCK, hold_lock

logger = logging.getLogger(__name__)

OUTDATED = "outdated"  # in a manifest
_COUNTS = MARKER + ".counts"
_VERSIONED = ("ikusi", "torch", "transformers", "accelerate", "pyarrow", "numpy")


def fingerprint(*parts: Any) -> str:
    """Name ``parts`` by content: the first 16 hex digits of the SHA-256 of their canonical JSON.

    Takes JSON values, pydantic models, dataclasses, paths, bytes and sets, nested at will. The
    order of mappings and sets does not count; the order of lists does.

    Raises:
        TypeError: a part has no canonical form.
        ValueError: a number is NaN or infinite.

    >>> fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    True
    """
    text = json.dumps(
        parts,
        sort_keys=True,
        ensure_ascii=False,
        allow_nan=False,
        default=_canonical,
        separators=(",", ":"),
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _canonical(part: Any) -> Any:
    """Give ``json`` something it can write in place of ``part``."""
    if hasattr(part, "model_dump"):
        return part.model_dump(mode="json")
    if dataclasses.is_dataclass(part) and not isinstance(part, type):
        return {field.name: getattr(part, field.name) for field in dataclasses.fields(part)}
    if isinstance(part, os.PathLike):
        return Path(part).as_posix()
    if isinstance(part, bytes):
        return hashlib.sha256(part).hexdigest()
    if isinstance(part, set | frozenset):
        return sorted(part, key=repr)
    raise TypeError(f"cannot fingerprint a {type(part).__name__}")


@contextmanager
def write_folder(
    path: Path,
    *,
    fingerprint: str,
    kind: str = "step",
    inputs: Mapping[str, str] | None = None,
    settings: Any = None,
    keep_partial: bool = False,
    reads: Sequence[Path] = (),
    code: str | None = None,
) -> Iterator[Path]:
    """Write a folder aside and give it its name only when it is whole.

    Yields the staging folder ``staging_path(path)``. When the block ends
    well, ``manifest.json`` is added and the staging folder takes the place of ``path``; when it
    raises, ``path`` is left as it was. All of it is on the disk before the manifest is.

    Args:
        path: the folder to make; what an earlier call with this kind made there is replaced.
        fingerprint: identifies inputs and settings; ``is_current`` compares it.
        kind: what makes it; see ``claim.expect``.
        inputs: name of each input -> its own fingerprint, for the manifest.
        settings: anything ``fingerprint`` takes, for the manifest.
        keep_partial: keep the staging folder after a failure, and go on from one left by an
            earlier attempt with the same fingerprint (for steps that can resume).
        reads: what is read, which must be apart from ``path``.
        code: fingerprint of the code that makes it, for the manifest, which has that of all
            attempts.

    Raises:
        InputError: what is at ``path`` or beside it is not Ikusi's to replace, another process uses
            it, or the disk is full or not writable.
    """
    started, clock = datetime.now(UTC), time.perf_counter()
    path = claim.expect_whole(path, kind, reads, anew=True)
    with _alone(path):
        _restore(path)
        _forget_peak_memory()
        staging, attempts = _stage(path, kind, fingerprint, keep_partial, code)
        try:
            with disk.explain_errors(path, staging):
                yield staging
                record = {
                    "kind": kind,
                    "fingerprint": fingerprint,
                    "inputs": dict(inputs or {}),
                    "settings": settings,
                    "versions": list_versions(),
                    "code": attempts["code"],
                    "started": started.isoformat(timespec="seconds"),
                    "seconds": round(time.perf_counter() - clock, 3),
                    "attempts": attempts["attempts"],
                    "counts": claim.read(staging / _COUNTS) or {},
                    "peak_memory_mb": measure_peak_memory(),
                }
                _finish(staging, path, record)
        except BaseException:
            if not keep_partial:
                shutil.rmtree(staging, ignore_errors=True)
            raise


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Be the only one who makes a folder; the lock is beside it."""
    with disk.explain_errors(path):
        disk.make_folder(path.parent)
        lock = path.with_name(f".{path.name}{LOCK}")
    with disk.explain_errors(lock), hold_lock(lock, path, "this folder"):
        yield


def locate_staging(path: Path) -> Path:
    """The path at which ``write_folder`` writes until the folder is whole."""
    path = claim.locate_output(path)
    return path.with_name(path.name + PARTIAL)


def _stage(
    path: Path, kind: str, fingerprint: str, keep_partial: bool, code: str | None
) -> tuple[Path, dict[str, Any]]:
    """Make the staging folder or take up the one left behind; also count the attempts, and the
    code that was at it."""
    staging = locate_staging(path)
    previous = claim.read(staging / MARKER) or {}
    resumes = keep_partial and previous.get("fingerprint") == fingerprint
    if staging.exists() and not resumes:
        shutil.rmtree(staging)
    disk.make_folder(staging)
    earlier = previous if resumes else {}
    count, codes = earlier.get("attempts"), earlier.get("code") or []
    known = isinstance(codes, list) and (codes or not resumes)  # of all attempts
    made = {
        "attempts": count + 1 if isinstance(count, int) else 1,
        "code": sorted({code, *codes}) if code and known else [],
    }
    claim.mark(staging, kind, fingerprint=fingerprint, **made)
    if resumes:
        logger.info("%s: going on, attempt %d", path, made["attempts"])
    return staging, made


def _finish(staging: Path, path: Path, record: Mapping[str, Any]) -> None:
    """Vouch for what was written, once it is on the disk, and put it in the place of `path`.

    The marker goes last: cut before, the staging folder is still known for what it is.
    """
    disk.tidy(staging, "**/")
    disk.flush_tree(staging)
    write_json(staging / MANIFEST, {**record, "files": claim.list_contents(staging)})
    replaced = path.with_name(path.name + REPLACED)
    if path.exists():
        disk.move(path, replaced)
    disk.move(staging, path)
    (path / _COUNTS).unlink(missing_ok=True)
    (path / MARKER).unlink()
    _remove(replaced)


def _restore(path: Path) -> None:
    """Undo a replacement that was cut between its two renames."""
    replaced = path.with_name(path.name + REPLACED)
    if path.exists():
        _remove(replaced)
    elif replaced.exists():
        disk.move(replaced, path)


def _remove(folder: Path) -> None:
    """Delete a finished folder: what its manifest lists, which goes last. What somebody has put
    there meanwhile stays."""
    files = (claim.read(folder / MANIFEST) or {}).get("files")
    if not isinstance(files, dict):
        with suppress(OSError):  # empty, or not there
            folder.rmdir()
        return
    for name in files:
        (folder / name).unlink(missing_ok=True)
    if extra := claim.list_contents(folder):
        logger.warning("%s: kept for what Ikusi did not write: %s", folder, ", ".join(extra))
        return
    for place, _, _ in os.walk(folder, topdown=False):
        if Path(place) != folder:
            Path(place).rmdir()
    for path in sorted(folder.iterdir(), key=lambda path: path.name == MANIFEST):
        path.unlink()
    folder.rmdir()


def read_manifest(path: Path) -> dict[str, Any] | None:
    """Read the manifest of a finished folder; ``None`` where there is none that can be read."""
    record = claim.read(Path(path) / MANIFEST)
    if record is None or not isinstance(record.get("fingerprint"), str):
        return None
    # Folders of earlier versions do not list their files.
    parts = (record.get("inputs"), record.get("counts"), record.get("files", {}))
    code = record.get("code", [])
    whole = isinstance(code, list) and all(isinstance(one, str) for one in code)
    return record if whole and all(isinstance(part, dict) for part in parts) else None


def is_current(path: Path, fingerprint: str) -> bool:
    """Whether ``path`` is finished and was made from exactly this fingerprint.

    It is not if a file that its manifest lists is gone, or has another size, or after `outdate`.
    """
    record = read_manifest(path)
    if record is None or record["fingerprint"] != fingerprint or record.get(OUTDATED):
        return False
    there = claim.list_contents(Path(path))
    return all(there.get(name) == size for name, size in record.get("files", {}).items())


def outdate(path: Path, kind: str) -> None:
    """Have a folder made anew, from the beginning, when it is next asked for.

    What is finished stays until then; what an unfinished attempt has left is removed.

    Raises:
        InputError: what is at ``path`` or beside it is not Ikusi's, or another process uses it.
    """
    path = claim.expect_whole(path, kind, (), anew=True)
    with _alone(path), disk.explain_errors(path):
        _restore(path)
        if (staging := locate_staging(path)).exists():
            shutil.rmtree(staging)
        if record := read_manifest(path):
            write_json(path / MANIFEST, record | {OUTDATED: True})


def add_counts(staging: Path, **counts: float) -> None:
    """Note counts (rows in, rows out, ...) for the manifest of the folder being written.

    A name given twice keeps its last value, so a step that resumes may count again.
    """
    noted = claim.read(Path(staging) / _COUNTS) or {}
    write_json(Path(staging) / _COUNTS, noted | counts)


def write_json(path: Path, obj: Any) -> None:
    """Write ``obj`` as indented JSON, atomically; takes what ``fingerprint`` takes."""
    text = json.dumps(obj, indent=2, ensure_ascii=False, allow_nan=False, default=_canonical)
    write_text(path, text + "\n")


def list_versions() -> dict[str, str]:
    """Versions of Python and of the installed packages that results depend on."""
    python = {"python": platform.python_version(), "platform": platform.platform()}
    return python | dict(_find_packages())


@cache  # looking them up takes as long as writing a small folder
def _find_packages() -> tuple[tuple[str, str], ...]:
    versions = {}
    for name in _VERSIONED:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return tuple(versions.items())


def _forget_peak_memory() -> None:
    """Count the peak anew, so that a step is not charged for what its process did before.

    Only Linux can (proc(5), clear_refs); elsewhere the peak is the whole process's.
    """
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def measure_peak_memory() -> float | None:
    """Largest resident memory of this process, in MiB; ``None`` where it is not known."""
    try:
        import resource
    except ImportError:  # Windows has no such counter
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in KiB, macOS in bytes.
    return round(peak / (1024 * 1024 if sys.platform == "darwin" else 1024), 1)
