"""The report's tables, as data: CSV files hold them whole, the page shows them folded."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ikusi import disk
from ikusi.compare import evidence
from ikusi.compare.claims import list_fullest, list_models
from ikusi.compare.evidence import Resampling, Sample
from ikusi.compare.findings import Finding
from ikusi.compare.reading import ALL, Evaluation, Study, Trained, to_percent
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


BY_SEED = ("seed_deviation", "seed_share")


def tabulate_scores(study: Study) -> Table:
    """Every score: run x benchmark x language x way of being unseen."""
    seed = ("seed",) if study.several_seeds else ()
    keys = ("run", "backbone", "target_share", "text_only", "merge", "weight", *seed)
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
    seeds = {run.name: run.seed for run in study.runs}
    for name, measured in study.evaluations.items():
        yield from _score_rows(study, measured, [name, *about[name], None, None, seeds[name]])
    for merged in study.recipe.list_merged():
        if one := study.merged.get(merged.name):
            keys = [merged.name, *about[merged.run], merged.merge, merged.weight]
            yield from _score_rows(study, one, [*keys, seeds[merged.run]])
    for backbone, one in study.backbones.items():
        yield from _score_rows(study, one, [one.name, backbone, *[None] * 5])


def _score_rows(study: Study, one: Evaluation, keys: list[Cell]) -> Iterator[list[Cell]]:
    """The rows of one evaluation; the last of the keys is the seed."""
    kept = keys if study.several_seeds else keys[:-1]
    for benchmark, by_language in one.results.items():
        for code, groups in by_language.items():
            for group, figures in groups.items():
                values = [figures.get(column) for column in FIGURES]
                yield [*kept, benchmark, code, group, *values]


def tabulate_in_short(study: Study) -> Table:
    """Mean score over the close-ended benchmarks by share, in both languages."""
    resampling = Resampling(study.recipe.bootstrap, study.recipe.seed)
    columns = ["target_share", "text_only", "runs"]
    for pack in study.languages:
        columns += [pack.code, f"{pack.code}_low", f"{pack.code}_high"]
    if study.several_seeds:
        columns += [
            "seeds",
            *(f"{pack.code}_{name}" for pack in study.languages for name in BY_SEED),
        ]
    rows: list[list[Cell]] = []
    named: list[str] = []
    for text in study.recipe.grid.text_only if study.close_ended else []:
        backbones = list_fullest(study, text)
        named += [name for name in backbones if name not in named]
        for share in study.shares:
            models = list_models(study, backbones, share, text)
            samples = [
                evidence.measure_levels(models, study.close_ended, pack.code)
                for pack in study.languages
                if models
            ]
            if not models:
                continue
            row: list[Cell] = [share, text, sum(map(len, models))]
            for sample in samples:
                row += [*evidence.estimate_mean(sample, resampling)]
            if study.several_seeds:
                row += [
                    len(samples[0].values),
                    *(cell for one in samples for cell in _by_seed(one)),
                ]
            rows.append(row)
    every = "the backbones" if len(study.recipe.grid.backbones) > 1 else ""
    seeds = "the seeds" if study.several_seeds else ""
    over = ["the close-ended benchmarks", describe_some(study, named) or every, seeds]
    *first, last = filter(None, over)
    caption = f"Mean score over {', '.join(first)}{' and ' if first else ''}{last}"
    return Table("in-short", caption, columns, rows)


def describe_some(study: Study, backbones: Sequence[str]) -> str:
    """Name some backbones; empty where they are all of the grid, or none."""
    if not backbones or set(backbones) == set(study.recipe.grid.backbones):
        return ""
    return f"the backbone{'s' if len(backbones) > 1 else ''} {' and '.join(backbones)}"


def _by_seed(sample: Sample) -> list[Cell]:
    """The cells under `BY_SEED`; unknown where one seed is measured."""
    spread = sample.measure_spread()
    return [spread.deviation, spread.share] if spread else [None, None]


def tabulate_seeds(study: Study) -> Table:
    """Each model's scores over its seeds: mean, lowest, highest, and how much is the seed's."""
    resampling = Resampling(study.recipe.bootstrap, study.recipe.seed)
    rows: list[list[Cell]] = []
    for model, trained in study.models.items():
        for name in study.benchmarks:
            for pack in study.languages:
                sample = evidence.measure_levels([trained], [name], pack.code)
                each = [float(mean) for mean in sample.values.mean(axis=1)]
                mean = evidence.estimate_mean(sample, resampling)
                measured: list[Cell] = [*mean, min(each), max(each)]
                rows.append([model, name, pack.code, len(each), *measured, *_by_seed(sample)])
    columns = ["model", "benchmark", "language", "seeds", "score", "low", "high"]
    caption = (
        "Each model over its seeds, with 95 % intervals; the standard deviation between seeds "
        "that the choice of pictures does not explain, and its share of the mean's variance"
    )
    return Table("seeds", caption, [*columns, "lowest", "highest", *BY_SEED], rows)


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
            spread = part.spread and (part.spread.seeds, part.spread.share)
            rows.append([finding.number, role, part.name, *measured, *bounds, *(spread or ())])
    columns = ["finding", "role", "comparison", "estimate", "low", "high", "confidence"]
    columns += ["claimed_above", "claimed_below", "p", "rows", "pictures"]
    if any(len(row) > len(columns) for row in rows):
        columns += ["seeds", "seed_share"]
        rows = [row + [None] * (len(columns) - len(row)) for row in rows]
    return Table("comparisons", "Comparisons behind the findings", columns, rows)


COUNTS = ("rows", "tokens", "supervised_tokens", "images", "cut_rows")


def tabulate_steps(study: Study) -> Table:
    """Tabulate what each step took, and what training stages were fed with."""
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
    """Tabulate the rows and pictures of each corpus of the study, and the share people accepted."""
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
    models = _list_models(study, name)
    first = [next(iter(trained.values())) for trained in models.values()]
    one = first[0] if first else None
    codes = [pack.code for pack in study.languages]
    groups = [ALL, *(one.groups(name, codes[0]) if one else [])]
    if len(groups) == 2:  # a single group is all there is
        groups = [ALL]
    lines = [
        (
            model,
            code,
            _estimate_scores(study, trained, name, code, groups),
            _find_fidelity(trained, name, code),
        )
        for code in codes
        for model, trained in models.items()
    ]
    known, seen = study.benchmarks[name], describe_overlap(study, name)
    guessed = {
        code: [one.figures(name, code, group) or {} for group in groups] for code in codes if one
    }
    guesses = {
        code: [(figures.get("chance", 0.0), figures.get("majority", 0.0)) for figures in by_group]
        for code, by_group in guessed.items()
    }
    sizes = [figures.get("n", 0) for figures in guessed[codes[0]]] if one else []
    return Board(
        known.title,
        describe_metric(known.primary),
        f"{known.description} {seen}" if seen else known.description,
        groups,
        sizes,
        lines,
        known.scorer != "options",
        guesses,
    )


def _list_models(study: Study, name: str) -> dict[str, Trained]:
    """The grid's models, the merged ones and the bare backbones that took a benchmark."""
    others = [*study.merged.values(), *study.backbones.values()]
    alone: dict[str, Trained] = {one.name: {None: one} for one in others}
    return {
        model: trained
        for model, trained in (study.models | alone).items()
        if all(name in one.results for one in trained.values())
    }


def _estimate_scores(
    study: Study, trained: Trained, name: str, code: str, groups: Sequence[str]
) -> list[Score | None]:
    resampling = Resampling(study.recipe.bootstrap, study.recipe.seed)
    cells = (evidence.estimate_score(trained, name, code, resampling, group) for group in groups)
    return [Score(*cell) if cell else None for cell in cells]


def _find_fidelity(trained: Trained, name: str, code: str) -> Fidelity | None:
    """That of the answers under all seeds together."""
    figures = [one.figures(name, code) or {} for one in trained.values()]
    known = [own for own in figures if own.get("fidelity") is not None]
    answers = sum(own["language_told"] for own in known)
    if not answers:
        return None
    right = sum(own["fidelity"] * own["language_told"] for own in known)
    return Fidelity(right / answers, answers)


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
        *([tabulate_seeds(study)] if study.several_seeds else []),
        tabulate_in_short(study),
        tabulate_findings(examined),
        tabulate_comparisons(examined),
        tabulate_steps(study),
        tabulate_corpora(study),
    ]
