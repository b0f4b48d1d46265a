"""Whether the files that an import read are still what they were."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ikusi import artifact, content
from ikusi.data.images import decode
from ikusi.data.parquet import guard_reading
from ikusi.data.sources.pictures import locate_beside
from ikusi.data.sources.tables import SUFFIXES
from ikusi.errors import InputError
from ikusi.yamlfile import Section


def hash_originals(path: Path | None, settings: Section) -> list[list[str]]:
    """Names and content of the local tables, lists and archives that an import reads.

    Loose pictures are no part of it: which ones are read is known only from the rows, and
    `has_changed_pictures` compares those.
    """
    options = [(name, value) for name, value in settings.model_dump().items()]
    files = {name: Path(value) for name, value in options if isinstance(value, str)}
    if path is not None:
        files |= {file.relative_to(path).as_posix(): file for file in _tables(path)}
        root = locate_pictures(path, settings)
        archives = [root] if root.is_file() else root.glob("*.zip")
        files |= {f"pictures/{archive.name}": archive for archive in archives}
    present = sorted((name, file) for name, file in files.items() if file.is_file())
    return [[name, content.hash_file(file)] for name, file in present]


def list_paths(settings: Section) -> list[Path]:
    """The files and folders that settings name."""
    named = (value for value in settings.model_dump().values() if isinstance(value, str))
    return [Path(value) for value in named if Path(value).exists()]


def locate_pictures(path: Path, settings: Section) -> Path:
    """The folder or archive with the loose pictures of a local data set."""
    images = getattr(settings, "images", None)
    return Path(images) if images else locate_beside(path)


def _tables(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    else:
        yield from (file for file in path.rglob("*") if file.name.lower().endswith(SUFFIXES))


def has_changed_pictures(corpus: Path, root: Path) -> bool:
    """Whether a picture below `root` is another one than in the corpus, or was dead and is not now.

    Originals that are gone do not count: whoever removed them has the corpus.
    """
    kept = {name: digest for name, digest in _list_kept(corpus) if (root / name).is_file()}
    same = artifact.fingerprint([[name, kept[name]] for name in sorted(kept)])
    if content.hash_files((root / name for name in kept), root) != same:
        return True
    return any(_is_picture(root / name) for name in _dead(corpus))


def _list_kept(corpus: Path) -> Iterator[tuple[str, str]]:
    """Names below the root, and digests, of the pictures that a corpus has."""
    path = corpus / "images-00000.parquet"
    if path.is_file():
        with guard_reading(path):
            table = pq.read_table(path, columns=["source", "sha256"])
        for source, digest in zip(*(column.to_pylist() for column in table), strict=True):
            yield _name(source), digest


def _dead(corpus: Path) -> Iterator[str]:
    """Names below the root of the pictures for which rows are in quarantine."""
    path = corpus / "quarantine.parquet"
    if path.is_file():
        with guard_reading(path):
            rows = pq.read_table(path, columns=["row"])["row"].to_pylist()
        for row in rows:
            value: Any = json.loads(row)
            if isinstance(value, dict) and isinstance(value.get("image"), str):
                yield _name(value["image"])


def _name(source: str) -> str:
    """The name below the root, whose own name stands before it; empty for what is not below it."""
    name = source.partition("/")[2]
    return "" if name.startswith("/") or ".." in Path(name).parts else name


def _is_picture(path: Path) -> bool:
    try:
        decode(path.read_bytes())
    except (OSError, ValueError, InputError):
        return False
    return True
