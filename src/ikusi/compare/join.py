"""Rows of two evaluations laid side by side by their ids.

What does not fit together is an error, what only one of them has is counted. Loads no tensor
library.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ikusi import yamlfile
from ikusi.compare.rows import Asked, Rows, name_clusters
from ikusi.errors import InputError

SAME = ("gold", "image_id", "group")  # what a row with the same id must share
_KEYS = (*SAME, "question", "prompt_hash", "failure")


class Unmatched(NamedTuple):
    """Counts of rows of one benchmark and language that were joined, or could not be.

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

    ``name_clusters`` names the row itself where it has no picture. ``baseline`` and ``run`` are
    [rows]; of several trainings [seeds, rows].
    """

    ids: tuple[str, ...]
    clusters: tuple[str, ...]
    groups: tuple[str | None, ...]
    baseline: npt.NDArray[np.float64]
    run: npt.NDArray[np.float64]
    unmatched: Unmatched


def shorten_names(folders: Sequence[Path]) -> list[str]:
    """The shortest ends of the folders' paths that differ from each other.

    Raises:
        InputError: a folder is given twice.
    """
    parts = [folder.resolve().parts for folder in folders]
    for place, own in enumerate(parts):
        if own in parts[:place]:
            raise InputError(f"{folders[place]}: expected different evaluations, found it twice")
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(own[-length:]) for own in parts]
        if len(set(names)) == len(names):
            break
    return names


def check_metric(metric: str, rows: Rows) -> None:
    """Check that at least one benchmark of an evaluation has a metric.

    Raises:
        InputError: no benchmark has it.
    """
    known = list(dict.fromkeys(name for asked in rows.asked for name in rows.metrics(asked)))
    if metric not in known:
        near = yamlfile.suggest(metric, known)
        hint = f" (did you mean {near}?)" if near else ""
        problem = f"expected a metric of {rows.name} ({', '.join(known)}), found {metric}{hint}"
        raise InputError(f"metric: {problem}")


def join(baseline: Rows, run: Rows, asked: Asked, metric: str | None) -> Joined:
    """Lay the rows of one benchmark and language side by side.

    Raises:
        InputError: the same id is another question, or the runs have another primary metric.
    """
    _check_primary(baseline, run, asked, metric)
    (left, left_scores), (right, right_scores) = (
        rows.read_scored(asked, metric, _KEYS) for rows in (baseline, run)
    )
    ids = [set(table["id"].to_pylist()) for table in (left, right)]
    both = pa.array(sorted(ids[0] & ids[1]), pa.string())
    places = [pc.index_in(both, table["id"].combine_chunks()) for table in (left, right)]
    sides = [table.take(place) for table, place in zip((left, right), places, strict=True)]
    left, right = sides
    _check_same(left, right, (baseline, run), asked)
    other_prompts = pc.not_equal(left["prompt_hash"], right["prompt_hash"])
    other_words = pc.and_(other_prompts, pc.not_equal(left["question"], right["question"]))
    shared_ids = both.to_pylist()
    only = (len(ids[0]) - len(both), len(ids[1]) - len(both))
    counts = [other_prompts, other_words, *(table["failure"].is_valid() for table in sides)]
    return Joined(
        ids=tuple(shared_ids),
        clusters=tuple(name_clusters(asked, left)),
        groups=tuple(left["group"].to_pylist()),
        baseline=left_scores[places[0].to_numpy()],
        run=right_scores[places[1].to_numpy()],
        unmatched=Unmatched(run.name, *asked, len(both), *only, *map(_count, counts)),
    )


def stack(every: Sequence[Joined]) -> Joined:
    """The scores of the same rows under several seeds, as one; the rest is that of the first.

    Raises:
        InputError: under some seed other rows were asked.
    """
    first, *others = every
    for other in others:
        if (other.ids, other.clusters) != (first.ids, first.clusters):
            where = f"{first.unmatched.benchmark} {first.unmatched.language}"
            raise InputError(
                f"{where}: expected the same rows under every seed, found others in "
                f"{other.unmatched.run} than in {first.unmatched.run}"
            )
    if not others:
        return first
    sides = ([one.baseline for one in every], [one.run for one in every])
    return replace(first, baseline=np.stack(sides[0]), run=np.stack(sides[1]))


def _count(truths: pa.ChunkedArray) -> int:
    return int(pc.sum(truths).as_py() or 0)


def _check_primary(baseline: Rows, run: Rows, asked: Asked, metric: str | None) -> None:
    one, other = baseline.primary(asked), run.primary(asked)
    if metric is None and one and other and one != other:
        problem = (
            f"found {one} in {baseline.name} and {other} in {run.name}; choose one by --metric"
        )
        raise InputError(f"{' '.join(asked)}: expected one primary metric, {problem}")


def _check_same(left: pa.Table, right: pa.Table, sides: tuple[Rows, Rows], asked: Asked) -> None:
    for column in SAME:
        values = [table[column].to_pylist() for table in (left, right)]
        for row, one, other in zip(left["id"].to_pylist(), *values, strict=True):
            if one != other and not (column == "gold" and json.loads(one) == json.loads(other)):
                problem = f"found {one} in {sides[0].name} and {other} in {sides[1].name}"
                raise InputError(f"{' '.join(asked)}: row {row}: expected one {column}, {problem}")
