"""The tables of a data set, on the hub or on this machine, read as a stream of rows.

Which files make up a split is found by the `datasets` library, here and there alike, so that a
downloaded data set reads as the one on the hub does (https://huggingface.co/docs/datasets). It
also reads Parquet. JSON, CSV and tar archives are read here, from the streams that it opens: its
own readers stop for good at a bad line, turn `NA` into nothing and numbers that name a row into
fractions, and refuse a column whose type changes.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from ikusi import content
from ikusi.data.sources.archives import read_archive
from ikusi.data.sources.damage import BadLine, Row, describe_error, is_damage
from ikusi.data.sources.pictures import locate_beside
from ikusi.errors import InputError

JSON_SUFFIXES = (".json", ".jsonl", ".ndjson", ".jsonlines")
SUFFIXES = (".parquet", *JSON_SUFFIXES, ".csv", ".tsv", ".tar")
CHUNK = 2**20  # characters of JSON read at once
LONGEST = 2**30  # characters of a JSON value that goes over several lines
ROWS_AT_ONCE, BYTES_AT_ONCE = 1024, 64 * 2**20  # of a row group of Parquet, at most
MOST_LOST = 2**24  # rows of a row group, which a damaged file may say as it likes


@dataclass(frozen=True)
class Origin:
    """The place that a data set is read from, and its split.

    Args:
        path: a file or folder on this machine, laid out as on the hub; none for the hub.
        split: instead of the data set's own; `train+validation` is one after the other.
    """

    path: Path | None = None
    split: str | None = None

    def rows(
        self,
        hub: str,
        split: str,
        config: str | None = None,
        file: str | None = None,
    ) -> Iterator[Row | BadLine]:
        """The rows of a table, pictures undecoded.

        Args:
            hub: its id on the hub.
            split: `self.split` stands before it.
            config: one of the data set's configurations.
            file: the one file that has the rows, where a data set has others beside it.

        Raises:
            InputError: there is no such table, or it breaks off.
        """
        splits = (self.split or split).split("+")
        for part in splits[:1] if self.path and self.path.is_file() else splits:
            for name in self._files(hub, part, config, file):
                yield from read(name)

    def within(self, name: str) -> Origin:
        """The part of a local data set in a folder or file of its own; on the hub, the same.

        Raises:
            InputError: there is no such folder or file.
        """
        if self.path is None:
            return self
        candidates = [self.path / f"{name}{suffix}" for suffix in ("", *SUFFIXES)]
        for path in candidates:
            if path.exists():
                return Origin(path, self.split)
        raise InputError(f"{self.path}: expected {name} in it, found none")

    def pictures(self, hub: str, name: str) -> Path:
        """An archive of pictures beside a table; one on the hub is downloaded, once."""
        if self.path is not None:
            return locate_beside(self.path)
        from datasets import DownloadManager

        try:
            return Path(DownloadManager().download(f"hf://datasets/{hub}/{name}"))
        except Exception as error:
            raise _explain_unreached(f"{hub}/{name}", error) from error

    def _files(self, hub: str, split: str, config: str | None, file: str | None) -> list[str]:
        if self.path is None:
            return _find_files(hub, split, config, file)
        content.expect_plain(self.path)
        if not self.path.exists():
            raise InputError(f"{self.path}: expected a file or folder, found none")
        if self.path.is_file():
            return [str(self.path)]
        if file and (self.path / file).is_file():
            return [str(self.path / file)]
        if config and (self.path / config).is_dir() and not (self.path / "README.md").is_file():
            return _find_files(str(self.path / config), split, None, None)
        return _find_files(str(self.path), split, config, None)


def _find_files(place: str, split: str, config: str | None, file: str | None) -> list[str]:
    """The files of a split, as `datasets` finds them."""
    from datasets import load_dataset_builder

    try:
        builder = load_dataset_builder(place, config, data_files={split: file} if file else None)
    except Exception as error:  # the hub's, the file system's and the library's own, of any kind
        raise _explain_unreached(place, error) from error
    files = builder.config.data_files or {}
    if split not in files:
        known = " or ".join(map(str, files)) or "some files"
        raise InputError(f"{place}: split: expected {known}, found {split}")
    return list(files[split])


def _explain_unreached(place: str, error: Exception) -> InputError:
    reason = " ".join(f"{error}".split())
    return InputError(f"{place}: expected a data set, found none: {reason:.300}")


def read(name: str) -> Iterator[Row | BadLine]:
    """The rows of a file, by the end of its name.

    Where a file on this machine is damaged, what can be read of it is given, and what cannot be is
    a `BadLine`: each row that a damaged row group had, a row with a damaged file in an archive, and
    the rest of a file that breaks off, whose rows cannot be counted.

    Raises:
        InputError: it is of no known kind, or cannot be reached to its end.
    """
    readers = {".csv": _csv, ".tsv": _csv, ".tar": _tar} | dict.fromkeys(JSON_SUFFIXES, _json)
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise InputError(f"{name}: expected a file that ends in one of {known}")
    content.expect_plain(Path(name))
    try:
        yield from readers.get(suffix, _parquet)(name)
    except InputError:
        raise
    except Exception as error:  # what the file system, Arrow or tarfile may say
        if not is_damage(name, error):
            raise InputError(
                f"{name}: expected to read it to its end, found {describe_error(error)}"
            ) from error
        yield BadLine(
            name, f"rest: expected to read {name} to its end, found {describe_error(error)}"
        )


def _parquet(name: str) -> Iterator[Row | BadLine]:
    """Rows of a Parquet file, some at a time: Arrow cannot hold 2 GB of pictures in one array."""
    import pyarrow.parquet as pq

    with (
        _open(name) as opened,
        pq.ParquetFile(opened, page_checksum_verification=True) as file,
    ):
        for number in range(file.num_row_groups):
            yield from _row_group(file, number, name)


def _row_group(file: Any, number: int, name: str) -> Iterator[Row | BadLine]:
    """The rows of a row group; those that are damaged, and those behind them, as bad lines."""
    group, begun = file.metadata.row_group(number), 0
    row_bytes = max(1, group.total_byte_size // max(1, group.num_rows))
    count = min(ROWS_AT_ONCE, max(1, BYTES_AT_ONCE // row_bytes))
    try:
        for batch in file.iter_batches(count, row_groups=[number]):
            begun += batch.num_rows
            yield from _batch(batch, name)
    except Exception as error:
        if not is_damage(name, error) or group.num_rows - begun > MOST_LOST:
            raise
        reason = (
            f"row: expected to read row group {number} of {name}, found {describe_error(error)}"
        )
        for row in range(begun, group.num_rows):
            yield BadLine(f"row {row} of row group {number}", reason)


def _batch(batch: Any, name: str) -> Iterator[Row | BadLine]:
    """The rows of a batch; a cell that cannot be read, such as a text in another encoding than
    UTF-8, costs its row alone."""
    try:
        yield from batch.to_pylist()
    except ValueError:
        for place in range(batch.num_rows):
            try:
                yield from batch.slice(place, 1).to_pylist()
            except ValueError as error:
                yield BadLine(
                    "", f"row: expected to read its cells in {name}, found {describe_error(error)}"
                )


def _tar(name: str) -> Iterator[Row | BadLine]:
    return read_archive(_open(name))


def _open(name: str) -> BinaryIO:
    if "://" not in name:
        return Path(name).open("rb")
    from datasets.utils.file_utils import xopen

    file: BinaryIO = xopen(name, "rb")
    return file


def _csv(name: str) -> Iterator[Row | BadLine]:
    csv.field_size_limit(sys.maxsize)
    with io.TextIOWrapper(_open(name), "utf-8-sig", "surrogateescape", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t" if name.endswith(".tsv") else ","):
            if None in row or None in row.values():
                text = json.dumps(row, ensure_ascii=False, default=str, skipkeys=True)
                yield BadLine(text, "row: expected as many cells as columns, found others")
            else:
                yield row


def _json(name: str) -> Iterator[Row | BadLine]:
    """One JSON value a line, one list of them, or values laid out over several lines each."""
    with io.TextIOWrapper(_open(name), "utf-8-sig", "surrogateescape") as file:
        first = file.read(1)
        while first.isspace():
            first = file.read(1)
        if first == "[":
            yield from map(_object, _list(file))
            return
        rows = _values(file, first + file.readline(), name)
        begun = list(islice(rows, 2))
        yield from _within(begun[0]) if len(begun) == 1 else begun
        yield from rows


def _within(only: Row | BadLine) -> Iterator[Row | BadLine]:
    """The rows of a file that is one JSON object: those of its list `data`, or itself."""
    inner = only.get("data") if isinstance(only, dict) else None
    if isinstance(inner, list) and all(isinstance(row, dict) for row in inner):
        yield from inner
    else:
        yield only


def _values(file: io.TextIOBase, line: str, name: str) -> Iterator[Row | BadLine]:
    """The values of a file, of which a line has been read."""
    waiting, over_lines = deque([line]), True
    while line := waiting.popleft() if waiting else file.readline():
        if not line.strip():
            continue
        try:
            yield _object(json.loads(line))
        except (ValueError, RecursionError) as error:
            value = _over_lines(file, line, waiting, name) if over_lines else None
            over_lines = value is not None  # else these are lines, and some are bad
            bad = BadLine(line.rstrip("\n"), f"row: expected JSON, found {error}")
            yield bad if value is None else _object(value)


def _over_lines(file: io.TextIOBase, line: str, waiting: deque[str], name: str) -> Any:
    """The value that begins on a line and ends on a later one, or None.

    What else had to be read is put into `waiting`, line by line.

    Raises:
        InputError: it does not end.
    """
    held, value, end = line + "".join(waiting), None, len(line)
    while True:
        try:
            value, end = json.JSONDecoder().raw_decode(held, len(held) - len(held.lstrip()))
        except RecursionError:
            pass
        except json.JSONDecodeError as error:
            is_cut = not held[error.pos :].strip()
            if is_cut and len(held) > LONGEST:
                raise InputError(f"{name}: expected a row a line, found a longer one") from None
            if is_cut and (more := file.readlines(max(CHUNK, len(held)))):
                held += "".join(more)
                continue
        waiting.clear()
        waiting.extend(io.StringIO(held[end:]).readlines())
        return value


def _object(value: Any) -> Row | BadLine:
    if isinstance(value, dict):
        return value
    return BadLine(json.dumps(value), f"row: expected keys and values, found {value!r:.40}")


def _list(file: io.TextIOBase) -> Iterator[Any]:
    """The values of a JSON list whose bracket was read; one of them is held at a time."""
    decoder, held, at, ended = json.JSONDecoder(), "", 0, False
    while True:
        while at < len(held) and held[at] in " \t\r\n,":
            at += 1
        if held[at : at + 1] == "]":
            return
        try:
            if at == len(held):
                raise ValueError("nothing")
            value, end = decoder.raw_decode(held, at)
            # A number that reaches the end of what is held may go on after it.
            if end == len(held) and not ended:
                raise ValueError("a part")
        except ValueError as error:
            if ended:
                raise ValueError(f"no JSON list to its end: {error}") from None
            more = file.read(max(CHUNK, len(held) - at))
            held, at, ended = held[at:] + more, 0, not more
            continue
        yield value
        at = end
