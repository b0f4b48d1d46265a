"""The rows of a corpus that trainings of a study read: how often, and in which language.

A recipe's ratio, rows and seed say the same, to whoever has Ikusi. A list of ids says it to all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from pydantic import Field

from ikusi import artifact, content, jsonfile
from ikusi.data.corpus import Corpus
from ikusi.data.mixture import Mixture, MixturePart
from ikusi.errors import InputError
from ikusi.recipe.folder import ALIGN, INSTRUCT, MINIATURE, SUMMARY, StudyFolder

FOLDER = "used"
SCHEMA = pa.schema([("id", pa.string()), ("language", pa.string()), ("times", pa.int32())])


class _Named(jsonfile.Record):
    """A corpus of a training, as its manifest has it."""

    corpus: str
    ratio: float
    rows: int | None = None


class _Stage(_Named):
    batch_size: int
    group_by_task: bool = False


class _Settings(jsonfile.Record):
    stage: _Stage
    text_only: _Named | None = None
    seed: int
    language_code: str
    source_code: str


class _Manifest(jsonfile.Record):
    fingerprint: str
    settings: _Settings
    inputs: dict[str, str] = Field(default_factory=dict)


class _Counts(jsonfile.Record):
    rows: int


class _Summary(jsonfile.Record):
    counts: _Counts


@dataclass(frozen=True)
class Training:
    """A finished training that read a corpus.

    Attributes:
        step: its name in the study, such as `instruct/english-eu020`.
        fingerprint: of the step.
    """

    step: str
    fingerprint: str
    _corpus: Corpus
    _study: StudyFolder
    _settings: _Settings
    _rows: int

    @property
    def file(self) -> str:
        """The name of its list in a release."""
        return f"{FOLDER}/{self.step.replace('/', '-')}.parquet"

    def tabulate(self) -> pa.Table:
        """The rows that it read: id, language, how many times; in the corpus's order."""
        settings = self._settings
        named = [part for part in (settings.stage, settings.text_only) if part is not None]
        parts = [MixturePart(self._open(part.corpus), part.ratio, part.rows) for part in named]
        grouped = settings.stage.batch_size if settings.stage.group_by_task else None
        languages = (settings.language_code, settings.source_code)
        mixture = Mixture(parts, *languages, settings.seed, grouped)
        times = _count_times(mixture, self._rows)
        tables = []
        for number, part in enumerate(parts):
            if part.corpus is self._corpus:
                places, speaks, samples = mixture.find_places(number)
                read = times[samples]
                codes = np.where(speaks, settings.language_code, settings.source_code)
                ids = pa.array(self._corpus.ids, pa.string()).take(places[read > 0])
                columns = [ids, pa.array(codes[read > 0].tolist(), pa.string()), read[read > 0]]
                tables.append(pa.table(columns, schema=SCHEMA))
        return pa.concat_tables(tables)

    def _open(self, name: str) -> Corpus:
        place = self._study.corpus(name)
        return self._corpus if _is_same(place, self._corpus.folder) else Corpus.open(place)


def _count_times(mixture: Mixture, rows: int) -> np.ndarray:
    """Number of times that a training on so many rows read each sample: int [N]."""
    times, epoch = np.zeros(len(mixture), np.int32), 0
    while rows > 0 and len(mixture):
        read = mixture.order(epoch)[:rows]
        times[read] += 1
        rows, epoch = rows - len(read), epoch + 1
    return times


def find_trainings(corpus: Corpus, study: Path) -> list[Training]:
    """The finished trainings of a study that read a corpus.

    Raises:
        InputError: it is no study, none has read the corpus, or that has changed since.
    """
    folder = StudyFolder(study)
    if not folder.recipe.is_file():
        raise InputError(f"{study}: expected the folder of a study, found no recipe.yaml")
    trainings = list(_find_trainings(corpus, folder))
    if not trainings:
        raise InputError(f"{study}: expected trainings that read {corpus.folder}, found none")
    return trainings


def _find_trainings(corpus: Corpus, study: StudyFolder) -> Iterator[Training]:
    for place in sorted(
        path for kind in (ALIGN, INSTRUCT) for path in (study.root / kind).glob("*")
    ):
        if artifact.read_manifest(place) is None:
            continue
        about = jsonfile.read(place / artifact.MANIFEST, _Manifest, "a training's manifest")
        settings = about.settings
        names = [part.corpus for part in (settings.stage, settings.text_only) if part is not None]
        read = [name for name in names if _is_same(study.corpus(name), corpus.folder)]
        if not read:
            continue
        now = content.hash_folder(corpus.folder)
        if not read[0].startswith(MINIATURE) and about.inputs.get(read[0], now) != now:
            raise InputError(
                f"{corpus.folder}: expected the corpus that {place} was trained on, found that it "
                "has changed since"
            )
        rows = jsonfile.read(place / SUMMARY, _Summary, "a training's summary").counts.rows
        step = place.relative_to(study.root).as_posix()
        yield Training(step, about.fingerprint, corpus, study, settings, rows)


def _is_same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()
