"""The corpus format: pictures once, one text table per language, keyed by the same row ids."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image

from ikusi import artifact, content
from ikusi.data import integrity
from ikusi.data import rows as row_types
from ikusi.data.groups import IMAGES, Groups, Pictures
from ikusi.data.images import decode
from ikusi.data.parquet import TableWriter
from ikusi.data.rows.columns import OPTIONAL, find_key_fault
from ikusi.errors import InputError
from ikusi.recipe.values import check_name

ROWS_IN_GROUP = 4096
IMAGES_IN_GROUP = 256
QUARANTINE = pa.schema([("id", pa.string()), ("reason", pa.string()), ("row", pa.string())])


class CorpusWriter:
    """Writes a corpus as a stream: memory holds the ids, and one row group of each table.

    Args:
        folder: where to write; making it whole or absent is the caller's (`artifact.write_folder`).
        row_type: name of the type of its rows (`ikusi.data.rows`).
        languages: codes; every row is given in all of them.
        quarantine: set bad rows aside in `quarantine.parquet` instead of raising.
    """

    def __init__(
        self, folder: Path, row_type: str, languages: Sequence[str], quarantine: bool = False
    ) -> None:
        loaded = row_types.load(row_type)
        if not languages or len(set(languages)) != len(languages):
            actual = ", ".join(languages) or "none"
            raise InputError(f"{folder}: expected different languages, found {actual}")
        for code in languages:
            check_name(code, f"{folder}: languages")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.row_type, self.languages = folder, loaded, list(languages)
        self.quarantine = quarantine
        self._image_ids: set[str] = set()
        self._ids: set[str] = set()
        self._written = self._linked = 0  # rows kept, and pictures of another corpus
        self._tables = {
            code: TableWriter(folder / f"{code}.parquet", loaded.schema, ROWS_IN_GROUP)
            for code in languages
        }
        self._images = TableWriter(folder / "images-00000.parquet", IMAGES, IMAGES_IN_GROUP)
        self._bad = TableWriter(folder / "quarantine.parquet", QUARANTINE, ROWS_IN_GROUP)

    def add_image(
        self,
        image_id: str,
        data: bytes,
        format: str,
        width: int,
        height: int,
        source: str,
        sha256: str | None = None,
    ) -> None:
        """Store a picture's bytes as they are.

        `format` in small letters, `width` and `height` in pixels, `source` for the record; the
        `sha256` of the bytes, in hexadecimal, is computed if it is not given.

        Raises:
            InputError: the id is taken.
        """
        assert not self._linked, "the file of pictures is another corpus's"
        if image_id in self._image_ids:
            raise InputError(f"{self.folder}: image {image_id}: expected a new id, found it twice")
        self._image_ids.add(image_id)
        self._images.add(
            {
                "image_id": image_id,
                "bytes": data,
                "format": format,
                "width": width,
                "height": height,
                "sha256": sha256 or hashlib.sha256(data).hexdigest(),
                "source": source,
            },
            size=len(data),
        )

    def add_row(
        self,
        id: str,
        image_id: str | None,
        texts: Mapping[str, Mapping[str, Any]],
        group: str | None = None,
        task: str | None = None,
    ) -> bool:
        """Add a row in every language: `texts` has the columns of its type for each code.

        Returns:
            Whether it was kept; if not, it is in quarantine with the reason.

        Raises:
            InputError: the row is bad and there is no quarantine.
        """
        keys = {"image_id": image_id, "group": group, "task": task}
        reason = find_key_fault(id, group, task) or self._fault(id, image_id, texts)
        if reason and not self.quarantine:
            raise InputError(f"{self.folder}: row {id}: {reason}")
        if reason:
            self.set_aside(id, reason, {**keys, "texts": texts})
            return False
        self._ids.add(id)
        self._written += 1
        for code, table in self._tables.items():
            table.add({"id": id, **keys, **texts[code]})
        return True

    def add_checked(self, rows: Mapping[str, pa.Table]) -> None:
        """Add rows of another corpus, which has checked them: language -> table, all of one length.

        They are written as they are, at the speed of columns. Other languages, or tables of
        different lengths, raise `ValueError`.
        """
        if set(rows) != set(self.languages) or len({len(table) for table in rows.values()}) != 1:
            raise ValueError(f"expected the same rows in {', '.join(self.languages)}")
        for code, table in self._tables.items():
            table.write(rows[code])
            self._written += len(rows[code]) if code == self.languages[0] else 0

    def add_checked_images(self, images: pa.Table) -> None:
        """Store pictures whose ids and digests are known to be good, a row group of them."""
        self._images.write(images)

    def link_images(self, corpus: Path) -> None:
        """Take over the pictures of another corpus as they are, and none besides.

        They are stored once: hard links where the file system has them, else copies.
        """
        assert not self._image_ids, "pictures were added already"
        for path in sorted(corpus.glob("images-*.parquet")):
            self._linked += pq.read_metadata(path).num_rows
            try:
                os.link(path, self.folder / path.name)
            except OSError:
                shutil.copyfile(path, self.folder / path.name)

    def set_aside(self, id: str, reason: str, row: Any) -> None:
        """Put into the quarantine what is no row, as JSON; bytes in it are replaced by their
        number."""
        content = json.dumps(row, ensure_ascii=False, default=_describe)
        bad = {"id": str(id), "reason": reason, "row": content}
        self._bad.add({name: _storable(text) for name, text in bad.items()})

    def _fault(
        self, id: str, image_id: str | None, texts: Mapping[str, Mapping[str, Any]]
    ) -> str | None:
        if id in self._ids:
            return "expected a new id, found it twice"
        if image_id is not None and image_id not in self._image_ids:
            return f"image_id: expected a stored picture, found {image_id}"
        if set(texts) != set(self.languages):
            wanted, actual = ", ".join(self.languages), ", ".join(texts) or "none"
            return f"expected texts in {wanted}, found {actual}"
        for code in self.languages:
            if problem := self.row_type.fault(texts[code]):
                return f"{code}: {problem}"
        return None

    def close(self) -> None:
        """Write what is held and the corpus's own counts."""
        for table in self._tables.values():
            table.close(always=True)
        self._images.close()
        self._bad.close()
        counts = {
            "row_type": self.row_type.name,
            "languages": self.languages,
            "rows": self._written,
            "images": self._linked or self._images.written,
            "quarantined": self._bad.written,
        }
        artifact.write_json(self.folder / "corpus.json", counts)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()


class Corpus:
    """A corpus opened for reading; rows and pictures are read from disk as they are asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        about = integrity.read_about(self.folder)
        self.row_type, self.languages = row_types.load(about.row_type), about.languages
        self._rows = {code: self._open_groups(code) for code in self.languages}
        images = sorted(self.folder.glob("images-*.parquet"))
        self._images = [Groups(path, IMAGES) for path in images]
        integrity.check(about, self._rows, self._images)

    @classmethod
    def open(cls, folder: Path) -> Corpus:
        """Open a corpus folder.

        Raises:
            InputError: it is no corpus or not whole, a column holds another kind of value, an id
                is there twice, its languages do not have the same rows, or a row's picture is not
                stored. Whoever reads rows or pictures raises it where these are bad.
        """
        return cls(folder)

    @classmethod
    def is_whole(cls, folder: Path) -> bool:
        """Whether a folder holds a corpus that can be opened: none of its files is lost or cut."""
        try:
            cls(folder)
        except InputError:
            return False
        return True

    def __len__(self) -> int:
        return self._rows[self.languages[0]].count

    def hold(self, size: int) -> None:
        """Hold at most `size` bytes of each file, or one row group, for whoever reads in order."""
        for groups in (*self._rows.values(), *self._images):
            groups.bytes_held = size

    @cached_property
    def ids(self) -> list[str]:
        """Row ids, in order."""
        return self._rows[self.languages[0]].column("id")

    @cached_property
    def image_ids(self) -> list[str | None]:
        """Each row's picture, or None."""
        return self._rows[self.languages[0]].column("image_id")

    @cached_property
    def tasks(self) -> list[str | None]:
        """Each row's task, or None."""
        return self._rows[self.languages[0]].column("task")

    def row(self, language: str, index: int) -> dict[str, Any]:
        """One row as Python values; keys are the columns of its type that it has."""
        return self._rows_of(language).row(index)

    def take(self, language: str, indices: Sequence[int]) -> list[dict[str, Any]]:
        """Several rows, in the order of `indices`; many times as fast as one by one."""
        return self._rows_of(language).take(indices)

    def table(self, language: str) -> pa.Table:
        """All rows of one language."""
        return self._rows_of(language).table()

    def rows(self, language: str, start: int, stop: int) -> pa.Table:
        """The rows from `start` up to `stop`; only their row groups are read."""
        return self._rows_of(language).slice(start, stop)

    def row_groups(self, language: str) -> Groups:
        """The rows of one language as they lie on the disk."""
        return self._rows_of(language)

    @property
    def image_groups(self) -> list[Groups]:
        """The pictures as they lie on the disk."""
        return self._images

    def find_flagged(self) -> list[int]:
        """Numbers of the rows that a check flagged, in any language."""
        places: set[int] = set()
        for groups in self._rows.values():
            if "flags" in groups.names:
                counts = pc.fill_null(pc.list_value_length(groups.columns("flags")["flags"]), 0)
                places.update(pc.indices_nonzero(counts).to_pylist())
        return sorted(places)

    def image_bytes(self, image_id: str) -> bytes:
        """A picture's bytes, as they were stored.

        Raises:
            InputError: there is no such picture, or the bytes have another SHA-256.
        """
        row = self._pictures.row(self._number(image_id))
        data: bytes | None = row["bytes"]
        digest = hashlib.sha256(data).hexdigest() if data is not None else "no bytes"
        if digest != row["sha256"]:
            problem = f"expected bytes with the SHA-256 {row['sha256']}, found {digest}"
            raise InputError(f"{self.folder}: image {image_id}: {problem}")
        return data or b""

    def image(self, image_id: str) -> Image.Image:
        """A picture, decoded to RGB."""
        return decode(self.image_bytes(image_id), name=f"{self.folder}: image {image_id}")

    def image_size(self, image_id: str) -> tuple[int, int]:
        """Width and height of a picture in pixels; it is not opened."""
        return self._pictures.size(self._number(image_id))

    def image_digest(self, image_id: str) -> str:
        """The first half of the SHA-256 of a picture's bytes, in hexadecimal."""
        return bytes(self._digests[self._number(image_id)]).decode()

    def row_digests(self) -> np.ndarray:
        """`image_digest` of each row's picture, S32 [N]; empty for rows without one."""
        column = self._rows[self.languages[0]].values("image_id")
        numbers = (-1 if name is None else self._number(name) for name in column)
        return np.append(self._digests, np.bytes_())[np.fromiter(numbers, np.int64)]

    def shows(self, digests: np.ndarray) -> np.ndarray:
        """Mask of these digests, S32 [N] in order, that a picture of some row has: bool [N]."""
        stored = _among(digests, self._digests)
        # Which picture is which row's takes longer, and is of use only where one is stored.
        return _among(digests, self.row_digests()) if stored.any() else stored

    def content(self, languages: Sequence[str]) -> str:
        """Name the tables of some languages and all pictures by their bytes."""
        tables = [self._rows_of(code).path for code in languages]
        return content.hash_files([*tables, *self.folder.glob("images-*.parquet")], self.folder)

    def _number(self, image_id: str) -> int:
        number = self._pictures.number(image_id)
        if number is None:
            raise InputError(f"{self.folder}: expected picture {image_id}, found none")
        return number

    @cached_property
    def _pictures(self) -> Pictures:
        return Pictures(self._images)

    @cached_property
    def _digests(self) -> np.ndarray:
        batches = (batch for part in self._images for batch in part.batches("sha256"))
        columns = (pc.fill_null(batch.column(0), "").to_numpy(False) for batch in batches)
        return np.concatenate([np.zeros(0, "S32"), *(column.astype("S32") for column in columns)])

    def expect_language(self, language: str) -> None:
        """Refuse a language that the corpus does not have.

        Raises:
            InputError: it has others.
        """
        if language not in self._rows:
            known = ", ".join(self.languages)
            raise InputError(f"{self.folder}: expected a language of {known}, found {language}")

    def _rows_of(self, language: str) -> Groups:
        self.expect_language(language)
        return self._rows[language]

    def _open_groups(self, language: str) -> Groups:
        path = self.folder / f"{language}.parquet"

        def check(rows: pa.Table) -> None:
            for place, problem in self.row_type.faults(rows).items():
                raise InputError(f"{path}: row {rows['id'][place]}: {problem}")

        return Groups(path, self.row_type.schema, OPTIONAL, check)

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["folder"])  # type: ignore[misc]


def _among(digests: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Mask of some digests, in order, that are among millions; `np.isin` would sort these."""
    places = np.searchsorted(digests, held)
    inside = places < len(digests)
    mask = np.zeros(len(digests), bool)
    mask[places[inside][digests[places[inside]] == held[inside]]] = True
    return mask


def _describe(value: Any) -> str:
    return f"<{len(value)} bytes>" if isinstance(value, bytes) else str(value)


def _storable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
