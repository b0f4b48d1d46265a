"""A comparison of evaluations for people: a table in the terminal, files, and one HTML page."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from ikusi import artifact, claim, disk, terminal
from ikusi.compare.findings import format_p_value, format_signed
from ikusi.compare.runs import ALL, ALPHA, POWER, Cell, Comparison, pick_examples
from ikusi.evaluate.metrics import describe_metric
from ikusi.page import fill_template
from ikusi.report import compare_figure, drawing
from ikusi.report.tables import Table
from ikusi.statistics import FEWEST
from ikusi.terminal import make_harmless

KIND = "compare"
TEMPLATE = Path(__file__).with_name("compare.html.j2")
SHOWN = 200
"""Rows on the page, at most, of those that are scored differently; the file has all of them."""

WIDTH = 134  # characters that the table needs where the terminal does not say how many it has


def write(comparison: Comparison, output: Path) -> Path:
    """Write a comparison's files and return the path of its page.

    ``output`` gets ``comparison.json``, ``table.csv``, ``differences.parquet`` (see
    ``compare.runs.DIFFERENCES``), ``differences.svg``, ``differences.png`` and ``index.html``;
    the same comparison gives the same bytes.

    Raises:
        InputError: ``output`` holds what is not ours.
    """
    with claim.claim_folder(output, KIND) as place:
        return _write_files(comparison, place)


def _write_files(comparison: Comparison, output: Path) -> Path:
    records = [cell.record() for cell in comparison.cells]
    artifact.write_json(output / "comparison.json", _to_json(comparison, records))
    table = Table("table", "", list(records[0]), [list(record.values()) for record in records])
    table.write(output)
    with disk.replace_file(output / "differences.parquet") as aside:
        pq.write_table(comparison.differences, aside)
    drawing.write(compare_figure.draw_figure(comparison), output)
    page = output / "index.html"
    artifact.write_text(page, _render(comparison))
    return page


def _to_json(comparison: Comparison, records: list[dict[str, Any]]) -> dict[str, Any]:
    keys = ("baseline", "runs", "metric", "resamples", "seed")
    return {
        **{key: getattr(comparison, key) for key in keys},
        "alpha": ALPHA,
        "power": POWER,
        "cells": records,
        "unmatched": [joined._asdict() for joined in comparison.unmatched],
        "lacking": [lacking._asdict() for lacking in comparison.lacking],
    }


def to_terminal(comparison: Comparison, show: int = 0, console: Console | None = None) -> None:
    """Print a table for each run, what to know of it, and ``show`` rows that differ."""
    console = console or terminal.open_console()
    if not console.is_terminal:
        console = terminal.open_console(file=console.file, width=max(console.width, WIDTH))
    for run in comparison.runs:
        console.print(_grid(comparison, run))
    for sentence in (write_summary(comparison), *explain(comparison), *write_notes(comparison)):
        console.print(Text(make_harmless(sentence)))
    for row in pick_examples(comparison, show):
        console.print(_example(comparison, row))


def _grid(comparison: Comparison, run: str) -> Grid:
    title = Text(f"{run} against {comparison.baseline}", "bold")
    grid = Grid(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("benchmark\nlanguage", no_wrap=True)
    for head in ("rows\npictures", "baseline (right)\n95 %", "run (right)\n95 %"):
        grid.add_column(head, justify="right")
    for head in ("difference\n95 %", "p\nHolm's p", "run : baseline\nMcNemar's p", "detectable"):
        grid.add_column(head, justify="right")
    for cell in comparison.cells:
        if cell.run == run:
            first = "bold" if cell.differs else "not dim"
            grid.add_row(*(Text.assemble((a, first), ("\n" + b, "dim")) for a, b in _lines(cell)))
    return grid


def _lines(cell: Cell) -> Iterator[tuple[str, str]]:
    """Yield the columns of a row of the terminal's table, two lines each."""
    yield make_harmless(cell.benchmark), f"  {make_harmless(describe_place(cell))}"
    yield str(cell.n), str(cell.clusters)
    for score, right in zip((cell.baseline, cell.score), cell.right, strict=True):
        yield f"{score.mean:.3f} ({format_count(right)})", f"{score.low:.3f}–{score.high:.3f}"
    low, high = format_signed(cell.difference.low), format_signed(cell.difference.high)
    yield f"{'* ' * cell.differs}{format_signed(cell.difference.mean)}", f"{low} to {high}"
    yield format_p_value(cell.difference.p_value), format_p_value(cell.adjusted)
    tested = cell.mcnemar
    yield (
        (f"{tested.only_a} : {tested.only_b}", format_p_value(tested.p_value))
        if tested
        else ("–", "")
    )
    yield "–" if cell.detectable is None else f"{cell.detectable:.3f}", ""


def _example(comparison: Comparison, row: Mapping[str, Any]) -> Text:
    """A row that is scored differently, as text."""
    head = (row["run"], row["benchmark"], row["language"], row["group"], row["id"])
    text = Text("\n" + make_harmless(" · ".join(part for part in head if part)), "bold")
    lines = (("question", row["question"], None), ("gold", format_gold(row["gold"]), None))
    answers = (
        (comparison.baseline, row["baseline_prediction"], row["baseline_score"]),
        (row["run"], row["run_prediction"], row["run_score"]),
    )
    for label, words, score in (*lines, *answers):
        ending = "" if score is None else f"  ({mark(score)} {score:.2f})"
        text.append(f"\n  {label}: {make_harmless(words or '(nothing)')}{ending}", "not bold")
    return text


def describe_place(cell: Cell) -> str:
    """The language of a cell, and its group where it is not about all rows."""
    return cell.language if cell.group == ALL else f"{cell.language} · {cell.group}"


def format_count(right: float) -> str:
    """A number of right answers; with decimals where scores are fractions."""
    return f"{right:.0f}" if right.is_integer() else f"{right:.2f}"


def format_gold(text: str) -> str:
    """The right answers of a row of ``differences``, to be read."""
    gold = json.loads(text)
    return str(gold["choices"][gold["answer"]]) if isinstance(gold, dict) else " / ".join(gold)


def mark(score: float) -> str:
    """The sign for a score: right, partly right or wrong."""
    return "✓" if score >= 1 else "◐" if score > 0 else "✗"


def write_summary(comparison: Comparison) -> str:
    """Sum up the outcome of a comparison in a sentence."""
    cells, rows = comparison.cells, comparison.differences.num_rows
    stand = sum(cell.differs for cell in cells)
    return (
        f"{stand} of {_several(len(cells), 'difference')} "
        f"{'stands' if stand == 1 else 'stand'} after Holm's correction at level {ALPHA} (*); "
        f"{_several(rows, 'row')} scored differently."
    )


def explain(comparison: Comparison) -> Iterator[str]:
    """Explain how to read the table."""
    asked = comparison.metric
    metric = describe_metric(asked) if asked else "each benchmark's primary metric"
    yield (
        f"Difference: run minus baseline, by {metric}, on the rows both have. Intervals (95 %) and "
        f"p: bootstrap over pictures, {comparison.resamples} resamples; p is no smaller than a "
        "sign test of the pictures could give."
    )
    if comparison.by_seed:  # neither McNemar's test nor what is detectable is known over seeds
        shares = [cell.seed_share for cell in comparison.cells if cell.seed_share is not None]
        seeds = sorted({cell.seeds for cell in comparison.cells})
        yield (
            f"All is the mean over {' or '.join(map(str, seeds))} trainings of each model; those "
            "with the same seed are compared with each other. Intervals and p hold over seeds and "
            f"pictures; of the variance of a difference {min(shares) * 100:.0f} to "
            f"{max(shares) * 100:.0f} % is the seed. Rows that differ are those of the runs named."
        )
        return
    yield "McNemar's exact test takes rows as independent."
    yield (
        f"Detectable: the smallest true difference that one such test at level {ALPHA} would find "
        f"in {POWER * 100:.0f} % of studies of this size. A smaller one may be there and not show."
    )


def write_notes(comparison: Comparison) -> Iterator[str]:
    """Yield a sentence about all that was not compared or was not the same; nothing is left out."""
    lacking: dict[tuple[str, str], list[str]] = {}
    for run, bench, code, without in comparison.lacking:
        lacking.setdefault((run, without), []).append(f"{bench} {code}")
    what = describe_metric(comparison.metric) if comparison.metric else "scores"
    for (run, without), asked in lacking.items():
        yield f"Not compared for {run}, as {without} has no {what} there: {', '.join(asked)}."
    for pair in comparison.unmatched:
        where = f"{pair.benchmark} {pair.language}"
        if pair.only_baseline or pair.only_run:
            yield (
                f"Left out of {where}: {_several(pair.only_baseline, 'row')} only in "
                f"{comparison.baseline}, {pair.only_run} only in {pair.run}; {pair.rows} in both."
            )
        if pair.other_prompts:
            yield (
                f"Other prompts in {where}: {pair.other_prompts} of {_several(pair.rows, 'row')} "
                f"of {pair.run} ({pair.other_questions} in other words). Right between models with "
                "other tokenizers or chat templates; between others, find out why."
            )
        if pair.failed_baseline or pair.failed_run:
            yield (
                f"Without an answer in {where}, and scored as that: {pair.failed_baseline} of "
                f"{comparison.baseline}, {pair.failed_run} of {pair.run}."
            )
    few = [cell for cell in comparison.cells if cell.clusters < FEWEST]
    if few:
        yield (
            f"Few pictures: {_several(len(few), 'comparison')} with fewer than {FEWEST}, whose "
            "intervals are too narrow."
        )


def _several(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _render(comparison: Comparison) -> str:
    filters: dict[str, Callable[..., object]] = {
        "signed": format_signed,
        "p": format_p_value,
        "counted": format_count,
        "place": describe_place,
        "metric": describe_metric,
        "gold": format_gold,
        "mark": mark,
        "score": lambda value: f"{value:.3f}",
    }
    figure = compare_figure.draw_figure(comparison)
    values = {
        "comparison": comparison,
        "summary": write_summary(comparison),
        "explained": list(explain(comparison)),
        "notes": list(write_notes(comparison)),
        "figure": figure,
        "panels": [
            (panel.alt, drawing.to_svg(panel, f"panel-{number}"))
            for number, panel in enumerate(figure.panels)
        ],
        "legend": [
            (look.label, drawing.sample(look, f"look-{number}"))
            for number, look in enumerate(figure.looks)
        ],
        "rows": pick_examples(comparison, SHOWN),
    }
    return fill_template(TEMPLATE, values, filters)
