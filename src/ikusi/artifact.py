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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

MANIFEST = "manifest.json"
PARTIAL = ".partial"  # how the name of a folder ends that is not whole yet
_ATTEMPT = ".attempt.json"
_COUNTS = ".counts.json"
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
def folder(
    path: Path,
    *,
    fingerprint: str,
    inputs: Mapping[str, str] | None = None,
    settings: Any = None,
    keep_partial: bool = False,
) -> Iterator[Path]:
    """Write a folder aside and give it its name only when it is whole.

    Yields the staging folder ``staging_path(path)``. When the block ends
    well, ``manifest.json`` is added and the staging folder takes the place of ``path``; when it
    raises, ``path`` is left as it was.

    Args:
        path: the folder to make; what was there is replaced.
        fingerprint: identifies inputs and settings; ``is_current`` compares it.
        inputs: name of each input -> its own fingerprint, for the manifest.
        settings: anything ``fingerprint`` takes, for the manifest.
        keep_partial: keep the staging folder after a failure, and go on from one left by an
            earlier attempt with the same fingerprint (for steps that can resume).
    """
    path = Path(path)
    started, clock = datetime.now(UTC), time.perf_counter()
    _restore(path)
    _forget_peak_memory()
    staging, attempts = _stage(path, fingerprint, keep_partial)
    try:
        yield staging
        record = {
            "fingerprint": fingerprint,
            "inputs": dict(inputs or {}),
            "settings": settings,
            "versions": versions(),
            "started": started.isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - clock, 3),
            "attempts": attempts,
            "counts": _read_json(staging / _COUNTS) or {},
            "peak_memory_mb": peak_memory_mb(),
        }
        write_json(staging / MANIFEST, record)
        (staging / _COUNTS).unlink(missing_ok=True)
        (staging / _ATTEMPT).unlink()
        _promote(staging, path)
    except BaseException:
        if not keep_partial:
            shutil.rmtree(staging, ignore_errors=True)
        raise


def staging_path(path: Path) -> Path:
    """Where ``folder`` writes until it is whole."""
    return path.with_name(path.name + PARTIAL)


def _stage(path: Path, fingerprint: str, keep_partial: bool) -> tuple[Path, int]:
    """Make the staging folder or take up the one left behind; also count the attempts."""
    staging = staging_path(path)
    previous = _read_json(staging / _ATTEMPT) or {}
    resumes = keep_partial and previous.get("fingerprint") == fingerprint
    if staging.exists() and not resumes:
        shutil.rmtree(staging)
    staging.mkdir(parents=True, exist_ok=True)
    attempts = int(previous["attempts"]) + 1 if resumes else 1
    write_json(staging / _ATTEMPT, {"fingerprint": fingerprint, "attempts": attempts})
    if resumes:
        logger.info("%s: going on, attempt %d", path, attempts)
    return staging, attempts


def _promote(staging: Path, path: Path) -> None:
    """Put ``staging`` in the place of ``path``; a full folder cannot be renamed over."""
    replaced = path.with_name(path.name + ".replaced")
    if path.exists():
        os.rename(path, replaced)
    os.rename(staging, path)
    shutil.rmtree(replaced, ignore_errors=True)


def _restore(path: Path) -> None:
    """Undo a replacement that was cut between its two renames."""
    replaced = path.with_name(path.name + ".replaced")
    if not replaced.exists():
        return
    if path.exists():
        shutil.rmtree(replaced)
    else:
        os.rename(replaced, path)


def manifest(path: Path) -> dict[str, Any] | None:
    """Read the manifest of a finished folder; ``None`` where there is none that can be read."""
    return _read_json(Path(path) / MANIFEST)


def is_current(path: Path, fingerprint: str) -> bool:
    """Tell whether ``path`` is finished and was made from exactly this fingerprint."""
    record = manifest(path)
    return record is not None and record.get("fingerprint") == fingerprint


def add_counts(staging: Path, **counts: float) -> None:
    """Note counts (rows in, rows out, ...) for the manifest of the folder being written.

    A name given twice keeps its last value, so a step that resumes may count again.
    """
    noted = _read_json(Path(staging) / _COUNTS) or {}
    write_json(Path(staging) / _COUNTS, noted | counts)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file so that readers see the old text or the new, never a part."""
    path = Path(path)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with aside.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def write_json(path: Path, obj: Any) -> None:
    """Write ``obj`` as indented JSON, atomically; takes what ``fingerprint`` takes."""
    text = json.dumps(obj, indent=2, ensure_ascii=False, allow_nan=False, default=_canonical)
    write_text(path, text + "\n")


def _read_json(path: Path) -> dict[str, Any] | None:
    """Read a JSON object; ``None`` where it is absent or damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def versions() -> dict[str, str]:
    """Versions of Python and of the installed packages that results depend on."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in _VERSIONED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _forget_peak_memory() -> None:
    """Count the peak anew, so that a step is not charged for what its process did before.

    Only Linux can (proc(5), clear_refs); elsewhere the peak is the whole process's.
    """
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory_mb() -> float | None:
    """Largest resident memory of this process, in MiB; ``None`` where it is not told."""
    try:
        import resource
    except ImportError:  # Windows has no such counter
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in KiB, macOS in bytes.
    return round(peak / (1024 * 1024 if sys.platform == "darwin" else 1024), 1)
