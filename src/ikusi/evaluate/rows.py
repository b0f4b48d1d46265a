"""One row per sample: what was asked, what was answered, what it scored.

Every figure is computed from these rows. They are written in part files as they come, so that
memory does not grow with their number and an interrupted run goes on where it stopped.
"""

import json
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ikusi import disk
from ikusi.answer.engine import Query, Reply
from ikusi.data.parquet import guard_reading, open_table
from ikusi.evaluate.benchmark import Benchmark
from ikusi.evaluate.plan import Item

SCHEMA = pa.schema(
    [
        ("benchmark", pa.string()),
        ("language", pa.string()),
        ("position", pa.int64()),
        ("id", pa.string()),
        ("image_id", pa.string()),
        ("group", pa.string()),
        ("task", pa.string()),
        ("question", pa.string()),
        ("gold", pa.string()),
        ("prediction", pa.string()),
        ("pick", pa.int32()),
        ("tied", pa.bool_()),
        ("scores", pa.list_(pa.float64())),
        ("scores_without_end", pa.list_(pa.float64())),
        ("scores_per_token", pa.list_(pa.float64())),
        ("scores_per_byte", pa.list_(pa.float64())),
        ("hit_limit", pa.bool_()),
        ("said_language", pa.string()),
        ("failure", pa.string()),
        ("correct", pa.float64()),
        ("metrics", pa.string()),
        ("prompt_hash", pa.string()),
        ("seconds", pa.float64()),
    ]
)
"""Columns of ``rows.parquet``. ``position`` is the row's place in its corpus; ``gold`` is JSON: a
list of answers, or ``{"answer", "choices"}``; ``scores`` are log-probabilities in nats (see
``engine.OptionScore``); ``said_language`` is the language of a generated answer where it can be
identified; ``failure`` says why there is no answer; ``correct`` is the primary metric in [0, 1], or
none where answers are only kept; ``metrics`` is JSON with all of them; ``prompt_hash`` names the
prompt; ``seconds`` is the row's share of the time its batch took."""

KEY = ("benchmark", "language")

ROWS_AT_ONCE = 4096
"""Rows held while parts are joined and read: a row group."""


def record(
    bench: Benchmark,
    item: Item,
    row: Mapping[str, Any],
    query: Query,
    reply: Reply,
    outcome: Mapping[str, Any],
) -> dict[str, Any]:
    """Return one row of ``rows.parquet``, as in ``SCHEMA``.

    Args:
        bench: what was asked.
        item: in which language, and which row of the corpus.
        row: that row.
        query: what was put to the model.
        reply: its answer.
        outcome: the columns with the verdict (``verdict.Judges``).
    """
    return {
        "benchmark": bench.name,
        "language": item.language,
        "position": item.position,
        **{name: row.get(name) for name in ("id", "image_id", "group", "task")},
        "question": query.question,
        **outcome,
        "gold": None if outcome["gold"] is None else _json(outcome["gold"]),
        "metrics": _json(outcome["metrics"]),
        "prompt_hash": reply.prompt,
        "seconds": reply.seconds,
    }


class Parts:
    """The part files of a run: ``part-00000.arrow`` and on, each whole or absent."""

    def __init__(self, folder: Path, plan: str) -> None:
        """Open ``folder`` for the run named by ``plan``; parts of another run are deleted."""
        self.folder = folder
        disk.make_folder(folder)
        self._named = folder / "plan.txt"
        if not self._named.exists() or self._named.read_text("utf-8", "replace") != plan:
            self._clear()
            disk.write_text(self._named, plan)

    def path(self, number: int) -> Path:
        """Return where part ``number`` is, once it is finished."""
        return self.folder / f"part-{number:05d}.arrow"

    def has(self, number: int, count: int) -> bool:
        """Whether part ``number`` is there whole, with so many rows."""
        try:
            part = self._read(number)
            return len(part) == count and bool(part.schema == SCHEMA)
        except (OSError, pa.ArrowException):
            return False

    def write(self, number: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write a finished part aside, then give it its name."""
        columns = {name: [row.get(name) for row in rows] for name in SCHEMA.names}
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, SCHEMA) as file:
            file.write_table(pa.table(columns, schema=SCHEMA))
        data = sink.getvalue()
        with disk.replace_file(self.path(number)) as aside, aside.open("wb") as part:
            part.write(data)
            part.write(_checksum(data))

    def stretch(self, benchmark: str, language: str) -> Iterator[pa.Table]:
        """Yield the rows of a benchmark in a language, in the order of their corpus.

        Pictures come in about that order, so few parts have rows of what is yielded at once.
        """
        places = np.array(self._places[benchmark, language]).reshape(-1, 3)
        places = places[np.argsort(places[:, 0])]
        for start in range(0, len(places), ROWS_AT_ONCE):
            _, numbers, rows = places[start : start + ROWS_AT_ONCE].T
            own = [self._read(n).take(rows[numbers == n]) for n in np.unique(numbers)]
            yield pa.concat_tables(own).sort_by("position")

    @cached_property
    def _places(self) -> dict[tuple[str, str], "array[int]"]:
        """Position, part and place in it of each row of a benchmark in a language, in turn."""
        places: dict[tuple[str, str], array[int]] = {}
        for path in self.folder.glob("part-*.arrow"):
            number = int(path.stem.removeprefix("part-"))
            keys = self._read(number).select(["benchmark", "language", "position"]).to_pydict()
            for row, (benchmark, language, position) in enumerate(zip(*keys.values(), strict=True)):
                own = places.setdefault((benchmark, language), array("i"))
                own.extend((position, number, row))
        return places

    def _read(self, number: int) -> pa.Table:
        data = self.path(number).read_bytes()
        if _checksum(data[:-4]) != data[-4:]:
            raise pa.ArrowInvalid(f"{self.path(number)}: other bytes than were written")
        with pa.ipc.open_file(pa.BufferReader(data[:-4])) as part:
            return part.read_all()

    def delete(self) -> None:
        """Delete the parts, once what was made of them is written."""
        self._clear()
        self._named.unlink(missing_ok=True)
        with suppress(OSError):  # somebody has put something of their own there
            self.folder.rmdir()

    def _clear(self) -> None:
        for left in (*self.folder.glob("part-*"), *self.folder.glob(".*.tmp")):
            left.unlink()


def _checksum(data: Any) -> bytes:
    """Four bytes that end a part file."""
    return zlib.crc32(data).to_bytes(4, "little")


class Stretch:
    """The rows of a benchmark in a language, read from ``rows.parquet`` as often as need be.

    As it is written, a row group holds those of one benchmark in one language, and the others are
    not read; where other programs wrote it anew, a group may hold several.
    """

    def __init__(
        self,
        path: Path,
        benchmark: str,
        language: str,
        columns: Sequence[str] = tuple(SCHEMA.names),
    ) -> None:
        self.path, self.key, self.columns = path, (benchmark, language), list(columns)

    def select(self, columns: Sequence[str]) -> "Stretch":
        """The same rows with some of their columns."""
        return Stretch(self.path, *self.key, columns)

    def to_batches(self) -> Iterator[pa.RecordBatch]:
        """Yield them a row group at a time."""
        with guard_reading(self.path), open_table(self.path, SCHEMA) as file:
            for number in range(file.num_row_groups):
                key = read_key(file.metadata.row_group(number))
                if key == self.key:
                    yield from file.read_row_group(number, self.columns).to_batches()
                elif key is None:
                    several = file.read_row_group(number, [*self.columns, *KEY])
                    yield from self._own(several).to_batches()

    def _own(self, table: pa.Table) -> pa.Table:
        own = [pc.equal(table[name], value) for name, value in zip(KEY, self.key, strict=True)]
        return table.filter(pc.and_(*own)).select(self.columns)


def read_key(group: Any) -> tuple[str, str] | None:
    """Benchmark and language of a row group by its statistics; None if several, or unknown."""
    names = [group.column(place).path_in_schema for place in range(group.num_columns)]
    columns = [group.column(names.index(name)).statistics for name in KEY]
    if not all(column and column.has_min_max and column.min == column.max for column in columns):
        return None
    first, second = columns
    return first.min, second.min


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
