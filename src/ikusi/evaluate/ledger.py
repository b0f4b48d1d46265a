"""The record of an evaluation's folder: its model, and the benchmarks measured in each language.

``run.json`` names the model and, for each benchmark and language, a fingerprint of all that its
rows depend on. So more can be asked of a model later, and only that is.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ikusi import artifact, disk, jsonfile
from ikusi.answer.engine import Engine
from ikusi.data.corpus import Corpus
from ikusi.data.parquet import CHECKSUMS
from ikusi.errors import InputError
from ikusi.evaluate import results
from ikusi.evaluate.benchmark import Benchmark
from ikusi.evaluate.rows import SCHEMA, Parts, Stretch
from ikusi.evaluate.stored import RESULTS, check_rows, read_results
from ikusi.evaluate.verdict import make_normaliser
from ikusi.language import LanguagePack

logger = logging.getLogger(__name__)

Key = tuple[str, str]

FAILED = 0.01
"""Share of rows without an answer above which an evaluation ends with an error."""


class About(jsonfile.Record):
    """The keys that ``run.json`` must have."""

    model: str
    identity: str
    measured: dict[str, dict[str, str]]


@dataclass(frozen=True)
class Pair:
    """A benchmark in a language, put to a model."""

    benchmark: Benchmark
    corpus: Corpus
    pack: LanguagePack
    engine: Engine = field(repr=False)
    limit: int | None = None

    @property
    def rows(self) -> int:
        """The number of rows that are asked, from the first."""
        return len(self.corpus) if self.limit is None else min(self.limit, len(self.corpus))

    @property
    def key(self) -> Key:
        """Names of benchmark and language."""
        return self.benchmark.name, self.pack.code

    @cached_property
    def name(self) -> str:
        """Fingerprint of all that its rows depend on."""
        corpus = self.corpus.content([self.pack.code])
        asked = (self.benchmark, corpus, self.pack, self.engine.identity(), self.rows)
        return artifact.fingerprint(*asked)


def has_failed(figures: Mapping[str, Any]) -> bool:
    """Whether too many rows of a benchmark in a language got no answer."""
    return bool(figures["failed"] > FAILED * figures["n"])


class Ledger:
    """The folder of an evaluation.

    Raises:
        InputError: it holds the results of another model.
    """

    def __init__(self, folder: Path, engine: Engine) -> None:
        self.folder, self.engine = folder, engine
        self._file = folder / "run.json"
        self._rows = folder / "rows.parquet"
        self._model = artifact.fingerprint(engine.identity())
        self._failed: set[Key] = set()
        self._done: dict[Key, str] = self._read() if self._file.exists() else {}

    def _read(self) -> dict[Key, str]:
        """Read the fingerprints of earlier results; InputError where results are not all there."""
        record = jsonfile.read(self._file, About, "the record of an evaluation")
        if record.identity != self._model:
            then = ", as it was then" if record.model == self.engine.name else ""
            raise InputError(
                f"{self.folder}: expected a new folder or results of {self.engine.name}, found "
                f"those of {record.model}{then}"
            )
        done = {
            (bench, language): name
            for bench, languages in record.measured.items()
            for language, name in languages.items()
        }
        if done:
            check_rows(self._rows)
            known = self._figures()
            if missing := [key for key in done if key[1] not in known.get(key[0], {})]:
                path = self.folder / RESULTS
                raise InputError(f"{path}: expected {' '.join(missing[0])}, found none")
        return done

    def _figures(self) -> dict[str, Any]:
        path = self.folder / RESULTS
        return read_results(path) if path.exists() else {}

    def has(self, pair: Pair) -> bool:
        """Whether the rows of a benchmark in a language are there, as they would be made now."""
        return self._done.get(pair.key) == pair.name

    def write_rows(self, parts: Parts, new: Sequence[Pair]) -> None:
        """Join what was there with what is new; each stretch in the order of its corpus."""
        if not new:
            return
        made = {pair.key: pair for pair in new}
        with (
            disk.replace_file(self._rows) as aside,
            pq.ParquetWriter(aside, SCHEMA, **CHECKSUMS) as writer,
        ):
            for key in dict.fromkeys([*self._done, *made]):
                for table in self._tables(key, parts, made.get(key)):
                    writer.write_table(table)
        self._done |= {pair.key: pair.name for pair in new}

    def _tables(self, key: Key, parts: Parts, pair: Pair | None) -> Iterator[pa.Table]:
        if pair is not None:
            yield from parts.stretch(*key)
        else:
            for batch in Stretch(self._rows, *key).to_batches():
                yield pa.Table.from_batches([batch])

    def write_results(
        self, asked: Sequence[Pair], packs: Mapping[str, LanguagePack], resamples: int, seed: int
    ) -> dict[str, Any]:
        """Compute the figures of what was asked from the rows; others stay as they are."""
        path, all_figures = self.folder / RESULTS, self._figures()
        all_figures = {name: all_figures.get(name, {}) for name, _ in self._done}
        for pair in asked:
            bench, language = pair.key
            figures = results.summarise(
                Stretch(self._rows, bench, language),
                pair.benchmark,
                make_normaliser(pair.benchmark, pair.pack),
                resamples,
                seed,
            )
            all_figures[bench][language] = figures
            if has_failed(figures[results.ALL]):
                self._failed.add(pair.key)
            logger.info("%s %s: %s", bench, language, figures[results.ALL]["score"])
        artifact.write_json(path, all_figures)
        self._write()
        return all_figures

    def _write(self) -> None:
        measured: dict[str, dict[str, str]] = {}
        for (bench, language), name in self._done.items():
            if (bench, language) in self._failed:
                continue  # so that it is asked again
            measured.setdefault(bench, {})[language] = name
        about = {
            "model": self.engine.name,
            "identity": self._model,
            "engine": self.engine.identity(),
            "versions": artifact.list_versions(),
            "measured": measured,
        }
        artifact.write_json(self._file, about)
