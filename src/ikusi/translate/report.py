"""Report of a translation, on one page: counts, reasons, histograms, the rows to look at."""

from __future__ import annotations

import heapq
import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from ikusi import artifact, jsonfile
from ikusi.data.parquet import guard_reading, open_table
from ikusi.errors import InputError
from ikusi.page import fill_template
from ikusi.server import reasons
from ikusi.translate.round_trip import CommandScorer, RoundTripScorer
from ikusi.translate.settings import Quality
from ikusi.translate.shards import OK, QUARANTINED, SCHEMA, UNREACHED, Record

TEMPLATE = Path(__file__).with_name("report.html.j2")
SHOWN = 8  # rows of each kind
BARS = 24  # of a histogram
STATUSES = (OK, QUARANTINED, UNREACHED)


@dataclass
class Histogram:
    """Counts of a number over bins of equal width, gathered as numbers come.

    Args:
        title: what is counted.
        low: lower edge of the first bin; smaller numbers go there, too.
        high: upper edge of the last bin; larger numbers go there, too.
    """

    title: str
    low: float
    high: float
    bins: list[int] = field(default_factory=lambda: [0] * BARS)

    def add(self, value: float) -> None:
        """Count a number."""
        share = (value - self.low) / (self.high - self.low)
        self.bins[min(BARS - 1, max(0, int(share * BARS)))] += 1

    @property
    def count(self) -> int:
        """Numbers counted."""
        return sum(self.bins)

    def bars(self) -> list[tuple[int, float, str]]:
        """Count, height (0 to 100) and range of each bin."""
        width, most = (self.high - self.low) / BARS, max(*self.bins, 1)
        edges = [self.low + width * place for place in range(BARS + 1)]
        return [
            (count, 100 * count / most, f"{edges[place]:.2f} to {edges[place + 1]:.2f}: {count:,}")
            for place, count in enumerate(self.bins)
        ]


class Gathered:
    """Counts over the shards, read one row group at a time, with a few rows of each kind."""

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.flags: Counter[str] = Counter()
        self.read = self.written = self.tries = 0
        self.ratio = Histogram("Length, as a share of the source's", 0.0, 3.0)
        self.scores = array("d")
        self.refused: dict[str, list[Record]] = defaultdict(list)
        self.flagged: dict[str, list[Record]] = defaultdict(list)
        self._worst: list[tuple[float, int, Record]] = []

    def add(self, record: Record) -> None:
        """Take a row in."""
        self.statuses[record["status"]] += 1
        self.read += record["tokens_read"] or 0
        self.written += record["tokens_written"] or 0
        self.tries += len(record["attempts"]) + (record["status"] == OK)
        if record["status"] == OK:
            self._add_good(record)
        else:
            kind = reasons.count(self.reasons, record["reason"] or "no answer")
            _keep(self.refused[kind], record)

    def _add_good(self, record: Record) -> None:
        before, after = (max(1, sum(map(len, record[name]))) for name in ("source", "texts"))
        self.ratio.add(after / before)
        for flag in record["flags"]:
            self.flags[flag] += 1
            _keep(self.flagged[flag], record)
        if (score := record["score"]) is not None and math.isfinite(score):
            self.scores.append(score)
            heapq.heappush(self._worst, (-score, record["place"], record))
            if len(self._worst) > SHOWN:
                heapq.heappop(self._worst)

    @property
    def rows(self) -> int:
        """Rows that are settled or were tried."""
        return self.statuses.total()

    def worst(self) -> list[Record]:
        """The rows with the lowest scores, the lowest first."""
        return [record for _, _, record in sorted(self._worst, reverse=True)]

    def histograms(self, measure: str) -> list[Histogram]:
        """The histograms that are not empty; `measure` names the scores."""
        shown = [self.ratio]
        if self.scores:
            low, high = min(self.scores), max(self.scores)
            score = Histogram(measure, low, max(high, low + 1e-6))
            for value in self.scores:
                score.add(value)
            shown.append(score)
        return [histogram for histogram in shown if histogram.count]


def _keep(rows: list[Record], record: Record) -> None:
    if len(rows) < SHOWN:
        rows.append(record)


def gather(folder: Path) -> Gathered:
    """Read the shards of a working folder, finished or not.

    Raises:
        InputError: there are none yet.
    """
    gathered = Gathered()
    paths = sorted((folder / "shards").glob("*.parquet"))
    if not paths:
        raise InputError(f"{folder}: expected shards of a translation, found none yet")
    for row in _rows(paths):
        gathered.add(row)
    return gathered


def _rows(paths: list[Path]) -> Iterator[Record]:
    for path in paths:
        with guard_reading(path, "a shard of a translation"), open_table(path, SCHEMA) as file:
            for batch in file.iter_batches(1024):
                yield from pa.Table.from_batches([batch]).to_pylist()


class _Checks(jsonfile.Record):
    quality: Quality | None = None
    round_trip: dict[str, Any] | None = None


class _About(jsonfile.Record):
    checks: _Checks = _Checks()


def describe_job(folder: Path) -> dict[str, Any]:
    """The job's record of its settings and sizes."""
    path = folder / "translation.json"
    if not path.exists():
        return {}
    about: dict[str, Any] = jsonfile.read_plain(path, _About, "a translation's record")
    return about


def measure(job: dict[str, Any]) -> str:
    """Name a job's scores, for people; the learned metric's where it has both kinds."""
    checks = job.get("checks", {})
    if quality := checks.get("quality"):
        return CommandScorer(Quality(**quality)).measure
    return RoundTripScorer.measure if checks.get("round_trip") else "score"


def write_summary(gathered: Gathered) -> list[str]:
    """List reasons for rows set aside, and flags: a line each with its count, for a terminal."""
    lines = [f"{count:10,} set aside: {kind}" for kind, count in gathered.reasons.most_common()]
    return lines + [f"{count:10,} flagged: {flag}" for flag, count in gathered.flags.most_common()]


def write(folder: Path, output: Path) -> Gathered:
    """Write the page for a working folder, finished or not; returns what it says.

    Raises:
        InputError: there is nothing to report on yet.
    """
    gathered = gather(folder)
    job = describe_job(folder)
    values = {"about": job, "measure": measure(job), "found": gathered, "statuses": STATUSES}
    page = fill_template(TEMPLATE, values, {})
    output.parent.mkdir(parents=True, exist_ok=True)
    artifact.write_text(output, page)
    return gathered
