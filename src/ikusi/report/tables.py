"""The report's tables, as data: CSV files hold them whole, the page shows them folded."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ikusi import disk
from ikusi.compare import evidence
from ikusi.compare.evidence import Resampling
from ikusi.compare.findings import Finding
from ikusi.compare.reading import ALL, Evaluation, Study, to_percent
from ikusi.evaluate.metrics import describe_metric

Cell = str | int | float | bool | None


@dataclass(frozen=True)
class Table:
    """Rows under named columns."""

    name: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    def write(self, folder: Path) -> Path:
        """Write it as CSV; empty cells are unknown or do not apply."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.csv"
        with (
            disk.replace_file(path) as aside,
            aside.open("w", encoding="utf-8", newline="") as file,
        ):
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(self.columns)
            writer.writerows(["" if cell is None else cell for cell in row] for row in self.rows)
        return path


FIGURES = (
    "n",
    "pictures",
    "few",
    "metric",
    "right",
    "score",
    "low",
    "high",
    "chance",
    "majority",
    "hit_limit",
    "fidelity",
    "language_told",
)


def tabulate_scores(study: Study) -> Table:
    """Every score: run x benchmark x language x way of being unseen."""
    keys = ("run", "backbone", "target_share", "text_only", "merge", "weight")
    return Table(
        "scores",
        "Every score, with its 95 % interval, chance and what the most frequent answer reaches",
        [*keys, "benchmark", "language", "unseen", *FIGURES],
        list(_scores(study)),
    )


def _scores(study: Study) -> Iterator[list[Cell]]:
    about: dict[str, list[Cell]] = {
        run.name: [run.backbone, to_percent(run.ratio), run.text_only] for run in study.runs
    }
    models: list[tuple[list[Cell], Evaluation]] = [
        ([name, *about[name], None, None], one) for name, one in study.evaluations.items()
    ]
    models += [
        ([one.name, *about[one.run], one.merge, one.weight], study.merged[one.name])
        for one in study.recipe.list_merged()
        if one.name in study.merged
    ]
    models += [([one.name, name, *[None] * 4], one) for name, one in study.backbones.items()]
    for keys, evaluation in models:
        for benchmark, by_language in evaluation.results.items():
            for code, groups in by_language.items():
                for group, figures in groups.items():
                    values = [figures.get(column) for column in FIGURES]
                    yield [*keys, benchmark, code, group, *values]


def tabulate_in_short(study: Study) -> Table:
    """Mean score over the close-ended benchmarks by share, in both languages."""
    resampling = Resampling(study.recipe.bootstrap, study.recipe.seed)
    columns = ["target_share", "text_only", "runs"]
    for pack in study.languages:
        columns += [pack.code, f"{pack.code}_low", f"{pack.code}_high"]
    rows: list[list[Cell]] = []
    for text in study.recipe.grid.text_only if study.close_ended else []:
        for share in study.shares:
            evaluations = [
                study.evaluation(name, share, text) for name in study.recipe.grid.backbones
            ]
            runs = [one for one in evaluations if one is not None]
            if not runs:
                continue
            row: list[Cell] = [share, text, len(runs)]
            for pack in study.languages:
                sample = evidence.measure_levels(runs, study.close_ended, pack.code)
                row += [*evidence.estimate_mean(sample, resampling)]
            rows.append(row)
    caption = "Mean score over the close-ended benchmarks and the backbones"
    return Table("in-short", caption, columns, rows)


def tabulate_findings(examined: Sequence[Finding]) -> Table:
    """The findings and their verdicts."""
    rows: list[list[Cell]] = []
    for finding in examined:
        part = finding.headline
        numbers: list[Cell] = [None] * 6
        if part:
            numbers = [*part.difference, part.confidence, part.rows, part.pictures]
        details: list[Cell] = [finding.p_value, finding.adjusted, finding.why, finding.test]
        rows.append(
            [finding.number, finding.title, finding.verdict, finding.quantity, *numbers, *details]
        )
    columns = ["finding", "title", "verdict", "quantity", "estimate", "low", "high", "confidence"]
    columns += ["rows", "pictures", "p", "p_corrected", "why", "test"]
    return Table("findings", "The findings, tested", columns, rows)


def tabulate_comparisons(examined: Sequence[Finding]) -> Table:
    """Every comparison behind the findings."""
    rows: list[list[Cell]] = []
    for finding in examined:
        decided = [(str(part.role), part) for part in finding.parts]
        for role, part in [*decided, *(("detail", part) for part in finding.details)]:
            bounds = (part.above, part.below, part.p_value, part.rows, part.pictures)
            measured = (*part.difference, part.confidence)
            rows.append([finding.number, role, part.name, *measured, *bounds])
    columns = ["finding", "role", "comparison", "estimate", "low", "high", "confidence"]
    columns += ["claimed_above", "claimed_below", "p", "rows", "pictures"]
    return Table("comparisons", "Comparisons behind the findings", columns, rows)


COUNTS = ("rows", "tokens", "supervised_tokens", "images", "cut_rows")


def tabulate_steps(study: Study) -> Table:
    """What each step took, and what training stages were fed with."""
    rows: list[list[Cell]] = []
    codes = [pack.code for pack in study.languages]
    for name, manifest, summary in study.steps():
        counts: dict[str, Any] = summary.get("counts", {}) | {}
        taken: list[Cell] = [manifest[key] for key in ("seconds", "peak_memory_mb", "attempts")]
        fed: list[Cell] = [counts.get(key) for key in COUNTS]
        by_language = [counts.get("languages", {}).get(code, 0) for code in codes]
        rows_by_language: list[Cell] = [*by_language] if counts else [None] * len(codes)
        learnt: list[Cell] = [summary.get("steps"), summary.get("final_loss")]
        rows.append([name, *taken, *learnt, *fed, *rows_by_language])
    columns = ["step", "seconds", "peak_memory_mb", "attempts", "optimiser_steps", "final_loss"]
    columns += [*COUNTS, *(f"rows_{code}" for code in codes)]
    return Table("steps", "Each step: its time, memory and what it trained on", columns, rows)


def tabulate_corpora(study: Study) -> Table:
    """How many rows and pictures each corpus of the study has, and how many people accepted."""
    keys = ("row_type", "rows", "images", "quarantined")
    corpora = list(study.corpora())
    judged = {name: about["accepted"] for name, about in corpora if about.get("accepted")}
    shares = ("share", "low", "high", "items", "raters", "kind") if judged else ()
    rows: list[list[Cell]] = [
        [name, *map(about.get, keys), *map(judged.get(name, {}).get, shares)]
        for name, about in corpora
    ]
    named = ["accepted", "accepted_low", "accepted_high", "judged", "raters", "judged_by"]
    columns = ["corpus", *keys, *(named if judged else [])]
    return Table("corpora", "Corpora of the study", columns, rows)


@dataclass(frozen=True)
class Score:
    """A score as a cell of the page's tables shows it."""

    score: float
    low: float
    high: float


@dataclass(frozen=True)
class Fidelity:
    """The share of answers in the language asked in, of the ``n`` that were identified."""

    share: float
    n: int


@dataclass(frozen=True)
class Board:
    """One benchmark on the page: a line per model and language, a column per way of being unseen.

    ``lines``: model, the language's pack code, a score or none for each of ``groups``, and of
    ``generated`` answers how many are in the language asked in, if any were identified.
    ``guesses``: language code -> for each group, chance and majority.
    """

    title: str
    metric: str
    description: str
    groups: Sequence[str]
    sizes: Sequence[int]
    lines: Sequence[tuple[str, str, Sequence[Score | None], Fidelity | None]]
    generated: bool
    guesses: Mapping[str, Sequence[tuple[float, float]]]


def make_boards(study: Study) -> list[Board]:
    """The scores as the page shows them, one table per benchmark."""
    made = (_board(study, name) for name in study.benchmarks)
    return [board for board in made if board.lines]


def _board(study: Study, name: str) -> Board:
    models = [*study.evaluations.values(), *study.merged.values(), *study.backbones.values()]
    models = [one for one in models if name in one.results]
    codes = [pack.code for pack in study.languages]
    groups = [ALL, *(models[0].groups(name, codes[0]) if models else [])]
    if len(groups) == 2:  # a single group is all there is
        groups = [ALL]
    lines = []
    for code in codes:
        for one in models:
            cells = [one.figures(name, code, group) for group in groups]
            scores = [Score(c["score"], c["low"], c["high"]) if c else None for c in cells]
            lines.append((one.name, code, scores, _find_fidelity(cells[0])))
    known, trained = study.benchmarks[name], describe_overlap(study, name)
    first = {
        code: [models[0].figures(name, code, group) or {} for group in groups]
        for code in codes
        if models
    }
    guesses = {
        code: [(figures.get("chance", 0.0), figures.get("majority", 0.0)) for figures in by_group]
        for code, by_group in first.items()
    }
    sizes = [figures.get("n", 0) for figures in first[codes[0]]] if models else []
    return Board(
        known.title,
        describe_metric(known.primary),
        f"{known.description} {trained}" if trained else known.description,
        groups,
        sizes,
        lines,
        known.scorer != "options",
        guesses,
    )


def _find_fidelity(figures: Mapping[str, Any] | None) -> Fidelity | None:
    if not figures or figures.get("fidelity") is None:
        return None
    return Fidelity(figures["fidelity"], figures["language_told"])


def describe_overlap(study: Study, name: str) -> str | None:
    """That pictures of a benchmark were trained on, or may have been; none where all are new."""
    overlap, title = study.overlaps.get(name), study.benchmarks[name].title
    if overlap is None:
        allowed = name in study.recipe.seen_pictures
        return f"Pictures of {title} may have been trained on." if allowed else None
    if not overlap.seen:
        return None
    return f"Trained on as well: {overlap.seen} of the {overlap.pictures} pictures of {title}."


def make_all(study: Study, examined: Sequence[Finding]) -> list[Table]:
    """All tables that are written as CSV."""
    return [
        tabulate_scores(study),
        tabulate_in_short(study),
        tabulate_findings(examined),
        tabulate_comparisons(examined),
        tabulate_steps(study),
        tabulate_corpora(study),
    ]
