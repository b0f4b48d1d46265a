"""Answers of two runs to the rows of one benchmark, side by side, as they are put to a rater."""

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ikusi import language as languages
from ikusi.data.corpus import Corpus
from ikusi.errors import InputError
from ikusi.evaluate import benchmark as benchmarks
from ikusi.evaluate import corpora
from ikusi.evaluate.benchmark import Benchmark
from ikusi.evaluate.rows import Stretch
from ikusi.evaluate.stored import ROWS, check_rows
from ikusi.language import LanguagePack
from ikusi.recipe.folder import CORPORA, StudyFolder, locate_evaluation

logger = logging.getLogger(__name__)

ASKED_ALIKE = ("image_id", "group", "gold", "question")
"""What rows of the same id must share in both runs."""

_COLUMNS = ("id", *ASKED_ALIKE, "prediction", "failure")


@dataclass(frozen=True)
class Picture:
    """A picture of a corpus; its bytes are read when they are asked for."""

    corpus: Corpus
    id: str

    @property
    def digest(self) -> str:
        """The first half of the SHA-256 of its bytes, in hexadecimal."""
        return self.corpus.image_digest(self.id)

    def read(self) -> bytes:
        """Its bytes, as they were stored.

        Raises:
            InputError: they are no longer those that were stored.
        """
        return self.corpus.image_bytes(self.id)


@dataclass(frozen=True)
class Pair:
    """A question, its picture if it has one, and the answer of each model by the model's name.

    ``reference``: the gold answers, in a line; empty where none are known. ``group``: the way in
    which its picture is unseen.
    """

    id: str
    question: str
    picture: Picture | None
    answers: dict[str, str]
    reference: str = ""
    group: str = ""


class _Asked(NamedTuple):
    """A benchmark in a language, and the corpus with its rows."""

    benchmark: Benchmark
    pack: LanguagePack
    corpus: Corpus

    @property
    def words(self) -> str:
        return f"{self.benchmark.name} {self.pack.code}"


def join_pairs(
    run_a: Path, run_b: Path, benchmark: str, language: str, corpus: Path | None = None
) -> list[Pair]:
    """Lay what two runs answered side by side, in the order of the benchmark's rows.

    A run is the folder of an evaluation, or of a run of a study; its model is called as that
    folder. A row that either run has no answer to is left out, which is said.

    Args:
        run_a: one run.
        run_b: the other.
        benchmark: name of a benchmark whose answers are generated.
        language: code of the language that both were asked in.
        corpus: folder of the benchmark's corpus; by default that of the run's study, or the one
            in `corpora`.

    Raises:
        InputError: the benchmark offers options, the runs have the same name, or one of them was
            not asked the rows of this benchmark as they are now.
    """
    folders = [locate_evaluation(Path(run)) for run in (run_a, run_b)]
    names = [folder.resolve().name for folder in folders]
    if names[0] == names[1]:
        problem = f"expected runs of different names, found {names[0]} twice"
        raise InputError(f"{folders[1]}: {problem}")
    asked = _read_asked(folders[0], benchmark, language, corpus)
    answers = [_rows(folder, asked) for folder in folders]
    _check_ids(asked, names, answers)
    made = list(_join(asked, names, answers))
    if left_out := len(answers[0]) - len(made):
        problem = f"{left_out} of {len(answers[0])} rows have no answer of both runs, and no pair"
        logger.warning("%s: %s", asked.words, problem)
    return made


def _read_asked(folder: Path, name: str, language: str, corpus: Path | None) -> _Asked:
    bench = benchmarks.load(name)
    if bench.scorer == "options":
        problem = "expected a benchmark whose answers are generated, found one that offers options"
        raise InputError(f"{name}: {problem}")
    study = StudyFolder.around(folder)
    data = study.data if study else CORPORA
    given = {} if corpus is None else {bench.corpus: corpus}
    pairs = corpora.find([bench], [language], data, given)
    return _Asked(bench, languages.load(language), pairs[0][1])


def _rows(folder: Path, asked: _Asked) -> dict[str, dict[str, Any]]:
    """The rows of a run's evaluation, with prompts and answers, by row id."""
    path, key = folder / ROWS, (asked.benchmark.name, asked.pack.code)
    if not path.is_file():
        raise InputError(f"{folder}: expected the folder of an evaluation, found no {ROWS}")
    known = check_rows(path)
    if key not in known:
        actual = ", ".join(" ".join(one) for one in known) or "no rows"
        raise InputError(f"{path}: expected rows of {asked.words}, found {actual}")
    rows: dict[str, dict[str, Any]] = {}
    for batch in Stretch(path, *key, _COLUMNS).to_batches():
        for row in batch.to_pylist():
            if row["id"] in rows:
                raise InputError(f"{path}: row {row['id']}: expected each id once, found it twice")
            rows[row["id"]] = row
    return rows


def _check_ids(asked: _Asked, names: list[str], answers: list[dict[str, Any]]) -> None:
    """Check that both runs were asked the same rows, and rows of the corpus alone."""
    for name, own, others in zip(names, answers, reversed(answers), strict=True):
        if lacking := sorted(others.keys() - own.keys()):
            expected = f"the rows of the other run, found none of row {lacking[0]}"
        elif strange := sorted(own.keys() - set(asked.corpus.ids)):
            expected = f"rows of {asked.corpus.folder}, found row {strange[0]} besides"
        else:
            continue
        raise InputError(f"{name}: {asked.words}: expected {expected}")


def _join(
    asked: _Asked, names: list[str], answers: list[dict[str, dict[str, Any]]]
) -> Iterator[Pair]:
    kind, corpus = asked.benchmark.type, asked.corpus
    for place, name in enumerate(corpus.ids):
        if name not in answers[0]:
            continue  # both were asked some of the rows only
        row, both = corpus.row(asked.pack.code, place), [own[name] for own in answers]
        question, image = kind.question(row), row.get("image_id")
        now = {
            "image_id": image,
            "question": asked.benchmark.prompt(asked.pack, question, kind.options(row)),
        }
        for one, own in zip(names, both, strict=True):
            _check_row(f"{one}: {asked.words}: row {name}", own, {**both[0], **now})
        if any(own["failure"] or own["prediction"] is None for own in both):
            continue
        yield Pair(
            name,
            question,
            None if image is None else Picture(corpus, image),
            {one: own["prediction"] for one, own in zip(names, both, strict=True)},
            _reference(both[0]["gold"]),
            row.get("group") or "",
        )


def _check_row(place: str, own: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    for column in ASKED_ALIKE:
        one, other = own[column], expected[column]
        if one != other and not (column == "gold" and _gold(one) == _gold(other)):
            raise InputError(f"{place}: {column}: expected {other!r}, found {one!r}")


def _gold(value: str | None) -> Any:
    return None if value is None else json.loads(value)


def _reference(gold: str | None) -> str:
    return "; ".join(dict.fromkeys(_gold(gold) or ()))
