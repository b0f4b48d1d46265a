"""Import a public data set: its rows as a corpus, its pictures checked, every loss with a
reason."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import pyarrow.parquet as pq

from ikusi import artifact, claim, yamlfile
from ikusi.data import originals, sources
from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.data.images import MAX_PIXELS, Decoded, decode_and_describe
from ikusi.data.rows.base import RowType
from ikusi.data.rows.columns import find_key_fault
from ikusi.data.sources.base import BadRow, Item, LeftOut, Source, SourceRow
from ikusi.data.sources.pictures import Picture
from ikusi.data.sources.spool import sample_rows
from ikusi.data.sources.tables import Origin
from ikusi.data.web.ledger import Wanted
from ikusi.errors import InputError
from ikusi.yamlfile import Section

KIND = "data import"
logger = logging.getLogger(__name__)
VERSION = 1  # of what an import makes of the same rows
AHEAD = 4  # pictures for each processor, read before they are written


class Ledger(Protocol):
    """The pictures that a fetcher got."""

    def picture(self, url: str) -> bytes | None:
        """The bytes behind a URL, if it has a picture."""

    def find_decoded(self, url: str) -> tuple[str, Decoded] | None:
        """The SHA-256 of a picture that was decoded, and what it is; None if it was not."""

    def reason(self, url: str) -> str | None:
        """The reason why there is no picture; None where there is one."""

    def find_repeated(self, least: int) -> dict[str, int]:
        """SHA-256 of pictures that came from so many URLs or more, and from how many."""


Fetcher = Callable[[Iterable[Wanted]], Ledger]


def import_corpus(
    source: str,
    folder: Path,
    path: Path | None = None,
    split: str | None = None,
    limit: int | None = None,
    sample: int | None = None,
    seed: int = 0,
    fetcher: Fetcher | None = None,
    progress: Callable[[int], None] | None = None,
    again: bool = False,
    drop_repeated: int | None = None,
    **options: object,
) -> dict[str, int]:
    """Write a data set as a corpus; do nothing where it is written already.

    A row that cannot be used, or has a dead picture, is in `quarantine.parquet` with its reason.

    Args:
        source: name of a data set (`sources.list_sources`).
        folder: the corpus to make.
        path: a file or folder to read instead of the hub.
        split: instead of the data set's own.
        limit: only the first so many rows that can be read.
        sample: so many rows of these, chosen by the hash of seed and id; some may have no picture.
        seed: of the sample.
        fetcher: gets the pictures behind URLs; else `ikusi.data.web.fetch` with the user's cache.
        progress: called with the number of rows read so far.
        again: write the corpus also where it is there already, since pictures may have come back.
        drop_repeated: do without pictures that came byte for byte from so many URLs or more.
        options: settings of the data set (`Source.options`).

    Returns:
        Counts, also in the manifest: `rows_in` = `rows` + `quarantined` + `left_out`, and the last
        two by reason; `images_repeated`, if any, are pictures that another URL gave, too.

    Raises:
        InputError: no such data set or setting, no good row, or `folder` is not ours to replace.
    """
    data_set = _source(source)
    settings = _settings(data_set, options)
    _check_counts(limit=limit, sample=sample, drop_repeated=drop_repeated)
    chosen: dict[str, object] = {"split": split, "limit": limit, "sample": sample}
    chosen |= {"seed": seed if sample else None, "options": settings.model_dump()}
    asked = {"source": source, "path": str(path) if path else None, **chosen}
    asked |= {"drop_repeated": drop_repeated} if drop_repeated else {}
    folder, path = Path(folder), Path(path) if path else None
    reads = [path, *originals.list_paths(settings)] if path else originals.list_paths(settings)
    claim.expect_whole(folder, KIND, reads)
    print_ = _fingerprint(asked, path, settings)
    if again or not _is_current(folder, print_, path, settings):
        read = partial(_choose_items, data_set, Origin(path, split), settings, limit, sample, seed)
        about: dict[str, Any] = {"settings": asked, "reads": reads}
        about |= {"kind": KIND, "inputs": {source: str(path or data_set.home)}}
        with artifact.write_folder(folder, fingerprint=print_, **about) as staging:
            remote = data_set.remote
            pictures = fetch_pictures(read, fetcher, drop_repeated) if remote else Fetched()
            counts = write_items(staging, *data_set.shape(settings), read(), pictures, progress)
            artifact.add_counts(staging, **counts)
    return dict((artifact.read_manifest(folder) or {})["counts"])


def _fingerprint(asked: Mapping[str, Any], path: Path | None, settings: Section) -> str:
    """Name all that an import depends on; where a local data set is does not count."""
    asked = {**asked, "path": path is not None}
    return artifact.fingerprint(VERSION, asked, originals.hash_originals(path, settings))


def _is_current(folder: Path, print_: str, path: Path | None, settings: Section) -> bool:
    if not (artifact.is_current(folder, print_) and Corpus.is_whole(folder)):
        return False
    return path is None or not originals.has_changed_pictures(
        folder, originals.locate_pictures(path, settings)
    )


def _check_counts(**counts: int | None) -> None:
    for name, count in counts.items():
        if count is not None and count < 1:
            raise InputError(f"{name}: expected 1 or more, found {count}")


def _source(name: str) -> Source:
    if importlib.util.find_spec("datasets") is None:
        raise InputError("datasets: expected the package, found none: pip install 'ikusi[data]'")
    return sources.load(name)


def _settings(source: Source, options: Mapping[str, object]) -> Section:
    document = yamlfile.Document(dict(options), name=f"source {source.name}")
    return yamlfile.validate(source.options, document, source.options.model_fields)


def _choose_items(
    source: Source,
    origin: Origin,
    settings: Section,
    limit: int | None,
    sample: int | None,
    seed: int,
) -> Iterator[Item]:
    """The items of a data set that were asked for."""
    items = source.read(origin, settings)
    if limit is not None:
        items = _first(items, limit)
    return sample_rows(items, sample, seed) if sample is not None else items


def _first(items: Iterator[Item], limit: int) -> Iterator[Item]:
    """Items up to so many rows."""
    for item in items:
        yield item
        limit -= isinstance(item, SourceRow)
        if not limit:
            return


def fetch_pictures(
    read: Callable[[], Iterator[Item]], fetcher: Fetcher | None, drop_repeated: int | None = None
) -> Fetched:
    """Fetch what the rows want from the web, all in one go."""
    pictures = (item.picture for item in read() if isinstance(item, SourceRow))
    remote = (shown for shown in pictures if shown and shown.url)
    first = next(remote, None)
    if first is None:
        return Fetched()
    wanted = (Wanted(str(shown.url), shown.sha256) for shown in chain([first], remote))
    return Fetched((fetcher or _default_fetcher())(wanted), drop_repeated)


def _default_fetcher() -> Fetcher:
    from ikusi.data.web.fetch import make_fetcher

    return make_fetcher()


def write_items(
    folder: Path,
    row_type: str,
    languages: list[str],
    items: Iterator[Item],
    fetched: Fetched,
    progress: Callable[[int], None] | None,
) -> dict[str, int]:
    """Write items as a corpus, and count what becomes of them.

    Args:
        folder: to write to.
        row_type: name of the rows' type.
        languages: codes.
        items: rows, bad rows and rows left out.
        fetched: the pictures behind URLs.
        progress: called with the number of items so far.

    Returns:
        Counts, as `import_corpus`.

    Raises:
        InputError: no row is good.
    """
    counts: Counter[str] = Counter(rows_in=0, rows=0, images=0, quarantined=0, left_out=0)
    with _Writer(folder, row_type, languages) as writer:
        for item, pending in _with_pictures(items, writer.row_type, fetched):
            counts["rows_in"] += 1
            if isinstance(item, LeftOut):
                counts.update(("left_out", f"left out: {item.reason}"))
            elif isinstance(item, BadRow):
                writer.set_aside(item.id, item.reason, item.row)
            else:
                counts["rows"] += writer.add(item, pending)
            if progress:
                progress(counts["rows_in"])
    counts["images"] = writer.stored
    if repeated := writer.find_repeated():
        counts["images_repeated"] = repeated
    for reason, count in count_reasons(folder / "quarantine.parquet").items():
        counts["quarantined"] += count
        counts[f"quarantined: {reason}"] = count
    if not counts["rows"]:
        reasons = "; ".join(f"{name} ({count})" for name, count in counts.items() if ": " in name)
        raise InputError(f"rows: expected a good one, found none of {counts['rows_in']}: {reasons}")
    return dict(counts)


def count_reasons(path: Path) -> Counter[str]:
    """Quarantined rows by reason, without what each row had instead."""
    if not path.exists():
        return Counter()
    with closing(pq.ParquetFile(path)) as file:
        return Counter(
            reason.partition(", found")[0]
            for batch in file.iter_batches(columns=["reason"])
            for reason in batch.column(0).to_pylist()
        )


@dataclass(frozen=True, slots=True)
class _PictureRead:
    """A picture that could be read: its bytes, format, size in pixels, and digest."""

    data: bytes
    format: str
    width: int
    height: int
    sha256: str


def _with_pictures(
    items: Iterable[Item], row_type: RowType, fetched: Fetched
) -> Iterator[tuple[Item, Future[_PictureRead] | None]]:
    """Items in order, each with its picture where that is new; some are decoded ahead."""
    workers, known = os.cpu_count() or 1, set[str]()
    waiting: deque[tuple[Item, Future[_PictureRead] | None]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for item in items:
            pending = None
            if isinstance(item, SourceRow) and item.picture and not _fault(row_type, item):
                if item.picture.image_id not in known:
                    pending = pool.submit(_read, item.picture, fetched)
                known.add(item.picture.image_id)
            waiting.append((item, pending))
            if len(waiting) > AHEAD * workers:
                yield waiting.popleft()
        yield from waiting


def _fault(row_type: RowType, row: SourceRow) -> bool:
    """Whether the writer will refuse a row for what it says."""
    faults = (row_type.fault(columns) for columns in row.texts.values())
    return bool(find_key_fault(row.id, row.group, row.task) or any(faults))


class Fetched:
    """Pictures from the web, without those that came from too many URLs to be of one of them."""

    def __init__(self, ledger: Ledger | None = None, drop_repeated: int | None = None) -> None:
        self._ledger = ledger
        self._dropped = ledger.find_repeated(drop_repeated) if ledger and drop_repeated else {}

    def read(self, url: str) -> bytes:
        """The bytes behind a URL.

        Raises:
            InputError: there is no picture of its own.
        """
        data = self._ledger.picture(url) if self._ledger else None
        if data is None:
            reason = self._ledger.reason(url) if self._ledger else None
            raise InputError(f"picture: {reason or 'expected it to be fetched, found it was not'}")
        return data

    def find_decoded(self, url: str, sha256: str) -> Decoded | None:
        """Format and size of these bytes, as they were decoded when they were fetched."""
        known = self._ledger.find_decoded(url) if self._ledger else None
        if known is None or known[0] != sha256:
            return None
        return known[1] if known[1].width * known[1].height <= MAX_PIXELS else None

    def expect_own(self, sha256: str) -> None:
        """Refuse a picture with this digest if too many URLs gave it.

        Raises:
            InputError: too many URLs gave it.
        """
        if urls := self._dropped.get(sha256):
            raise InputError(f"picture: expected one of its own, found it behind {urls} URLs")


def _read(picture: Picture, fetched: Fetched) -> _PictureRead:
    """Read and decode a picture.

    Raises:
        InputError: it is dead.
    """
    if picture.url is None:
        data = picture.read()
        sha256 = picture.sha256 or hashlib.sha256(data).hexdigest()
        return _PictureRead(data, *decode_and_describe(data)[1], sha256)
    data = fetched.read(picture.url)
    sha256 = hashlib.sha256(data).hexdigest()
    fetched.expect_own(sha256)
    decoded = fetched.find_decoded(picture.url, sha256) or decode_and_describe(data)[1]
    return _PictureRead(data, *decoded, sha256)


class _Writer(CorpusWriter):
    """A writer of rows whose pictures may be dead."""

    def __init__(self, folder: Path, row_type: str, languages: list[str]) -> None:
        super().__init__(folder, row_type, languages, quarantine=True)
        self._pictures: dict[str, str | None] = {}  # image id -> why it is dead
        self._by_digest: Counter[bytes] = Counter()  # URLs that gave a picture
        self._example: dict[bytes, str] = {}  # and the first of them

    @property
    def stored(self) -> int:
        """Pictures written."""
        return sum(reason is None for reason in self._pictures.values())

    def find_repeated(self) -> int:
        """Pictures that more than one URL gave, counted by URL; says which one came most often."""
        several = {digest: count for digest, count in self._by_digest.items() if count > 1}
        if several:
            digest, most = max(several.items(), key=lambda pair: pair[1])
            logger.warning(
                "pictures: %d URLs gave pictures that another gave, too; the same one came from "
                "%d, such as %s: what servers show for a gone picture? (--drop-repeated %d)",
                sum(several.values()), most, self._example[digest], most,
            )  # fmt: skip
        return sum(several.values())

    def add(self, row: SourceRow, pending: Future[_PictureRead] | None) -> bool:
        """Add a row, and its picture if it is new; returns whether the row was kept."""
        picture = row.picture
        if picture and pending:
            self._pictures[picture.image_id] = self._store(picture, pending)
        if picture is None or picture.image_id not in self._pictures:  # the row itself is bad
            return self.add_row(row.id, None, row.texts, row.group, row.task)
        if reason := self._pictures[picture.image_id]:
            self.set_aside(row.id, reason, {"image": picture.source, "texts": row.texts})
            return False
        return self.add_row(row.id, picture.image_id, row.texts, row.group, row.task)

    def _store(self, picture: Picture, pending: Future[_PictureRead]) -> str | None:
        """Store a picture; says why it is dead."""
        try:
            read = pending.result()
        except InputError as error:
            return str(error)
        if picture.url is not None:
            digest = bytes.fromhex(read.sha256)
            self._by_digest[digest] += 1
            self._example.setdefault(digest, picture.url)
        size = read.width, read.height
        self.add_image(picture.image_id, read.data, read.format, *size, picture.source, read.sha256)
        return None
