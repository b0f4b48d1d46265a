"""Scores of a run, for its card: a table for people, and both of the hub's formats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ikusi import artifact, disk
from ikusi.evaluate.benchmark import Benchmark
from ikusi.publish import card, origins
from ikusi.publish.trained import Dataset, Trained, name_dataset
from ikusi.report import tables

DIGITS = 4
EVAL_RESULTS = ".eval_results"
OTHER_LANGUAGE = 0.05
"""Share of answers in another language from which a card says so."""


@dataclass(frozen=True)
class Score:
    """A benchmark in a language.

    Attributes:
        benchmark: what was asked.
        language: code of the language it was asked in.
        figures: as `results.json` has them.
        dataset: its data set on the hub, where the rows are that data set's own.
        measured: when, as an ISO date.
    """

    benchmark: Benchmark
    language: str
    figures: dict[str, Any]
    dataset: Dataset | None
    measured: str | None

    @property
    def interval(self) -> str:
        """Bounds of the 95 % interval."""
        return f"{self.figures['low']:.{DIGITS}f} to {self.figures['high']:.{DIGITS}f}"

    @property
    def notes(self) -> str:
        """Facts that the hub's formats have no key for."""
        pictures = self.figures.get("pictures", 0)
        about = f" about {pictures} pictures" if pictures else ""
        return (
            f"{self.figures['metric']} of {self.figures['n']} questions{about}, asked in "
            f"{self.language}; 95 % interval {self.interval}"
        )


def list_scores(trained: Trained) -> list[Score]:
    """Every benchmark in every language that the run was asked in, in the recipe's order."""
    evaluation = trained.evaluation
    if evaluation is None:
        return []
    when = (artifact.read_manifest(_folder(trained)) or {}).get("started", "")[:10] or None
    return [
        Score(benchmark, pack.code, figures, _find_dataset(trained, name), when)
        for name, benchmark in trained.study.benchmarks.items()
        for pack in trained.study.languages
        if (figures := evaluation.figures(name, pack.code)) and figures.get("score") is not None
    ]


def _folder(trained: Trained) -> Path:
    return trained.study.folder.step(f"evaluate/{trained.name}")


def _find_dataset(trained: Trained, benchmark: str) -> Dataset | None:
    """The data set on the hub whose rows were asked: neither translated nor changed since."""
    corpus = trained.find_corpus(benchmark)
    made = origins.trace(corpus.folder) if corpus else []
    if not made or made[-1]["kind"] != origins.IMPORT:
        return None
    return name_dataset(made[-1])


def tabulate_scores(scores: list[Score]) -> str:
    """Everything that a reader needs to judge a score, in one table."""
    header = ("benchmark", "asked in", "score", "95 % interval", "n", "guessing", "metric")
    rows = [
        (
            one.benchmark.title,
            one.language,
            f"{one.figures['score']:.{DIGITS}f}",
            one.interval,
            one.figures["n"],
            f"{_guess(one):.{DIGITS}f}",
            f"`{one.figures['metric']}`",
        )
        for one in scores
    ]
    return card.tabulate(header, rows)


def describe_seeds(trained: Trained) -> str:
    """Say which of several trainings this is, and what its model scores over all of them; empty
    where there is only one."""
    study, run = trained.study, trained.run
    if not study.several_seeds or trained.merged:
        return ""
    table = tables.tabulate_seeds(study)
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows if row[0] == run.model]
    header = ("benchmark", "asked in", "seeds", "mean", "95 % interval", "lowest", "highest")
    shown = [
        (
            study.benchmarks[str(row["benchmark"])].title,
            row["language"],
            row["seeds"],
            f"{row['score']:.{DIGITS}f}",
            f"{row['low']:.{DIGITS}f} to {row['high']:.{DIGITS}f}",
            f"{row['lowest']:.{DIGITS}f}",
            f"{row['highest']:.{DIGITS}f}",
        )
        for row in rows
    ]
    return (
        f"This is one of {len(study.recipe.seeds)} trainings that differ by their seed alone, that "
        f"of seed {run.seed}. Over all that are measured, with intervals over seeds and "
        f"pictures:\n\n{card.tabulate(header, shown)}\n\n"
    )


def _guess(score: Score) -> float:
    """The best that a blind guesser reaches."""
    return max(score.figures.get("chance") or 0.0, score.figures.get("majority") or 0.0)


def list_limits(scores: list[Score]) -> Iterator[str]:
    """Weaknesses that the scores show, in sentences."""
    for one in scores:
        asked, figures = f"{one.benchmark.title}, asked in {one.language}", one.figures
        if figures["low"] <= _guess(one):
            yield f"{asked}: no better than guessing ({figures['score']:.{DIGITS}f})."
        if figures.get("few"):
            yield f"{asked}: too few pictures for the interval to be trusted."
        fidelity = figures.get("fidelity")
        if fidelity is not None and (other := 1.0 - fidelity) > OTHER_LANGUAGE:
            yield (
                f"{asked}: {other * 100:.0f} % of the "
                f"{figures['language_told']} answers whose language could be identified are in "
                "another language."
            )
        if figures.get("failed"):
            yield f"{asked}: {figures['failed']} questions were not answered."


def make_model_index(name: str, scores: list[Score]) -> list[dict[str, Any]]:
    """The scores as the card's YAML has them."""
    from huggingface_hub import EvalResult
    from huggingface_hub.repocard_data import eval_results_to_model_index

    results = [
        EvalResult(
            task_type="question-answering"
            if one.benchmark.text_only
            else "visual-question-answering",
            dataset_type=one.dataset.name if one.dataset else one.benchmark.name,
            dataset_revision=one.dataset.revision if one.dataset else None,
            dataset_name=one.benchmark.title,
            dataset_config=one.language,
            dataset_args={"n": one.figures["n"]},
            metric_type=one.figures["metric"],
            metric_value=round(one.figures["score"], DIGITS),
            metric_name=f"{one.benchmark.title}, asked in {one.language}",
            metric_args={
                "low": round(one.figures["low"], DIGITS),
                "high": round(one.figures["high"], DIGITS),
                "level": 0.95,
            },
        )
        for one in scores
    ]
    return list(eval_results_to_model_index(name, results)) if results else []


def write_eval_results(folder: Path, scores: list[Score]) -> None:
    """The scores on data sets of the hub in its newer format, a file for each data set.

    A task is called as the language is, which is how a release of a corpus names its parts.
    """
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    by_dataset: dict[Dataset, list[Score]] = {}
    for one in scores:
        if one.dataset:
            by_dataset.setdefault(one.dataset, []).append(one)
    for dataset, own in by_dataset.items():
        entries = [
            EvalResultEntry(
                dataset_id=dataset.name,
                dataset_revision=dataset.revision,
                task_id=one.language,
                value=round(one.figures["score"], DIGITS),
                date=one.measured,
                notes=one.notes,
            )
            for one in own
        ]
        disk.make_folder(folder / EVAL_RESULTS)
        file = folder / EVAL_RESULTS / f"{dataset.name.replace('/', '--')}.yaml"
        disk.write_text(file, card.format_yaml(eval_result_entries_to_yaml(entries)))
