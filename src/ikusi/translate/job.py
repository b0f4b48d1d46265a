"""A translation job: shards of rows in, shards of outcomes out, killed and resumed at will.

Worker r of w takes the shards r, r + w, r + 2w, ... as in a SLURM array, so no lock is needed; the
workers share nothing but the folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from ikusi import artifact, disk, jsonfile, language
from ikusi.data.corpus import Corpus
from ikusi.errors import InputError
from ikusi.lock import hold_folder
from ikusi.translate import plan as plans
from ikusi.translate import shards as on_disk
from ikusi.translate.checks import Checker
from ikusi.translate.contract import CUT, Check, Outcome, Row, Translator, Verdict
from ikusi.translate.scorers import LanguageJudge, Scorer
from ikusi.translate.settings import Translation
from ikusi.translate.shards import Made, Record, Shards

VERSION = 1
"""Raised when the same settings would give other translations."""

ABOUT = "translation.json"


@dataclass
class Progress:
    """Progress of a job: rows that are settled of those this worker has, and how.

    `asked` counts the rows that went to the engine in this run, so the pace goes by it.
    """

    total: int = 0
    ok: int = 0
    quarantined: int = 0
    unreached: int = 0
    asked: int = 0

    @property
    def done(self) -> int:
        """Rows that are settled."""
        return self.ok + self.quarantined + self.unreached

    def rest(self) -> str:
        """The rows without a translation, in words."""
        counts = {"quarantined": self.quarantined, "not reached": self.unreached}
        return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)


class _About(jsonfile.Record):
    """The keys of an earlier run's `translation.json` that the next run needs."""

    shard_rows: int
    rows: int
    learnt: dict[str, Any] = Field(default_factory=dict)


ProgressCall = Callable[[Progress], None]


class Job:
    """The translation of one corpus into one language.

    Args:
        settings: languages, engine, checks.
        corpus: what is translated.
        folder: working folder: shards, journals, `translation.json`.
        translator: the engine, opened.
        scorers: what else judges the rows of a shard, all at once.
        limit: translate only the first rows.
    """

    def __init__(
        self,
        settings: Translation,
        corpus: Corpus,
        folder: Path,
        translator: Translator,
        scorers: Sequence[Scorer] = (),
        limit: int | None = None,
    ) -> None:
        source, target = (
            language.load(code) for code in (settings.source_language, settings.language)
        )
        if target.code in corpus.languages:
            raise InputError(
                f"{corpus.folder}: expected a corpus without {target.code}, found one with it"
            )
        self.settings, self.translator, self.folder = settings, translator, folder
        self.scorers, self.limit = list(scorers), limit
        checks = settings.checks
        if not translator.costly and checks.language != "off":
            # Nothing is asked for again, so the languages of all rows of a shard can be identified
            # at once, and faster.
            self.scorers.insert(0, LanguageJudge(checks, source, target))
            checks = checks.model_copy(update={"language": "off"})
        self.plan = plans.make(corpus, source, target, settings.shard_rows, limit)
        self.shards = Shards(folder)
        self._learnt: dict[str, Any] = {}
        self.check = _storable(Checker(checks, corpus.row_type, source, target))
        self._fingerprints = {
            "translator": artifact.fingerprint(
                VERSION, settings.source_language, settings.language, translator.settings()
            ),
            "checks": artifact.fingerprint(
                settings.checks, source.yes, source.no, target, [s.settings() for s in self.scorers]
            ),
        }

    def run(
        self,
        rank: int = 0,
        world: int = 1,
        retry: bool = False,
        progress: ProgressCall | None = None,
    ) -> Progress:
        """Translate the shards of one worker that are not finished.

        Args:
            rank: number of this worker.
            world: how many workers there are.
            retry: ask again for the rows that were quarantined.
            progress: called after each row and each finished shard.

        Raises:
            InputError: the engine cannot work at all; what is done is kept.
        """
        if not 0 <= rank < world:
            raise InputError(f"rank: expected a number from 0 to {world - 1}, found {rank}")
        self._describe()
        work = _Work(self, retry, progress or (lambda _: None))
        mine = range(rank, self.plan.shards, world)
        work.progress.total = sum(len(self.plan.list_asked(number)) for number in mine)
        name = f"worker {rank} of {world}"
        with hold_folder(self.folder / "workers" / name.replace(" ", "-"), name):
            try:
                for outcome in self.translator.translate(work.rows(mine), self.check):
                    work.settle(outcome)
            finally:
                if work.progress.asked:  # else nothing was learnt, and what was then still holds
                    self._note_learnt()
        return work.progress

    def describe_made(self, number: int) -> Made:
        """The fingerprints of what a shard of this job is made with."""
        return Made(**self._fingerprints, rows=self.plan.fingerprint(number))

    def list_unfinished(self) -> list[int]:
        """Shards that some worker must still make or finish."""
        numbers = range(self.plan.shards)
        return [
            number
            for number in numbers
            if self.shards.read_made(number) != self.describe_made(number)
        ]

    def _describe(self) -> None:
        """Say in the working folder what is made there; refuse one that was cut otherwise."""
        path = self.folder / ABOUT
        now = _About(shard_rows=self.plan.shard_rows, rows=0)
        earlier = jsonfile.read(path, _About, "a translation's record") if path.exists() else now
        rows = earlier.shard_rows
        if rows != self.plan.shard_rows:
            raise InputError(
                f"{path}: shard_rows: expected {rows} as before, found {self.plan.shard_rows}"
            )
        if self.limit is not None and self.plan.rows < earlier.rows:
            raise InputError(
                f"{path}: limit: expected {earlier.rows} rows or more, as are there, "
                f"found {self.limit}; take another output for a look"
            )
        disk.make_folder(self.folder)
        self.shards.drop_beyond(self.plan.shards)
        self._learnt = earlier.learnt
        artifact.write_json(path, self.about())

    def _note_learnt(self) -> None:
        """Put on record what came to be known of the engine."""
        self._learnt = self.translator.list_learnt()
        artifact.write_json(self.folder / ABOUT, self.about())

    def about(self) -> dict[str, Any]:
        """Settings and sizes, for the record."""
        asked = sum(len(self.plan.list_asked(number)) for number in range(self.plan.shards))
        return {
            "name": self.settings.name,
            "corpus": self.plan.corpus.folder,
            "row_type": self.plan.corpus.row_type.name,
            "source_language": self.settings.source_language,
            "language": self.settings.language,
            "translator": self.translator.name,
            "engine": self.translator.settings(),
            "checks": self.settings.checks,
            "learnt": self._learnt,
            "shard_rows": self.plan.shard_rows,
            "shards": self.plan.shards,
            "rows": self.plan.rows,
            "asked": asked,
        }


@dataclass
class _Open:
    """A shard whose rows are with the engine."""

    made: Made
    missing: int
    records: list[Record]
    keys: dict[int, int]
    rows: dict[int, Row]


class _Work:
    """One worker's shards: gives out rows, takes outcomes, writes shards that are whole."""

    def __init__(self, job: Job, retry: bool, progress: ProgressCall) -> None:
        self.job, self.retry, self.report = job, retry, progress
        self.progress = Progress()
        self._open: dict[int, _Open] = {}

    def rows(self, numbers: Sequence[int]) -> Iterator[Row]:
        """The rows that must be asked for, shard after shard."""
        for number in numbers:
            made = self.job.describe_made(number)
            if self.job.shards.read_made(number) == made and not self._is_retried(number):
                self._count(self.job.shards.counts(number))
            else:
                yield from self._open_shard(number, made)

    def _is_retried(self, number: int) -> bool:
        return self.retry and self.job.shards.counts(number)[on_disk.QUARANTINED] > 0

    def _open_shard(self, number: int, made: Made) -> Iterator[Row]:
        known = self.job.shards.read_known(number, made.translator)
        shard = _Open(made, 0, [], {}, {})
        for row in self.job.plan.read(number):
            key = int(self.job.plan.keys[row.place])
            kept = self._recall(row, key, known, made)
            if kept is not None:
                shard.records.append(kept)
                self._count({kept["status"]: 1})
            else:
                shard.keys[row.place], shard.rows[row.place] = key, row
        shard.missing = len(shard.rows)
        self._open[number] = shard
        if shard.missing:
            yield from list(shard.rows.values())
        else:
            self._write(number)

    def _recall(
        self, row: Row, key: int, known: dict[int, tuple[Record, str]], made: Made
    ) -> Record | None:
        """Recall an earlier run's outcome of a row, if it still holds; None otherwise."""
        earlier, checks = known.get(key, (None, ""))
        if earlier is None or (self.retry and earlier["status"] == on_disk.QUARANTINED):
            return None
        if checks != made.checks:
            if earlier["texts"] is None:
                return None
            verdict = self.job.check(row, earlier["texts"])
            if verdict.refused:
                return None
            flags = [*verdict.flags, *(flag for flag in earlier["flags"] if flag == CUT)]
            earlier = {**earlier, "flags": flags}
        return {**earlier, "place": row.place, "id": row.id}

    def settle(self, outcome: Outcome) -> None:
        """Take what became of a row; write its shard when that was the last."""
        number = outcome.place // self.job.plan.shard_rows
        shard = self._open[number]
        row = shard.rows.pop(outcome.place)
        record = on_disk.record(row, shard.keys.pop(outcome.place), outcome)
        shard.records.append(record)
        self.progress.asked += 1
        self._count({record["status"]: 1})
        if self.job.translator.costly and record["status"] != on_disk.UNREACHED:
            self.job.shards.journal(number, shard.made, record)
        shard.missing -= 1
        if shard.missing == 0:
            self._write(number)

    def _write(self, number: int) -> None:
        shard = self._open.pop(number)
        records = shard.records
        for scorer in self.job.scorers:
            records = scorer.judge(records)
        refused = sum(record["status"] == on_disk.OK for record in shard.records)
        refused -= sum(record["status"] == on_disk.OK for record in records)
        self._count({on_disk.OK: -refused, on_disk.QUARANTINED: refused})
        self.job.shards.write(number, shard.made, records)

    def _count(self, counts: dict[str, int]) -> None:
        for status, count in counts.items():
            setattr(self.progress, status, getattr(self.progress, status) + count)
        self.report(self.progress)


def _storable(check: Check) -> Check:
    """A check that also refuses text that no table can hold."""

    def check_storable(row: Row, texts: Sequence[str]) -> Verdict:
        try:
            for text in texts:
                text.encode()
        except UnicodeEncodeError:
            return Verdict("text: expected characters, found half of a surrogate pair")
        return check(row, texts)

    return check_storable
