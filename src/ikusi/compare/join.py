"""Rows of two evaluations laid side by side by their ids; only the columns that are needed.

What does not fit together is an error, what only one of them has is counted. Loads no tensor
library.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import dataset

from ikusi import yamlfile
from ikusi.errors import InputError
from ikusi.evaluate.stored import RESULTS, ROWS, Measured, check_rows, read_results

PRIMARY = "correct"
SAME = ("gold", "image_id", "group")  # what a row with the same id must share
_KEYS = ("id", *SAME, "question", "prompt_hash", "failure")

Asked = tuple[str, str]
"""A benchmark and a language."""


class Unmatched(NamedTuple):
    """What one benchmark and language came to when it was joined, in rows.

    ``other_prompts``: rows in both whose prompts are other tokens; ``other_questions``: those
    among them that are also worded otherwise. ``failed_*``: rows in both that have no answer.
    """

    run: str
    benchmark: str
    language: str
    rows: int
    only_baseline: int
    only_run: int
    other_prompts: int
    other_questions: int
    failed_baseline: int
    failed_run: int


@dataclass(frozen=True)
class Joined:
    """Rows that both have, sorted by id: scores in [0, 1], and the picture and group of each.

    ``clusters`` names the row itself where it has no picture.
    """

    ids: tuple[str, ...]
    clusters: tuple[str, ...]
    groups: tuple[str | None, ...]
    baseline: npt.NDArray[np.float64]
    run: npt.NDArray[np.float64]
    unmatched: Unmatched


class Rows:
    """The rows of one evaluation on disk, read by benchmark and language."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name, self._path = name, folder / ROWS
        if not self._path.is_file():
            told = f"expected the folder of an evaluation, found no {ROWS}"
            raise InputError(f"{folder}: {told}")
        check_rows(self._path)
        self._results = folder / RESULTS

    @cached_property
    def asked(self) -> list[Asked]:
        """Benchmarks and languages, in the order of the rows."""
        table = pq.read_table(self._path, columns=["benchmark", "language"])
        found = table.group_by(["benchmark", "language"], use_threads=False).aggregate([])
        return list(zip(*(found[name].to_pylist() for name in found.column_names), strict=True))

    @cached_property
    def _figures(self) -> dict[str, Any]:
        if not self._results.is_file():
            return {}
        return read_results(self._results, Measured)

    def primary(self, asked: Asked) -> str | None:
        """The name of the primary metric, where ``results.json`` tells it."""
        by_group = self._figures.get(asked[0], {}).get(asked[1], {})
        found: str | None = by_group.get("all", {}).get("metric")
        return found

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
        table = dataset.dataset(self._path).head(1, columns=[column], filter=_only(asked))
        return table[column][0].as_py()

    def read(self, asked: Asked, columns: Sequence[str]) -> pa.Table:
        """Some columns of one benchmark and language."""
        return pq.read_table(self._path, columns=list(columns), filters=_only(asked))

    def texts(self, asked: Asked, ids: Collection[str], columns: Sequence[str]) -> pa.Table:
        """Some columns of the rows with these ids, sorted by id."""
        table = self.read(asked, ["id", *columns])
        return table.filter(pc.is_in(table["id"], pa.array(list(ids), pa.string()))).sort_by("id")

    def scored(self, asked: Asked, metric: str | None) -> tuple[pa.Table, npt.NDArray[np.float64]]:
        """Rows sorted by id with the score of each; a ``metric``, or else the primary one."""
        column = PRIMARY if metric is None else "metrics"
        table = self.read(asked, [*_KEYS, column]).sort_by("id")
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
                told = f"expected a score ({metric or PRIMARY}), found none"
                raise InputError(f"{self._where(asked, row)}: {told}")
        return table.drop_columns([column]), np.array(values, dtype=np.float64)

    def _where(self, asked: Asked, row: str) -> str:
        return f"{self._path}: {' '.join(asked)}: row {row}"


def names(folders: Sequence[Path]) -> list[str]:
    """The shortest ends of the folders' paths that tell them apart.

    Raises:
        InputError: a folder is given twice.
    """
    parts = [folder.resolve().parts for folder in folders]
    for place, own in enumerate(parts):
        if own in parts[:place]:
            raise InputError(f"{folders[place]}: expected different evaluations, found it twice")
    for length in range(1, max(map(len, parts)) + 1):
        found = ["/".join(own[-length:]) for own in parts]
        if len(set(found)) == len(found):
            break
    return found


def check_metric(metric: str, rows: Rows) -> None:
    """Check that at least one benchmark of an evaluation has a metric.

    Raises:
        InputError: none has.
    """
    known = list(dict.fromkeys(name for asked in rows.asked for name in rows.metrics(asked)))
    if metric not in known:
        near = yamlfile.nearest(metric, known)
        hint = f" (did you mean {near}?)" if near else ""
        found = f"expected a metric of {rows.name} ({', '.join(known)}), found {metric}{hint}"
        raise InputError(f"metric: {found}")


def join(baseline: Rows, run: Rows, asked: Asked, metric: str | None) -> Joined:
    """Lay the rows of one benchmark and language side by side.

    Raises:
        InputError: the same id is another question, or the runs have another primary metric.
    """
    _check_primary(baseline, run, asked, metric)
    (left, left_scores), (right, right_scores) = (
        rows.scored(asked, metric) for rows in (baseline, run)
    )
    ids = [set(table["id"].to_pylist()) for table in (left, right)]
    both = pa.array(sorted(ids[0] & ids[1]), pa.string())
    places = [pc.index_in(both, table["id"].combine_chunks()) for table in (left, right)]
    sides = [table.take(place) for table, place in zip((left, right), places, strict=True)]
    left, right = sides
    _check_same(left, right, (baseline, run), asked)
    other_prompts = pc.not_equal(left["prompt_hash"], right["prompt_hash"])
    other_words = pc.and_(other_prompts, pc.not_equal(left["question"], right["question"]))
    pictures, found = left["image_id"].to_pylist(), both.to_pylist()
    only = (len(ids[0]) - len(both), len(ids[1]) - len(both))
    counts = [other_prompts, other_words, *(table["failure"].is_valid() for table in sides)]
    return Joined(
        ids=tuple(found),
        clusters=tuple(p or f"row {row}" for p, row in zip(pictures, found, strict=True)),
        groups=tuple(left["group"].to_pylist()),
        baseline=left_scores[places[0].to_numpy()],
        run=right_scores[places[1].to_numpy()],
        unmatched=Unmatched(run.name, *asked, len(both), *only, *map(_count, counts)),
    )


def _only(asked: Asked) -> pc.Expression:
    return (pc.field("benchmark") == asked[0]) & (pc.field("language") == asked[1])


def _count(truths: pa.ChunkedArray) -> int:
    return int(pc.sum(truths).as_py() or 0)


def _check_primary(baseline: Rows, run: Rows, asked: Asked, metric: str | None) -> None:
    one, other = baseline.primary(asked), run.primary(asked)
    if metric is None and one and other and one != other:
        told = f"found {one} in {baseline.name} and {other} in {run.name}; choose one by --metric"
        raise InputError(f"{' '.join(asked)}: expected one primary metric, {told}")


def _check_same(left: pa.Table, right: pa.Table, sides: tuple[Rows, Rows], asked: Asked) -> None:
    for column in SAME:
        values = [table[column].to_pylist() for table in (left, right)]
        for row, one, other in zip(left["id"].to_pylist(), *values, strict=True):
            if one != other and not (column == "gold" and json.loads(one) == json.loads(other)):
                told = f"found {one} in {sides[0].name} and {other} in {sides[1].name}"
                raise InputError(f"{' '.join(asked)}: row {row}: expected one {column}, {told}")
