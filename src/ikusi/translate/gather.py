"""The translated corpus: the rows that were translated, in every language they have, with their
pictures; the others in quarantine. Read by mixtures and benchmarks as any other corpus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ikusi import artifact
from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.data.rows.shape import Layout
from ikusi.errors import InputError
from ikusi.translate.checks.yes_no import translate_closed
from ikusi.translate.job import Job
from ikusi.translate.shards import OK, QUARANTINED

KIND = "translate"  # what makes the corpus


def gather(job: Job, output: Path) -> dict[str, Any]:
    """Write the translated corpus from a job's finished shards; returns its counts.

    Rows in are rows out plus rows quarantined. Does nothing where the corpus is there already.

    Raises:
        InputError: a shard is not finished.
    """
    if missing := job.list_unfinished():
        listed = ", ".join(map(str, missing[:5])) + (" ..." if len(missing) > 5 else "")
        raise InputError(
            f"{job.folder}: expected all shards, found {len(missing)} unfinished: {listed}"
        )
    made = [job.describe_made(number) for number in range(job.plan.shards)]
    corpus = job.plan.corpus
    all_of_it = corpus.content(corpus.languages)  # every column, language and picture goes along
    name = artifact.fingerprint([shard.__dict__ for shard in made], _list_times(job), all_of_it)
    if not (artifact.is_current(output, name) and Corpus.is_whole(output)):
        reads = [job.plan.corpus.folder]
        with artifact.write_folder(
            output, fingerprint=name, kind=KIND, settings=job.about(), reads=reads
        ) as staging:
            counts = _Gatherer(job, staging).run()
            artifact.add_counts(staging, **counts)
    manifest = artifact.read_manifest(output) or {}
    return dict(manifest["counts"])


def _list_times(job: Job) -> list[int]:
    """When each shard was written: rows may have been tried again with the same settings."""
    return [job.shards.path(number).stat().st_mtime_ns for number in range(job.plan.shards)]


class _Gatherer:
    """Streams shards into the corpus's tables; holds one shard, and the texts said repeatedly."""

    def __init__(self, job: Job, staging: Path) -> None:
        self.job, self.plan = job, job.plan
        self.row_type = job.plan.corpus.row_type
        codes = [*job.plan.corpus.languages, job.plan.target.code]
        self._writer = CorpusWriter(staging, self.row_type.name, codes, quarantine=True)
        self._counts: Counter[str] = Counter()
        self._repeated = self._read_repeated()

    def run(self) -> dict[str, float]:
        """Write everything."""
        for number in range(self.plan.shards):
            self._add(number)
        self._writer.link_images(self.plan.corpus.folder)
        self._writer.close()
        return self._describe()

    def _describe(self) -> dict[str, float]:
        counts: dict[str, float] = {"rows_in": self.plan.rows, "rows": 0, "quarantined": 0}
        counts |= {"repeated": int((self.plan.first != np.arange(self.plan.rows)).sum())}
        return counts | dict(self._counts)

    def _read_repeated(self) -> pa.Table:
        """The outcomes that later rows share, by place."""
        copies = self.plan.first != np.arange(self.plan.rows)
        wanted = np.unique(self.plan.first[copies])
        parts = []
        for number in np.unique(wanted // self.plan.shard_rows):
            table = self.job.shards.read(int(number))
            parts.append(table.filter(pc.is_in(table["place"], pa.array(wanted))))
        return pa.concat_tables(parts) if parts else None

    def _outcomes(self, number: int) -> pa.Table:
        """Outcomes of all rows of a shard, in order, repeated rows included."""
        start, stop = self.plan.bounds(number)
        own = self.job.shards.read(number)
        for name in ("tokens_read", "tokens_written"):
            self._counts[name] += pc.sum(own[name]).as_py() or 0
        first = self.plan.first[start:stop]
        tables = [own] if self._repeated is None else [own, self._repeated]
        table = pa.concat_tables(tables)
        places = table["place"].to_numpy()
        order = np.argsort(places, kind="stable")
        return table.take(order[np.searchsorted(places[order], first)])

    def _add(self, number: int) -> None:
        start, stop = self.plan.bounds(number)
        outcomes = self._outcomes(number)
        corpus = self.plan.corpus
        rows = {code: corpus.rows(code, start, stop) for code in corpus.languages}
        source = rows[self.plan.source.code]
        good = pc.equal(outcomes["status"], OK)
        translated = self._translate(source.filter(good), outcomes.filter(good))
        if bad := self.row_type.faults(translated):
            outcomes = _refuse(outcomes, good, bad)
            translated = translated.filter(_all_but(bad, len(translated)))
            good = pc.equal(outcomes["status"], OK)
        kept_rows = {code: table.filter(good) for code, table in rows.items()}
        self._writer.add_checked({**kept_rows, self.plan.target.code: translated})
        self._set_aside(source.filter(pc.invert(good)), outcomes.filter(pc.invert(good)))
        kept = outcomes.filter(good)
        self._counts["rows"] += len(kept)
        self._counts["flagged"] += (
            pc.sum(pc.greater(pc.list_value_length(kept["flags"]), 0)).as_py() or 0
        )

    def _translate(self, source: pa.Table, outcomes: pa.Table) -> pa.Table:
        """Rows of the target's table: the source's, with their texts and where these come from."""
        columns = {name: source[name] for name in ("id", "image_id", "group", "task")}
        columns |= self.row_type.with_texts(source, self._texts(source, outcomes))
        name = pa.array([self.job.translator.name] * len(source), pa.string())
        columns |= {"translator": name, "flags": outcomes["flags"], "score": outcomes["score"]}
        return pa.table(columns)

    def _texts(self, source: pa.Table, outcomes: pa.Table) -> pa.ListArray:
        """All texts of the translated rows: the engine's, and yes and no from the packs."""
        texts = outcomes["texts"].combine_chunks()
        if self.row_type.layout is not Layout.QUESTION:
            return texts
        known = (
            translate_closed(
                self.row_type, self.row_type.texts(columns), self.plan.source, self.plan.target
            )
            for columns in source.to_pylist()
        )
        pairs = zip(texts.to_pylist(), known, strict=True)
        return pa.array(
            [[*translated, *(answers or [])] for translated, answers in pairs], texts.type
        )

    def _set_aside(self, source: pa.Table, outcomes: pa.Table) -> None:
        """Put rows without a good translation into the quarantine, with all attempts."""
        for columns, outcome in zip(source.to_pylist(), outcomes.to_pylist(), strict=True):
            row = {name: value for name, value in columns.items() if value is not None}
            row["attempts"] = outcome["attempts"]
            self._writer.set_aside(columns["id"], outcome["reason"], row)
        self._counts["quarantined"] += len(source)


def _refuse(outcomes: pa.Table, good: pa.ChunkedArray, bad: Mapping[int, str]) -> pa.Table:
    """The outcomes with some of the good ones refused: place among these -> why."""
    places = np.flatnonzero(good.to_numpy())
    status, reasons = outcomes["status"].to_pylist(), outcomes["reason"].to_pylist()
    for place, reason in bad.items():
        status[places[place]], reasons[places[place]] = QUARANTINED, reason
    for name, values in (("status", status), ("reason", reasons)):
        place = outcomes.schema.get_field_index(name)
        outcomes = outcomes.set_column(place, name, pa.array(values, pa.string()))
    return outcomes


def _all_but(bad: Mapping[int, str], count: int) -> pa.BooleanArray:
    kept = np.ones(count, dtype=bool)
    kept[list(bad)] = False
    return pa.array(kept)
