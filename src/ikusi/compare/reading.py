"""Read a study's folder, finished or not, for the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ikusi import artifact, jsonfile, language, recipe
from ikusi.compare import absent
from ikusi.compare.judged import read_judgements
from ikusi.compare.rows import Asked, Rows, Scores
from ikusi.data.corpus import Corpus
from ikusi.errors import InputError
from ikusi.evaluate import benchmark, corpora, overlap
from ikusi.evaluate.benchmark import Benchmark
from ikusi.evaluate.metrics import is_description
from ikusi.evaluate.overlap import Overlap
from ikusi.evaluate.stored import RESULTS, read_results
from ikusi.judgements.judgement import Judgement
from ikusi.judgements.sheets import Sheet, keep_latest, lay_out_sheets
from ikusi.language import LanguagePack
from ikusi.recipe import Recipe, Run
from ikusi.recipe import folder as names
from ikusi.recipe.folder import METRICS, SUMMARY, StudyFolder

ALL = "all"  # what evaluate.results calls all rows; importing it from there would load torch


def to_percent(ratio: float) -> int:
    """A share of the target language as whole percents, as runs are named by it."""
    return round(ratio * 100)


class Evaluation:
    """The scores and answers of one model; rows are read when they are asked for."""

    def __init__(self, folder: Path, others: dict[Asked, Scores] | None = None) -> None:
        """Open ``folder``; questions that are those of ``others`` are held in memory once."""
        self.name = folder.name
        self.results: dict[str, Any] = read_results(folder / RESULTS)
        self._rows = Rows(folder, folder.name)
        self._scores: dict[Asked, Scores] = {}
        self._others = {} if others is None else others

    def figures(self, benchmark: str, language: str, group: str = ALL) -> dict[str, Any] | None:
        """The entry of ``results.json``: n, score, low, high, chance, majority, ..."""
        figures: dict[str, Any] | None = (
            self.results.get(benchmark, {}).get(language, {}).get(group)
        )
        return figures

    def groups(self, benchmark: str, language: str) -> list[str]:
        """Ways of being unseen that are reported apart."""
        return [name for name in self.results.get(benchmark, {}).get(language, {}) if name != ALL]

    def scores(self, benchmark: str, language: str) -> Scores | None:
        """Row by row, for paired tests; none where the benchmark was not taken."""
        asked = (benchmark, language)
        if asked not in self._rows.asked:
            return None
        if asked not in self._scores:
            own = self._rows.scores(asked)
            first = self._others.setdefault(asked, own)
            same = replace(first, correct=own.correct)
            self._scores[asked] = same if same.questions == own.questions else own
        return self._scores[asked]

    def texts(
        self, benchmark: str, language: str, ids: Collection[str], columns: Sequence[str]
    ) -> dict[str, Any]:
        """Some columns of some rows, as records by their id."""
        if (benchmark, language) not in self._rows.asked:
            return {}
        table = self._rows.texts((benchmark, language), ids, columns)
        return {row["id"]: row for row in table.to_pylist()}


@dataclass(frozen=True)
class Effort:
    """The effort of all stages of a run together, without that of making its backbone.

    Attributes:
        rows: in the target language, as often as they were passed.
        operations: in floating point, there and back (`ikusi.train.estimates`).
    """

    rows: int
    operations: float


Trained = Mapping[int | None, Evaluation]
"""One model of the grid: the evaluation of each of its trainings, by their seed; of what no seed
has touched, such as a bare backbone, one under None."""


class Study:
    """A study's folder as the report sees it; what is not there yet is listed as missing."""

    def __init__(self, folder: Path) -> None:
        self.folder = StudyFolder(Path(folder))
        path = self.folder.recipe
        if not path.is_file():
            raise InputError(f"{folder}: expected the folder of a study, found no recipe.yaml")
        self.recipe: Recipe = recipe.load(path)
        self.target: LanguagePack = language.load(self.recipe.language)
        self.source: LanguagePack = language.load(self.recipe.source_language)
        self.runs: list[Run] = self.recipe.runs()
        self.missing: dict[str, str] = {}
        self._questions: dict[Asked, Scores] = {}
        self.evaluations = dict(self._evaluations([run.name for run in self.runs]))
        made = [one.name for one in self.recipe.list_merged()]
        self.merged: dict[str, Evaluation] = dict(self._evaluations(made))
        wanted = self.recipe.grid.backbones if self.text_only else []
        measured = dict(self._evaluations([names.name_bare(backbone) for backbone in wanted]))
        self.backbones = {
            name.removesuffix(names.name_bare("")): one for name, one in measured.items()
        }

    @cached_property
    def benchmarks(self) -> dict[str, Benchmark]:
        """The recipe's benchmarks by name, in its order; not those whose answers are only kept."""
        loaded = {name: benchmark.load(name) for name in self.recipe.benchmarks}
        return {name: known for name, known in loaded.items() if known.metric != "none"}

    @property
    def close_ended(self) -> list[str]:
        """Benchmarks about pictures with right and wrong answers."""
        return [name for name, known in self._list_pictured() if not is_description(known.primary)]

    @property
    def open_ended(self) -> list[str]:
        """Benchmarks about pictures that ask for a description."""
        return [name for name, known in self._list_pictured() if is_description(known.primary)]

    @property
    def text_only(self) -> list[str]:
        """Benchmarks without pictures."""
        return [name for name, known in self.benchmarks.items() if known.text_only]

    def _list_pictured(self) -> Iterator[tuple[str, Benchmark]]:
        return ((name, known) for name, known in self.benchmarks.items() if not known.text_only)

    @property
    def languages(self) -> tuple[LanguagePack, LanguagePack]:
        """The target language's pack, then the source language's."""
        return self.target, self.source

    def find_trained(self, backbone: str, share: int, text_only: bool) -> Trained:
        """The runs with this share of the target language in percent, as far as measured."""
        wanted = (backbone, share, text_only)
        return self._list_trained(
            run
            for run in self.runs
            if (run.backbone, to_percent(run.ratio), run.text_only) == wanted
        )

    @property
    def models(self) -> dict[str, Trained]:
        """Every model of the grid that is measured under some seed, by its name without one."""
        named = dict.fromkeys(run.model for run in self.runs)
        made = {
            name: self._list_trained(run for run in self.runs if run.model == name)
            for name in named
        }
        return {name: trained for name, trained in made.items() if trained}

    def _list_trained(self, runs: Iterable[Run]) -> Trained:
        return {
            run.seed: self.evaluations[run.name] for run in runs if run.name in self.evaluations
        }

    @property
    def several_seeds(self) -> bool:
        """Whether models are trained more than once."""
        return len(self.recipe.seeds) > 1

    def list_strengths(self, merge: str) -> list[tuple[float, Evaluation]]:
        """The models of a merge that are measured, by rising weight; at weight 0 the run itself."""
        base = self.evaluations.get(self.recipe.merges[merge].run)
        made = [
            (one.weight, self.merged[one.name])
            for one in self.recipe.list_merged()
            if one.merge == merge and one.name in self.merged
        ]
        return sorted([*([(0.0, base)] if base else []), *made], key=lambda pair: pair[0])

    @property
    def shares(self) -> list[int]:
        """Shares of the target language in the grid, in percent, rising."""
        return sorted(to_percent(ratio) for ratio in self.recipe.grid.ratios)

    @cached_property
    def groups(self) -> list[str]:
        """Ways in which test pictures are unseen, in the order of the rows."""
        counts: Counter[str] = Counter()
        for one in self.evaluations.values():
            for name in (*self.close_ended, *self.open_ended):
                counts.update(one.groups(name, self.target.code))
        return list(counts)

    def _evaluations(self, models: Sequence[str]) -> Iterator[tuple[str, Evaluation]]:
        for name in models:
            folder = self.folder.step(names.name_evaluate_step(name))
            if not (folder / RESULTS).is_file():
                self.missing[name] = self._progress(name)
            elif changed := self._find_outdated(folder):
                self.missing[name] = f"measured before {changed} changed"
            elif lacking := self._not_taken(one := Evaluation(folder, self._questions)):
                self.missing[name] = f"measured without {lacking}"
            else:
                yield name, one

    def _not_taken(self, one: Evaluation) -> str | None:
        """A benchmark of the recipe that the evaluation lacks; a backbone takes those on text."""
        wanted = self.text_only if one.name.endswith(names.name_bare("")) else list(self.benchmarks)
        asked = [(name, pack) for name in wanted for pack in self.languages]
        missing = [name for name, pack in asked if not one.figures(name, pack.code)]
        return missing[0] if missing else None

    def _progress(self, name: str) -> str:
        for step, what in (
            (names.name_instruct_step, "trained"),
            (names.name_merge_step, "merged"),
        ):
            if (self.folder.step(step(name)) / artifact.MANIFEST).is_file():
                return f"{what}, not measured"
        return "not measured"

    def _find_outdated(self, folder: Path) -> str | None:
        """The step that an evaluation was made from and that was made anew since."""
        made_from = (artifact.read_manifest(folder) or {}).get("inputs", {})
        for name, fingerprint in made_from.items():
            now = artifact.read_manifest(self.folder.step(name)) if names.is_step(name) else None
            if now is not None and now["fingerprint"] != fingerprint:
                return str(name)
        return None

    def corpus(self, name: str) -> Corpus | None:
        """The corpus of a benchmark, the study's own or a given one; none if it is gone."""
        codes = [pack.code for pack in self.languages]
        try:
            return corpora.find([benchmark.load(name)], codes, self.folder.data)[0][1]
        except InputError:
            return None

    @cached_property
    def _absent(self) -> absent.Absent | None:
        """The record of corpora that a published study lacks; None where it has no such record."""
        return absent.read(self.folder.root)

    @cached_property
    def overlaps(self) -> dict[str, Overlap | None]:
        """Benchmark about pictures -> those trained on; None where a corpus is gone."""
        if self._absent is not None:
            return self._absent.list_overlaps()
        try:
            trained = overlap.open_trained_on(self.recipe, self.folder)
        except InputError:
            return {name: None for name, _ in self._list_pictured()}
        rows = self.recipe.benchmark_rows
        asked = {name: self.corpus(name) for name, _ in self._list_pictured()}
        return {
            name: None if corpus is None else overlap.find(corpus, trained, rows)
            for name, corpus in asked.items()
        }

    @cached_property
    def judgements(self) -> list[Judgement]:
        """The judgements of people and models, from the folders that the recipe names; those of a
        published study lie in its own."""
        inside = [self.folder.root / name for name in self.recipe.judgements]
        places = zip(inside, self.recipe.judgements, strict=True)
        return read_judgements([str(own) if own.exists() else name for own, name in places])

    @cached_property
    def sheets(self) -> list[Sheet]:
        """The same, laid out for counting."""
        return lay_out_sheets(keep_latest(self.judgements))

    def steps(self) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
        """Each finished step of the recipe: name, manifest, training summary (or nothing)."""
        backbones, runs = self.recipe.grid.backbones, [run.name for run in self.runs]
        merged = [one.name for one in self.recipe.list_merged()]
        aligned = [one.name for one in self.recipe.alignments()]
        models = [*runs, *merged, *map(names.name_bare, backbones)]
        made = [
            names.DATA,
            *map(names.name_align_step, aligned),
            *map(names.name_instruct_step, runs),
            *map(names.name_merge_step, merged),
        ]
        for name in (*made, *map(names.name_evaluate_step, models)):
            folder = self.folder.step(name)
            if manifest := artifact.read_manifest(folder):
                yield name, manifest, _object(folder / SUMMARY)

    def corpora(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each corpus in the study's data, and those that it is given: name and counts."""
        if self._absent is not None:
            yield from self._absent.corpora.items()
            return
        data = self.folder.data
        for path in sorted(data.rglob("corpus.json")):
            yield path.parent.relative_to(data).as_posix(), _object(path)
        trained = {self.folder.corpus(name): name for _, name in self.recipe.training_data()}
        asked = {
            corpus.folder: benchmark.load(name).corpus
            for name in self.benchmarks
            if (corpus := self.corpus(name))
        }
        for folder, name in (trained | asked).items():
            if not folder.is_relative_to(data) and (folder / "corpus.json").is_file():
                shown = name if name.startswith(names.HUB) else folder.as_posix()
                yield shown, _object(folder / "corpus.json")

    def losses(self, step: str) -> tuple[list[int], list[float]]:
        """Steps and losses of a training stage, from its metrics."""
        points = self._metrics(step)
        return [line.step for line in points], [line.loss for line in points]

    def read_effort(self, run: Run) -> Effort | None:
        """The effort of a run's own stages; None where their records do not say."""
        steps = [names.name_instruct_step(run.name)]
        if self.recipe.is_aligned(run.backbone):
            steps.insert(0, names.name_align_step(run.aligned))
        rows, operations = 0, 0.0
        for step in steps:
            made = [line.operations for line in self._metrics(step)]
            languages = _object(self.folder.step(step) / SUMMARY).get("counts", {}).get("languages")
            if not made or None in made or languages is None:
                return None
            rows += languages.get(self.target.code, 0)
            operations += sum(filter(None, made))
        return Effort(rows, operations)

    def _metrics(self, step: str) -> list[_Line]:
        path = self.folder.step(step) / METRICS
        lines = path.read_text("utf-8").splitlines() if path.is_file() else []
        return [_read_line(path, number, line) for number, line in enumerate(lines, 1)]

    def attribution(self) -> str:
        """The authors of the pictures and words, as Markdown; empty where no file names them."""
        path = self.folder.attribution
        return path.read_text("utf-8") if path.is_file() else ""


def _object(path: Path) -> dict[str, Any]:
    return jsonfile.read_object(path) if path.is_file() else {}


class _Line(jsonfile.Record):
    step: int
    loss: float
    operations: float | None = None


def _read_line(path: Path, number: int, line: str) -> _Line:
    try:
        return _Line.model_validate_json(line)
    except ValidationError:
        raise InputError(
            f"{path}:{number}: expected a step and its loss, found {line[:60]}"
        ) from None
