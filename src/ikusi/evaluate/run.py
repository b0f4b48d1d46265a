"""One evaluation: a checkpoint, its benchmarks and languages, the rows and the figures.

Work is ordered by picture, not by benchmark: each picture is decoded, encoded and read by the LLM
once, and all questions about it, in every benchmark and language, are answered before the next.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ikusi import artifact
from ikusi.data.corpus import Corpus
from ikusi.errors import InputError
from ikusi.evaluate import results
from ikusi.evaluate.benchmark import Benchmark
from ikusi.evaluate.generate import greedy_answers
from ikusi.evaluate.metrics import Normaliser
from ikusi.evaluate.prefix import Prompt, SharedPrefix, groups
from ikusi.evaluate.rows import Parts, answer_outcome, choice_outcome
from ikusi.evaluate.score import option_scores
from ikusi.evaluate.subject import Subject, open_subject
from ikusi.language import LanguagePack

logger = logging.getLogger(__name__)

Benchmarks = Sequence[tuple[Benchmark, Corpus]]
Progress = Callable[[int, int], None]

ROWS_PER_PICTURE = 8
"""A part file ends at ``batch_size`` pictures or this many rows for each."""


class Item(NamedTuple):
    """One row to answer: benchmark number, language, place in the corpus, key of its picture."""

    benchmark: int
    language: str
    position: int
    picture: str | None


@dataclass
class _Asked:
    """An item with its corpus row and prompt; ``outcome`` holds the columns its answer fills."""

    item: Item
    row: Mapping[str, Any]
    question: str
    prompt: Prompt
    outcome: dict[str, Any]


def evaluate(
    checkpoint: Path,
    benchmarks: Benchmarks,
    languages: Sequence[str],
    packs: Mapping[str, LanguagePack],
    output: Path,
    *,
    bootstrap: int = 1000,
    seed: int = 0,
    batch_size: int = 64,
    dtype: torch.dtype = torch.float32,
    device: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measure a checkpoint and return the figures, which ``results.json`` also holds.

    ``checkpoint`` is a LLaVA folder, or a bare LLM's for text-only benchmarks. ``output`` gets
    ``rows.parquet`` (see ``rows.SCHEMA``) and ``results.json``: benchmark -> language -> group or
    ``all`` -> figures (see ``results.summarise``). A run interrupted here goes on from its
    finished parts and ends with the same files. ``batch_size`` bounds pictures and sequences in
    memory and, in fp32, changes no score. ``progress`` gets (rows done, rows in all).

    Raises:
        InputError: a benchmark and its corpus do not fit, a language has no rows or no pack, or
            the checkpoint cannot take the benchmark.
    """
    _check(benchmarks, languages, packs)
    subject = open_subject(checkpoint, dtype, device or _best_device())
    _check_subject(subject, checkpoint, benchmarks)
    chunks = list(_chunks(_plan(benchmarks, languages), batch_size))
    parts = Parts(output / "parts", _plan_name(checkpoint, benchmarks, chunks, dtype))
    normalisers = {language: Normaliser(packs[language]) for language in languages}
    total, done = sum(map(len, chunks)), 0
    for number, chunk in enumerate(chunks):
        if not parts.path(number).exists():
            parts.write(number, _answer(subject, chunk, benchmarks, normalisers, batch_size))
        done += len(chunk)
        if progress:
            progress(done, total)
    return _conclude(parts, output, benchmarks, languages, normalisers, bootstrap, seed)


def _conclude(
    parts: Parts,
    output: Path,
    benchmarks: Benchmarks,
    languages: Sequence[str],
    normalisers: Mapping[str, Normaliser],
    bootstrap: int,
    seed: int,
) -> dict[str, Any]:
    """Join the parts, compute the figures of each stretch, write both, delete the parts."""
    order = [(bench, language) for bench, _ in benchmarks for language in languages]
    tables = parts.merge(output / "rows.parquet", [(b.name, language) for b, language in order])
    found: dict[str, Any] = {bench.name: {} for bench, _ in benchmarks}
    for (bench, language), table in zip(order, tables, strict=True):
        figures = results.summarise(table, bench, normalisers[language], bootstrap, seed)
        found[bench.name][language] = figures
        logger.info("%s %s: %.4f", bench.name, language, figures[results.ALL]["score"])
    artifact.write_json(output / "results.json", found)
    parts.delete()
    return found


def _check(
    benchmarks: Benchmarks, languages: Sequence[str], packs: Mapping[str, LanguagePack]
) -> None:
    for bench, corpus in benchmarks:
        if corpus.row_type != bench.row_type:
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
    for language in languages:
        if language not in packs:
            raise InputError(f"{language}: expected a language pack, found none")


def _check_subject(subject: Subject, checkpoint: Path, benchmarks: Benchmarks) -> None:
    for bench, _ in benchmarks:
        if subject.processor is None and not bench.text_only:
            raise InputError(
                f"{checkpoint}: {bench.name}: expected a model that sees pictures, found a bare LLM"
            )


def _best_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _plan(benchmarks: Benchmarks, languages: Sequence[str]) -> list[Item]:
    """Return all rows, those about one picture together, text-only rows last.

    Pictures are told apart by content: corpora that hold the same picture share it.
    """
    about: dict[str | None, list[tuple[int, int]]] = {}
    for number, (_, corpus) in enumerate(benchmarks):
        keys: dict[str | None, str | None] = {None: None}
        for position, image_id in enumerate(corpus.image_ids):
            if image_id is not None and image_id not in keys:
                keys[image_id] = artifact.fingerprint(corpus.image_bytes(image_id))
            about.setdefault(keys[image_id], []).append((number, position))
    ordered = sorted(about.items(), key=lambda entry: entry[0] is None)
    return [
        Item(number, language, position, picture)
        for picture, rows in ordered
        for number, position in rows
        for language in languages
    ]


def _chunks(items: Sequence[Item], batch_size: int) -> Iterator[list[Item]]:
    """Cut the work into parts of at most ``batch_size`` pictures."""
    chunk: list[Item] = []
    pictures: set[str | None] = set()
    for item in items:
        full = item.picture not in pictures and len(pictures) == batch_size
        if chunk and (full or len(chunk) == batch_size * ROWS_PER_PICTURE):
            yield chunk
            chunk, pictures = [], set()
        chunk.append(item)
        pictures.add(item.picture)
    if chunk:
        yield chunk


def _plan_name(
    checkpoint: Path, benchmarks: Benchmarks, chunks: Sequence[Sequence[Item]], dtype: torch.dtype
) -> str:
    """Name a run by everything its parts depend on."""
    weights = [
        (file.name, file.stat().st_size, file.stat().st_mtime_ns)
        for file in sorted(Path(checkpoint).iterdir())
    ]
    asked = [(bench, corpus.ids) for bench, corpus in benchmarks]
    return artifact.fingerprint(weights, asked, [list(map(list, c)) for c in chunks], str(dtype))


@torch.inference_mode()
def _answer(
    subject: Subject,
    chunk: Sequence[Item],
    benchmarks: Benchmarks,
    normalisers: Mapping[str, Normaliser],
    batch_size: int,
) -> list[dict[str, Any]]:
    """Answer one part's rows and return them as records, in the part's order."""
    asked = [_ask(subject, item, *benchmarks[item.benchmark]) for item in chunk]
    pictured = {one.item.picture: one for one in asked if one.item.picture is not None}
    images = {
        picture: benchmarks[one.item.benchmark][1].image(one.row["image_id"])
        for picture, one in pictured.items()
    }
    features = subject.features(images, batch_size)
    image_token = subject.image_token_id
    for rows in groups([one.prompt for one in asked], image_token, batch_size):
        part = [asked[row] for row in rows]
        prompts = [one.prompt for one in part]
        shared = SharedPrefix(subject.model, prompts, features, image_token, batch_size)
        _choose(subject, shared, part, benchmarks)
        _speak(subject, shared, part, benchmarks, normalisers)
    return [_record(one, benchmarks[one.item.benchmark][0]) for one in asked]


def _ask(subject: Subject, item: Item, bench: Benchmark, corpus: Corpus) -> _Asked:
    row = corpus.row(item.language, item.position)
    question = bench.prompt(item.language, row["question"])
    where = f"{bench.corpus}/{item.language}: row {row['id']}"
    return _Asked(item, row, question, subject.prompt(question, item.picture, where), {})


def _choose(
    subject: Subject, shared: SharedPrefix, part: Sequence[_Asked], benchmarks: Benchmarks
) -> None:
    """Score the options of the part's choice rows."""
    rows = [i for i, one in enumerate(part) if _scorer(one, benchmarks) == "options"]
    options = [
        [subject.continuation(one.prompt, one.question, text) for text in one.row["choices"]]
        for one in (part[row] for row in rows)
    ]
    for row, scores in zip(rows, option_scores(shared, rows, options), strict=True):
        part[row].outcome = choice_outcome(part[row].row, scores)


def _speak(
    subject: Subject,
    shared: SharedPrefix,
    part: Sequence[_Asked],
    benchmarks: Benchmarks,
    normalisers: Mapping[str, Normaliser],
) -> None:
    """Generate the answers of the part's other rows, benchmarks of one length limit together."""
    rows = [i for i, one in enumerate(part) if _scorer(one, benchmarks) == "generate"]
    limits: dict[int, list[int]] = {}
    for row in rows:
        bench = benchmarks[part[row].item.benchmark][0]
        limits.setdefault(bench.max_new_tokens, []).append(row)
    for limit, chosen in limits.items():
        answers = greedy_answers(shared, chosen, subject.stops, limit)
        for one, answer in zip((part[row] for row in chosen), answers, strict=True):
            bench = benchmarks[one.item.benchmark][0]
            text, normaliser = subject.text(answer.ids), normalisers[one.item.language]
            one.outcome = answer_outcome(one.row, text, answer, bench, normaliser)


def _scorer(one: _Asked, benchmarks: Benchmarks) -> str:
    return benchmarks[one.item.benchmark][0].scorer


def _record(one: _Asked, bench: Benchmark) -> dict[str, Any]:
    kept = {name: one.row.get(name) for name in ("id", "image_id", "group", "task")}
    return {
        "benchmark": bench.name,
        "language": one.item.language,
        "position": one.item.position,
        **kept,
        "question": one.question,
        "prompt_hash": artifact.fingerprint(list(one.prompt.ids)),
        **one.outcome,
    }
