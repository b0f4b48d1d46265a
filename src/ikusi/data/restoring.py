"""A release made a corpus again: the same rows and pictures, every file checked by its digest."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ikusi import artifact, claim
from ikusi.data import hub, importing, judged, released
from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.data.groups import Groups, Pictures
from ikusi.data.importing import Fetcher
from ikusi.data.released import ABOUT, LISTED, PICTURES, Release
from ikusi.data.sources.base import SourceRow
from ikusi.data.sources.pictures import Picture
from ikusi.errors import InputError
from ikusi.recipe.folder import HUB

VERSION = 1  # of what is made of the same release
KEYS = ("id", "image_id", "group", "task")


def restore(
    place: str,
    folder: Path,
    *,
    fetcher: Fetcher | None = None,
    progress: Callable[[int], None] | None = None,
    again: bool = False,
    cache: Path | None = None,
    endpoint: str | None = None,
) -> dict[str, int]:
    """Make a corpus of a release; do nothing where it is there already.

    Args:
        place: `hub:ORG/NAME`, with `@REVISION` if not the newest is wanted, or a folder.
        folder: the corpus to make.
        fetcher: gets the pictures of a release that only says where they are.
        progress: called with the rows that are done.
        again: make it also where it is there already, since pictures may have come back.
        cache: where releases of the hub are kept; else where the hub's library keeps them.
        endpoint: address of the hub, if it is another.

    Returns:
        Counts: `rows_in` = `rows` + `quarantined`, and `images`.

    Raises:
        InputError: there is no such release, a file or a row of it is not what it says, or
            `folder` is not ours to replace.
    """
    named, commit = place, ""
    if place.startswith(HUB):
        asked = hub.parse_place(place)
        source, commit = hub.fetch_release(asked, cache=cache, endpoint=endpoint)
        named = f"{HUB}{asked.name}@{commit}"
    else:
        source, named = Path(place), Path(place).name
    release = released.read_about(source)
    digest = released.hash_plainly(source / ABOUT)
    claim.expect_whole(folder, importing.KIND, [source])
    print_ = artifact.fingerprint(VERSION, digest)
    if again or not (artifact.is_current(folder, print_) and Corpus.is_whole(folder)):
        with artifact.write_folder(
            folder,
            fingerprint=print_,
            kind=importing.KIND,
            inputs={named: commit or digest},
            settings={"release": named, "made": release.made},
            reads=[source],
        ) as staging:
            released.check_files(source, release)
            counts = _write(source, release, staging, fetcher, progress)
            artifact.add_counts(staging, **counts)
    return dict((artifact.read_manifest(folder) or {})["counts"])


def _write(
    folder: Path,
    release: Release,
    staging: Path,
    fetcher: Fetcher | None,
    progress: Callable[[int], None] | None,
) -> dict[str, int]:
    if release.pictures == "url" and release.images:
        counts = _fetch_all(folder, release, staging, fetcher, progress)
    else:
        counts = _copy_all(folder, release, staging, progress)
    if judged.FILE in release.files:
        shutil.copyfile(folder / judged.FILE, staging / judged.FILE)
    if release.accepted:
        judged.add_accepted(staging, release.accepted)
    Corpus.open(staging)  # what is wrong with it is reported now, and not when it is used
    return counts


def _copy_all(
    folder: Path, release: Release, staging: Path, progress: Callable[[int], None] | None
) -> dict[str, int]:
    """Copy rows and pictures, a row group at a time."""
    rows = images = 0
    with CorpusWriter(staging, release.row_type, release.languages) as writer:
        for pictures in released.read_pictures(folder, release):
            writer.add_checked_images(pictures)
            images += len(pictures)
        for tables in released.read_together(folder, release):
            writer.add_checked(tables)
            rows += len(tables[release.languages[0]])
            if progress:
                progress(rows)
    if rows != release.rows or images != release.images:
        wanted, actual = f"{release.rows} rows and {release.images}", f"{rows} and {images}"
        raise InputError(f"{folder}: expected {wanted} pictures, found {actual}")
    return {"rows_in": rows, "rows": rows, "quarantined": 0, "images": images}


def _fetch_all(
    folder: Path,
    release: Release,
    staging: Path,
    fetcher: Fetcher | None,
    progress: Callable[[int], None] | None,
) -> dict[str, int]:
    """Fetch the pictures that rows show; a row whose picture is gone goes to quarantine."""
    read = partial(_list_items, folder, release)
    fetched = importing.fetch_pictures(read, fetcher or _make_strict_fetcher())
    return importing.write_items(
        staging, release.row_type, release.languages, read(), fetched, progress
    )


def _make_strict_fetcher() -> Fetcher:
    """Make a fetcher that refuses pictures of other bytes: a release names the digest of each."""
    from ikusi.data.web.fetch import FetchSettings, make_fetcher

    return make_fetcher(FetchSettings(on_mismatch="drop"))


def _list_items(folder: Path, release: Release) -> Iterator[SourceRow]:
    """The rows in all languages, each with the place of its picture."""
    pictures = Pictures([Groups(folder / name, LISTED) for name in release.tables[PICTURES]])
    for tables in released.read_together(folder, release):
        rows = {code: table.to_pylist() for code, table in tables.items()}
        for place, first in enumerate(rows[release.languages[0]]):
            texts = {code: _without_keys(own[place]) for code, own in rows.items()}
            shown = _find_picture(folder, pictures, first.get("image_id"))
            yield SourceRow(first["id"], shown, texts, first.get("group"), first.get("task"))


def _find_picture(folder: Path, pictures: Pictures, image_id: str | None) -> Picture | None:
    if image_id is None:
        return None
    number = pictures.number(image_id)
    if number is None:
        raise InputError(f"{folder}: expected picture {image_id}, found none")
    about = pictures.row(number)
    source = str(about["source"] or "")
    url = source if source.startswith(("http://", "https://")) else None
    return Picture(image_id, source, url=url, sha256=about["sha256"])


def _without_keys(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in KEYS}
