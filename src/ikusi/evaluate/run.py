"""One evaluation: a model, its benchmarks and languages, the rows and the figures."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from PIL import Image

from ikusi import artifact, claim
from ikusi.answer.engine import Engine, Query
from ikusi.data.corpus import Corpus
from ikusi.errors import InputError
from ikusi.evaluate import results
from ikusi.evaluate.ask import Asker
from ikusi.evaluate.benchmark import Benchmark
from ikusi.evaluate.ledger import Ledger, Pair, has_failed
from ikusi.evaluate.plan import Item, Plan
from ikusi.evaluate.rows import Parts, Stretch, record
from ikusi.evaluate.verdict import Judges
from ikusi.language import LanguagePack
from ikusi.server import reasons

logger = logging.getLogger(__name__)

KIND = "evaluate"
BYTES_HELD = 4 * 2**20
"""Of each file of a corpus: rows and pictures are asked about in about their order."""

Benchmarks = Sequence[tuple[Benchmark, Corpus]]
Progress = Callable[[int, int], None]
Pictures = Mapping[str, Any]


def evaluate(
    engine: Engine,
    benchmarks: Benchmarks,
    languages: Sequence[str],
    packs: Mapping[str, LanguagePack],
    output: Path,
    *,
    bootstrap: int = 1000,
    seed: int = 0,
    limit: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measure a model and return the figures, which ``results.json`` also holds.

    ``output`` gets ``rows.parquet`` (see ``rows.SCHEMA``), ``results.json``: benchmark -> language
    -> group or ``all`` -> figures (see ``results.summarise``), and ``run.json``: model, versions,
    what is measured. What is there already, of the same model, stays; only what is new or has
    changed is asked. A run interrupted here goes on from its finished parts and ends with the same
    files. ``limit``: most rows of each benchmark, from the first. ``progress`` gets (rows done,
    rows in all).

    Raises:
        InputError: a benchmark and its corpus do not fit, a language has no rows or no pack, the
            model cannot take the benchmark, ``output`` holds another model's results or what is
            not ours, or more than 1 % of the rows got no answer.
    """
    _check(engine, benchmarks, languages, packs)
    with claim.claim_folder(output, KIND, [corpus.folder for _, corpus in benchmarks]) as place:
        ledger = Ledger(place, engine)
        asked = [
            Pair(bench, corpus, packs[language], engine, limit)
            for bench, corpus in benchmarks
            for language in languages
        ]
        todo = [pair for pair in asked if not ledger.has(pair)]
        parts = _answer_all(engine, todo, packs, place, progress)
        ledger.write_rows(parts, todo)
        measured = ledger.write_results(asked, packs, bootstrap, seed)
        parts.delete()
        _check_failures(output, measured, asked)
        return measured


def _answer_all(
    engine: Engine,
    todo: Sequence[Pair],
    packs: Mapping[str, LanguagePack],
    output: Path,
    progress: Progress | None,
) -> Parts:
    """Answer all rows of some benchmarks and languages, those of finished parts excepted."""
    work = _Work(engine, todo, packs)
    parts = Parts(output / "parts", artifact.fingerprint([p.name for p in todo], work.plan.cuts))
    sizes = list(work.plan.sizes())
    left = [number for number, size in enumerate(sizes) if not parts.has(number, size)]
    done = sum(sizes) - sum(sizes[number] for number in left)
    if progress and sizes:
        progress(done, sum(sizes))
    for number, rows in work.answer_parts(left):
        parts.write(number, rows)
        done += sizes[number]
        if progress:
            progress(done, sum(sizes))
    return parts


class _Work:
    """The rows to answer, and all that is needed to."""

    def __init__(
        self, engine: Engine, todo: Sequence[Pair], packs: Mapping[str, LanguagePack]
    ) -> None:
        self.engine = engine
        grouped: dict[str, tuple[Benchmark, Corpus, list[str]]] = {}
        for pair in todo:
            known = grouped.setdefault(pair.benchmark.name, (pair.benchmark, pair.corpus, []))
            known[2].append(pair.pack.code)
        self.benchmarks = list(grouped.values())
        corpora = [corpus for _, corpus, _ in self.benchmarks]
        for corpus in corpora:
            corpus.hold(BYTES_HELD)
        languages = [codes for _, _, codes in self.benchmarks]
        limit = todo[0].limit if todo else None
        self.plan = Plan(corpora, languages, engine.batch_size, limit)
        generated = [p.pack.code for p in todo if p.benchmark.scorer != "options"]
        self.judges = Judges(packs, [pair.pack.code for pair in todo], generated)
        self.askers = {
            (number, code): Asker(bench, corpus, packs[code])
            for number, (bench, corpus, codes) in enumerate(self.benchmarks)
            for code in codes
        }

    def answer_parts(self, numbers: Sequence[int]) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        """Yield the rows of each numbered part; the next one's pictures are opened meanwhile."""
        if not numbers:
            return
        with ThreadPoolExecutor(2, thread_name_prefix="ahead") as ahead:
            ready = ahead.submit(self.judges.open)
            waiting: list[Future[_Opened]] = [ahead.submit(self._open, n) for n in numbers[:1]]
            for place, number in enumerate(numbers):
                opened = waiting.pop().result()
                waiting += [ahead.submit(self._open, n) for n in numbers[place + 1 : place + 2]]
                yield number, self._answer(opened, ready)

    def _open(self, number: int) -> "_Opened":
        items = self.plan.part(number)
        rows = self._rows(items)
        queries = [
            self.askers[item.benchmark, item.language].query(row)
            for item, row in zip(items, rows, strict=True)
        ]
        images: dict[str, Image.Image] = {}
        for item, row, query in zip(items, rows, queries, strict=True):
            self._add_pictures(images, item, row, query)
        return items, rows, queries, self.engine.prepare(images)

    def _rows(self, items: Sequence[Item]) -> list[dict[str, Any]]:
        """The corpora's rows of some items, in their order."""
        places: dict[tuple[int, str], list[int]] = {}
        for place, item in enumerate(items):
            places.setdefault((item.benchmark, item.language), []).append(place)
        rows: dict[int, dict[str, Any]] = {}
        for (number, code), own in places.items():
            corpus = self.benchmarks[number][1]
            rows |= zip(own, corpus.take(code, [items[n].position for n in own]), strict=True)
        return [rows[place] for place in range(len(items))]

    def _add_pictures(
        self, images: dict[str, Image.Image], item: Item, row: Mapping[str, Any], query: Query
    ) -> None:
        """Open the pictures of a query: the row's own, and those of its few-shots."""
        missing = [key for key in query.pictures if key not in images]
        if not missing:
            return
        corpus = self.benchmarks[item.benchmark][1]
        asker = self.askers[item.benchmark, item.language]
        ids = asker.pictures(row)
        images.update({key: corpus.image(ids[key]) for key in missing})

    def _answer(self, opened: "_Opened", ready: Future[None]) -> list[dict[str, Any]]:
        items, rows, queries, pictures = opened
        replies = self.engine.answer(queries, pictures)
        ready.result()
        outcomes = self.judges.judge(
            [(self.benchmarks[item.benchmark][0], item.language) for item in items],
            rows,
            replies,
        )
        return [
            record(self.benchmarks[item.benchmark][0], item, row, query, reply, outcome)
            for item, row, query, reply, outcome in zip(
                items, rows, queries, replies, outcomes, strict=True
            )
        ]


_Opened = tuple[list[Item], list[dict[str, Any]], list[Query], Pictures]


def _check(
    engine: Engine,
    benchmarks: Benchmarks,
    languages: Sequence[str],
    packs: Mapping[str, LanguagePack],
) -> None:
    for bench, corpus in benchmarks:
        if corpus.row_type.name != bench.row_type:
            raise InputError(
                f"{bench.name}: corpus {bench.corpus}: expected {bench.row_type} rows, "
                f"found {corpus.row_type}"
            )
        if not len(corpus):
            raise InputError(f"{bench.name}: corpus {bench.corpus}: expected rows, found none")
        for language in languages:
            if language not in corpus.languages:
                raise InputError(
                    f"{bench.name}: corpus {bench.corpus}: expected rows in {language}, "
                    f"found {', '.join(corpus.languages)}"
                )
        _check_engine(engine, bench.name, bench.text_only, bench.scorer == "options")
    for language in languages:
        if language not in packs:
            raise InputError(f"{language}: expected a language pack, found none")


def _check_engine(engine: Engine, name: str, text_only: bool, options: bool) -> None:
    """Refuse a benchmark that an engine cannot take.

    Raises:
        InputError: it needs pictures or log-probabilities, and the engine has none.
    """
    if not engine.sees and not text_only:
        raise InputError(
            f"{engine.name}: {name}: expected a model that sees pictures, found a bare LLM"
        )
    if options and not engine.scores_options:
        raise InputError(
            f"{engine.name}: {name}: expected log-probabilities of options, which this engine does "
            "not give; take a benchmark whose answers are generated, or run the model here"
        )


def _check_failures(output: Path, measured: Mapping[str, Any], asked: Sequence[Pair]) -> None:
    """Say why rows got no answer.

    Raises:
        InputError: too many got none.
    """
    for pair in asked:
        figures = measured[pair.benchmark.name][pair.pack.code][results.ALL]
        if not figures["failed"]:
            continue
        name = f"{output}: {pair.benchmark.name} {pair.pack.code}"
        counts: Counter[str] = Counter()
        for batch in Stretch(output / "rows.parquet", *pair.key, ["failure"]).to_batches():
            for reason in filter(None, batch.column("failure").to_pylist()):
                reasons.count(counts, reason)
        why = reasons.format_reasons(counts)
        if has_failed(figures):
            raise InputError(
                f"{name}: expected an answer to at least 99 % of {figures['n']} rows, found none "
                f"to {figures['failed']} ({why}); see rows.parquet, column failure"
            )
        logger.warning("%s: no answer to %s of %s: %s", name, figures["failed"], figures["n"], why)
