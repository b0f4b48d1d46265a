"""The rows of one evaluation on disk, read by benchmark and language, a few columns at a time.

Loads no tensor library, and never holds more than was asked for.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ikusi.data.parquet import select_schema
from ikusi.errors import InputError
from ikusi.evaluate.rows import SCHEMA, Stretch
from ikusi.evaluate.stored import RESULTS, ROWS, Measured, check_rows, read_results

PRIMARY = "correct"

Asked = tuple[str, str]
"""A benchmark and a language."""


@dataclass(frozen=True)
class Scores:
    """One benchmark in one language: a score in [0, 1] per row, sorted by id.

    ``name_clusters`` names the picture of each row, or the row itself where it has none: what
    resampling draws. ``groups`` is the way in which each picture is unseen.
    """

    ids: tuple[str, ...]
    clusters: tuple[str, ...]
    groups: tuple[str | None, ...]
    correct: npt.NDArray[np.float64]

    @property
    def questions(self) -> tuple[Any, ...]:
        """All but the scores: equal for runs that were asked the same."""
        return self.ids, self.clusters, self.groups


class Rows:
    """The rows of one evaluation. They are checked when it is opened, and read when asked for."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name, self._path = name, folder / ROWS
        if not self._path.is_file():
            expected = f"expected the folder of an evaluation, found no {ROWS}"
            raise InputError(f"{folder}: {expected}")
        self.asked: list[Asked] = check_rows(self._path)
        self._results = folder / RESULTS

    @cached_property
    def _figures(self) -> dict[str, Any]:
        if not self._results.is_file():
            return {}
        return read_results(self._results, Measured)

    def primary(self, asked: Asked) -> str | None:
        """The name of the primary metric, where ``results.json`` has it."""
        by_group = self._figures.get(asked[0], {}).get(asked[1], {})
        metric: str | None = by_group.get("all", {}).get("metric")
        return metric

    def metrics(self, asked: Asked) -> list[str]:
        """Names of all metrics that the rows of a benchmark have; none where answers are kept."""
        return list(json.loads(self._first(asked, "metrics")))

    def has(self, asked: Asked, metric: str | None) -> bool:
        """Whether there are scores of a benchmark in a language by this metric."""
        if asked not in self.asked:
            return False
        if metric is None:
            return self._first(asked, PRIMARY) is not None
        return metric in self.metrics(asked)

    def _first(self, asked: Asked, column: str) -> Any:
        batch = next(Stretch(self._path, *asked, [column]).to_batches())
        return batch[column][0].as_py()

    def read(self, asked: Asked, columns: Sequence[str]) -> pa.Table:
        """Some columns of one benchmark and language, sorted by id."""
        wanted = list(dict.fromkeys(["id", *columns]))
        schema = pa.schema([SCHEMA.field(name) for name in wanted])
        parts = [
            select_schema(pa.Table.from_batches([batch]), schema)
            for batch in Stretch(self._path, *asked, wanted).to_batches()
        ]
        return pa.concat_tables([schema.empty_table(), *parts]).select(wanted).sort_by("id")

    def texts(self, asked: Asked, ids: Collection[str], columns: Sequence[str]) -> pa.Table:
        """Some columns of the rows with these ids, sorted by id."""
        table = self.read(asked, columns)
        return table.filter(pc.is_in(table["id"], pa.array(list(ids), pa.string())))

    def read_scored(
        self, asked: Asked, metric: str | None, columns: Sequence[str]
    ) -> tuple[pa.Table, npt.NDArray[np.float64]]:
        """Some columns of the rows, sorted by id, and the score of each.

        ``metric``: by which, or none for the primary one.

        Raises:
            InputError: an id stands there twice, or a row has no such score.
        """
        column = PRIMARY if metric is None else "metrics"
        table = self.read(asked, [*columns, column])
        values = table[column].to_pylist()
        if metric is not None:
            values = [json.loads(value).get(metric) for value in values]
        ids = table["id"].to_pylist()
        for before, row, value in zip([None, *ids], ids, values, strict=False):
            if row == before:
                raise InputError(
                    f"{self._where(asked, row)}: expected each id once, found it twice"
                )
            if value is None:
                expected = f"expected a score ({metric or PRIMARY}), found none"
                raise InputError(f"{self._where(asked, row)}: {expected}")
        return table.drop_columns([column]), np.array(values, dtype=np.float64)

    def scores(self, asked: Asked) -> Scores:
        """The rows of a benchmark in a language by its primary metric; errors as `read_scored`."""
        table, correct = self.read_scored(asked, None, ["image_id", "group"])
        ids, groups = (tuple(table[name].to_pylist()) for name in ("id", "group"))
        return Scores(ids, tuple(name_clusters(asked, table)), groups, correct)

    def _where(self, asked: Asked, row: str) -> str:
        return f"{self._path}: {' '.join(asked)}: row {row}"


def name_clusters(asked: Asked, table: pa.Table) -> list[str]:
    """The picture of each row, or where it has none the row itself, by a name of its own."""
    pairs = zip(table["image_id"].to_pylist(), table["id"].to_pylist(), strict=True)
    return [picture or f"{asked[0]}/{row}" for picture, row in pairs]
