"""The results of an evaluation, as a table for the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from ikusi.evaluate.metrics import describe_metric
from ikusi.evaluate.results import ALL
from ikusi.statistics import FEWEST


def make_table(results: Mapping[str, Any], languages: Sequence[str]) -> Table:
    """The figures of ``results.json`` as a table: a line for each benchmark, language and group."""
    made = Table(box=None, pad_edge=False)
    made.add_column("benchmark")
    made.add_column("language")
    made.add_column("rows")
    for name in ("n", "right", "score", "95 % interval", "chance", "majority"):
        made.add_column(name, justify="right")
    made.add_column("in language", justify="right")
    made.add_column("metric")
    made.add_column("notes")
    for bench, by_language in results.items():
        for language in languages:
            groups = by_language.get(language, {})
            for group, figures in groups.items():
                if group == ALL or len(groups) > 2:  # a single group is all rows
                    made.add_row(bench, language, group, *_cells(figures), _notes(figures))
    return made


def _cells(figures: Mapping[str, Any]) -> list[str]:
    if figures["score"] is None:
        kept = [f"{figures['n']:,}", "", "kept", "", "", ""]
        return [*kept, _fidelity(figures), describe_metric(figures["metric"])]
    return [
        f"{figures['n']:,}",
        f"{figures['right']:,.1f}".removesuffix(".0"),
        f"{figures['score']:.3f}",
        f"{figures['low']:.3f} to {figures['high']:.3f}",
        f"{figures['chance']:.3f}",
        f"{figures['majority']:.3f}",
        _fidelity(figures),
        describe_metric(figures["metric"]),
    ]


def _fidelity(figures: Mapping[str, Any]) -> str:
    """The share of answers in the language asked in, of those identified, with their number."""
    share, identified = figures["fidelity"], figures["language_told"]
    return "" if share is None else f"{share:.1%} of {identified:,}"


def _notes(figures: Mapping[str, Any]) -> str:
    """Notes beside a score: few rows or pictures, failures, ties, answers at the length limit."""
    notes = []
    if figures["few"]:
        notes.append(f"fewer than {FEWEST} {'pictures' if figures['pictures'] else 'rows'}")
    if figures["failed"]:
        notes.append(f"{figures['failed']:,} without an answer")
    if figures["ties"]:
        notes.append(f"{figures['ties']:,} ties")
    if figures["hit_limit"]:
        notes.append(f"{figures['hit_limit']:.1%} hit the length limit")
    return ", ".join(notes)
