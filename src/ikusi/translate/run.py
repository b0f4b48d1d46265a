"""Translates a corpus from beginning to end: `translate` is what the command line calls."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ikusi import claim, disk, language, speeds
from ikusi.data.corpus import Corpus
from ikusi.errors import InputError
from ikusi.server import reasons
from ikusi.speeds import Speed
from ikusi.translate import plan, report, scorers
from ikusi.translate.engines.chat import Chat
from ikusi.translate.gather import KIND as KIND
from ikusi.translate.gather import gather
from ikusi.translate.job import Job, Progress, ProgressCall
from ikusi.translate.settings import Translation


def locate_working_folder(output: Path) -> Path:
    """The folder in which a translation's shards are kept, beside the corpus they make."""
    output = claim.locate_output(output)
    return output.with_name(output.name + ".work")


def translate(
    settings: Translation,
    corpus: Path,
    output: Path,
    *,
    rank: int | None = None,
    world: int = 1,
    retry: bool = False,
    limit: int | None = None,
    progress: ProgressCall | None = None,
) -> dict[str, Any]:
    """Translate a corpus into one language more.

    Kill it anywhere: the same call goes on. One call does everything; several workers, each with
    its `rank` of `world`, do a part each, and a last call without rank puts the corpus together.

    Args:
        settings: languages, engine, checks: see `settings.load`.
        corpus: folder of the corpus.
        output: folder of the new corpus; shards are kept in `OUTPUT.work` beside it.
        rank: number of this worker; none for the one that also finishes.
        world: how many workers there are.
        retry: ask again for rows that were quarantined.
        limit: translate only the first rows, for a look.
        progress: called as rows are settled.

    Returns:
        The counts of the new corpus (`rows_in` = `rows` + `quarantined`), or of a worker's rows.

    Raises:
        InputError: something that is named is not there, the engine could not be reached for
            some rows, or not one row was translated; what is done is kept. Or `output` is not ours
            to replace.
    """
    claim.expect_whole(output, KIND, [corpus])
    work = claim.claim_shared_folder(locate_working_folder(output), KIND, [corpus])
    began, worked = time.monotonic(), speeds.count_processor_seconds()
    with disk.explain_errors(work), _open_job(settings, corpus, output, limit) as job:
        done = job.run(rank or 0, world if rank is not None else 1, retry, progress)
        if done.unreached:
            raise InputError(
                f"{job.translator.name}: expected an answer for every row, found none for "
                f"{done.unreached} of {done.total}; the same command asks again for those"
            )
        if done.total and not done.ok:
            raise InputError(
                f"{job.translator.name}: expected some row to be translated, found none of "
                f"{done.total}: {reasons.format_reasons(report.gather(job.folder).reasons)}"
            )
        made = _counts(done) if rank is not None else gather(job, output)
    if rank is None and done.asked:
        _keep_speed(settings, done, time.monotonic() - began, worked)
    return made


def _keep_speed(settings: Translation, done: Progress, seconds: float, worked: float) -> None:
    """Keep what a translation took, of the rows that went to the engine."""
    speeds.add(
        Speed(
            machine=speeds.name_machine(),
            kind="translate",
            about=settings.describe_speed(),
            amount=float(done.asked),
            rows=done.asked,
            seconds=seconds,
            processor=speeds.count_processor_seconds() - worked,
            memory=speeds.measure_peak_memory(),
        )
    )


def _counts(done: Progress) -> dict[str, Any]:
    return {"rows_in": done.total, "rows": done.ok, "quarantined": done.quarantined}


@contextmanager
def _open_job(
    settings: Translation, corpus: Path, output: Path, limit: int | None
) -> Iterator[Job]:
    opened = Corpus.open(corpus)
    if settings.source_language not in opened.languages:
        raise InputError(
            f"{corpus}: expected rows in {settings.source_language}, "
            f"found {', '.join(opened.languages)}"
        )
    source, target = map(language.load, (settings.source_language, settings.language))
    with closing(settings.engine.translator(source, target)) as translator:
        judges = scorers.open_scorers(settings.checks, settings.language)
        yield Job(settings, opened, locate_working_folder(output), translator, judges, limit)


@dataclass(frozen=True)
class Estimate:
    """An estimate of a translation's work, time and price.

    Args:
        rows: rows of the corpus.
        asked: rows whose texts no earlier row has.
        read: tokens that the engine is sent, estimated.
        written: tokens that it writes, estimated.
        hours: time at the recipe's `tokens_per_second`; None where it gives none.
        price: money at the recipe's prices; None where the engine has none.
    """

    rows: int
    asked: int
    read: int
    written: int
    hours: float | None
    price: float | None

    def describe(self) -> str:
        """The estimate in lines."""
        lines = [
            f"rows        {self.rows:,}, of which {self.asked:,} are not repeats of an earlier row",
            f"tokens      about {self.read:,} read, {self.written:,} written",
        ]
        if self.hours is not None:
            lines.append(f"time        about {self.hours:,.2f} hours")
        if self.price is not None:
            lines.append(f"price       about {self.price:,.2f}")
        return "\n".join(lines)


def estimate(
    settings: Translation, corpus: Path, output: Path, limit: int | None = None
) -> Estimate:
    """Say what a translation would take, without asking the engine for one row."""
    with _open_job(settings, corpus, output, limit) as job:
        read = written = asked = 0
        for number in range(job.plan.shards):
            for row in job.plan.read(number):
                tokens = job.translator.tokens(row)
                asked, read, written = asked + 1, read + tokens[0], written + tokens[1]
        return Estimate(job.plan.rows, asked, read, written, *settings.engine.costs(read, written))


def show_prompt(settings: Translation, corpus: Path) -> str:
    """Show what an engine would be sent for the first row of a corpus.

    Raises:
        InputError: the engine takes no prompt.
    """
    from ikusi.translate import prompt

    if not isinstance(settings.engine, Chat):
        raise InputError(
            f"{settings.name}: engine.kind: expected chat, found {settings.engine.kind}"
        )
    source, target = map(language.load, (settings.source_language, settings.language))
    row = next(plan.make(Corpus.open(corpus), source, target, 1, limit=1).read(0))
    return prompt.show_messages(settings.engine, row, source, target)
