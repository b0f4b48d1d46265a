"""Whether a corpus is whole, seen when it is opened: its own file, ids, pictures, counts."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ikusi import jsonfile
from ikusi.data import rows as row_types
from ikusi.data.groups import Groups
from ikusi.errors import InputError
from ikusi.recipe.values import is_name

ABOUT = "corpus.json"


class About(jsonfile.Record):
    """The content of a corpus's `corpus.json`."""

    row_type: row_types.Name
    languages: list[str]
    rows: int
    images: int


def read_about(folder: Path) -> About:
    """Read `corpus.json`. Raises InputError where there is none, or a key in it is wrong."""
    path = folder / ABOUT
    about = jsonfile.read(path, About, "a corpus")
    languages = about.languages
    if not languages or not all(map(is_name, languages)) or len(set(languages)) != len(languages):
        actual = ", ".join(map(repr, languages)) or "none"
        raise InputError(f"{path}: languages: expected different codes, found {actual}")
    return about


def check(about: About, rows: Mapping[str, Groups], images: list[Groups]) -> None:
    """Check that a corpus has all its rows and pictures, each once, and in all languages the same.

    Only ids are read.

    Raises:
        InputError: a file lacks rows, an id is absent or there twice, languages have other rows,
            or a row has a picture that is not stored.
    """
    first, *others = about.languages
    own = rows[first]
    if own.count != about.rows:
        problem = f"expected {about.rows} rows, as {ABOUT} says, found {own.count}"
        raise InputError(f"{own.path}: {problem}")
    keys = own.columns("id", "image_id")
    _check_ids(own, keys["id"])
    _check_images(own, keys, images, about.images)
    for code in others:
        _check_same_rows(own, rows[code], first)


def _check_ids(rows: Groups, ids: pa.ChunkedArray) -> None:
    unnamed = pc.fill_null(pc.equal(ids, ""), True)
    if pc.any(unnamed).as_py():
        place = pc.index(unnamed, True).as_py()
        raise InputError(
            f"{rows.path}: row {place}: id: expected text, found {ids[place].as_py()!r}"
        )
    if twice := _find_repeated(ids):
        raise InputError(f"{rows.path}: row {twice}: expected a new id, found it twice")


def _check_images(rows: Groups, keys: pa.Table, images: list[Groups], count: int) -> None:
    stored = [part.columns("image_id")["image_id"] for part in images]
    actual = sum(map(len, stored))
    if actual != count:
        place = rows.path.with_name("images-*.parquet")
        raise InputError(f"{place}: expected {count} pictures, as {ABOUT} says, found {actual}")
    names = pa.chunked_array([chunk for part in stored for chunk in part.chunks], pa.string())
    if names.null_count:
        raise InputError(f"{images[0].path}: image_id: expected text, found none")
    if twice := _find_repeated(names):
        place = next(part.path for part in images)
        raise InputError(f"{place}: image {twice}: expected a new id, found it twice")
    shown = keys["image_id"]
    lost = pc.and_(shown.is_valid(), pc.invert(pc.is_in(shown, names)))
    if pc.any(lost).as_py():
        row = {name: keys[name][pc.index(lost, True).as_py()].as_py() for name in keys.column_names}
        problem = f"image_id: expected a stored picture, found {row['image_id']}"
        raise InputError(f"{rows.path}: row {row['id']}: {problem}")


def _find_repeated(names: pa.ChunkedArray) -> str | None:
    """A name that is there twice, if any is."""
    if pc.count_distinct(names).as_py() == len(names):
        return None
    counted = pc.value_counts(names)
    twice = counted.filter(pc.greater(counted.field("counts"), 1))
    return str(twice[0].as_py()["values"])


def _check_same_rows(own: Groups, other: Groups, language: str) -> None:
    both = (rows.batches("id", "image_id") for rows in (own, other))
    if all(ours == theirs for ours, theirs in zip_longest(*both)):
        return
    keys, theirs = (rows.columns("id", "image_id") for rows in (own, other))
    if problem := _first_difference(keys, theirs, language):
        raise InputError(f"{other.path}: {problem}")


def _first_difference(expected: pa.Table, actual: pa.Table, language: str) -> str | None:
    if len(actual) != len(expected):
        return f"expected {len(expected)} rows as in {language}, found {len(actual)}"
    for name in expected.column_names:
        pairs = zip(expected[name].to_pylist(), actual[name].to_pylist(), strict=True)
        for number, (ours, theirs) in enumerate(pairs):
            if ours != theirs:
                return f"row {number}: expected {name} {ours} as in {language}, found {theirs}"
    return None
