"""One row per sample: what was asked, what was said, what it scored.

Every figure is computed from these rows. They are written in part files as they come, so that
memory does not grow with their number and an interrupted run goes on where it stopped.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import dataset

from ikusi import artifact
from ikusi.evaluate.benchmark import Benchmark
from ikusi.evaluate.generate import Answer
from ikusi.evaluate.metrics import Normaliser, coverage, inclusion, vqa_accuracy
from ikusi.evaluate.score import pick, summarise

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
        ("correct", pa.float64()),
        ("metrics", pa.string()),
        ("prompt_hash", pa.string()),
    ]
)
"""Columns of ``rows.parquet``. ``position`` is the row's place in its corpus; ``gold`` is JSON: a
list of answers, or ``{"answer", "choices"}``; ``scores`` are log-probabilities in nats (see
``score.OptionScore``); ``correct`` is the primary metric in [0, 1]; ``metrics`` is JSON with all
of them; ``prompt_hash`` names the prompt's tokens."""


TEXT_METRICS = ("inclusion", "inclusion_prefix", "vqa_accuracy", "coverage")
"""What a free answer is measured by; ``inclusion_prefix`` allows for inflection by suffixes."""


def choice_outcome(
    row: Mapping[str, Any], token_scores: Sequence[Sequence[float]]
) -> dict[str, Any]:
    """Return the columns that say which option was picked, by which scores, and if it is right.

    The primary score is the plain sum; accuracies under the other ones are kept as metrics.
    """
    choices, answer = list(row["choices"]), int(row["answer"])
    sums = [summarise(scores, text) for scores, text in zip(token_scores, choices, strict=True)]
    columns = {
        "scores": [score.total for score in sums],
        "scores_without_end": [score.without_end for score in sums],
        "scores_per_token": [score.per_token for score in sums],
        "scores_per_byte": [score.per_byte for score in sums],
    }
    right = {name: float(pick(scores)[0] == answer) for name, scores in columns.items()}
    chosen, tied = pick(columns["scores"])
    metrics = {name.replace("scores", "accuracy"): value for name, value in right.items()}
    return columns | {
        "gold": _json({"answer": answer, "choices": choices}),
        "prediction": choices[chosen],
        "pick": chosen,
        "tied": tied,
        "correct": right["scores"],
        "metrics": _json(metrics),
    }


def answer_outcome(
    row: Mapping[str, Any], text: str, answer: Answer, benchmark: Benchmark, normaliser: Normaliser
) -> dict[str, Any]:
    """Return the columns that say what was answered in free text and how it scores."""
    gold = list(row["answers"])
    metrics = text_metrics(text, gold, benchmark, normaliser)
    return {
        "gold": _json(gold),
        "prediction": text,
        "hit_limit": answer.hit_limit,
        "correct": metrics[benchmark.metric],
        "metrics": _json(metrics),
    }


def text_metrics(
    text: str, gold: Sequence[str], benchmark: Benchmark, normaliser: Normaliser
) -> dict[str, float]:
    """Return every metric of one free answer, by name."""
    return {name: text_metric(name, text, gold, benchmark, normaliser) for name in TEXT_METRICS}


def text_metric(
    name: str, text: str, gold: Sequence[str], benchmark: Benchmark, normaliser: Normaliser
) -> float:
    """Return one of ``TEXT_METRICS``; what inclusion means is for the benchmark to say."""
    unit, aggregate = benchmark.unit, benchmark.aggregate
    if name == "vqa_accuracy":
        return vqa_accuracy(text, gold, normaliser)
    if name == "coverage":
        return coverage(text, gold, normaliser, unit)
    if name == "inclusion_prefix":
        return inclusion(text, gold, normaliser, "token_prefix", aggregate)
    return inclusion(text, gold, normaliser, unit, aggregate)


class Parts:
    """The part files of a run: ``part-00000.parquet`` and on, each whole or absent."""

    def __init__(self, folder: Path, plan: str) -> None:
        """Open ``folder`` for the run named by ``plan``; parts of another run are deleted."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        named = folder / "plan.txt"
        if not named.exists() or named.read_text(encoding="utf-8") != plan:
            for part in folder.glob("part-*"):
                part.unlink()
            artifact.write_text(named, plan)

    def path(self, number: int) -> Path:
        """Return where part ``number`` is, once it is finished."""
        return self.folder / f"part-{number:05d}.parquet"

    def write(self, number: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write a finished part aside, then give it its name."""
        table = pa.Table.from_pylist([dict(row) for row in rows], schema=SCHEMA)
        aside = self.path(number).with_suffix(".writing")
        pq.write_table(table, aside)
        os.replace(aside, self.path(number))

    def merge(self, target: Path, order: Sequence[tuple[str, str]]) -> Iterator[pa.Table]:
        """Write all parts as one file, yielding each stretch as it is written.

        ``order`` lists (benchmark, language); each becomes a run of row groups in corpus order, so
        only one of them is in memory at a time.
        """
        parts = dataset.dataset(sorted(self.folder.glob("part-*.parquet")), schema=SCHEMA)
        aside = target.with_name(target.name + ".writing")
        with pq.ParquetWriter(aside, SCHEMA) as writer:
            for benchmark, language in order:
                chosen = (dataset.field("benchmark") == benchmark) & (
                    dataset.field("language") == language
                )
                table = parts.to_table(filter=chosen).sort_by("position")
                writer.write_table(table)
                yield table
        os.replace(aside, target)

    def delete(self) -> None:
        """Delete the parts, once what was made of them is written."""
        shutil.rmtree(self.folder)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
