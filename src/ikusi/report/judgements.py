"""The figures of judgements for people: tables in the terminal and as CSV, with notes on them.

Simulated raters are named as that in every table that they are in.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from ikusi import claim, disk, terminal
from ikusi.judge.figures import Judging
from ikusi.judgements.acceptance import Acceptance
from ikusi.judgements.figures import Figures
from ikusi.judgements.people_and_judge import Compared
from ikusi.judgements.preferences import Preference
from ikusi.judgements.sheets import Sheet
from ikusi.report import judging as views
from ikusi.report.tables import Cell, Table
from ikusi.statistics.agreement import TITLES, Figure
from ikusi.terminal import make_harmless

KIND = "judgements report"
NOTES = "notes.txt"
WIDTH = 150  # characters that the tables need where the terminal does not say how many it has

SIMULATED = (
    "Simulated raters are among these. What stands beside `simulated` was made up by a program: it "
    "shows that everything works, and nothing about people, models or data."
)
_PLACE = ("benchmark", "language", "kind")


def write(figures: Figures, output: Path, judging: Sequence[Judging] = ()) -> Path:
    """Write the tables as CSV files and the notes beside them; returns the folder.

    The same judgements give the same bytes. ``judging``: how far judges may be believed
    (`ikusi.judge.figures`).

    Raises:
        InputError: ``output`` holds what is not ours.
    """
    with claim.claim_folder(output, KIND) as place:
        for table in make_tables(figures, judging):
            table.write(place)
        notes = write_notes(figures, judging)
        disk.write_text(place / NOTES, "".join(f"{note}\n" for note in notes))
    return output


def to_terminal(
    figures: Figures, console: Console | None = None, judging: Sequence[Judging] = ()
) -> None:
    """Print the tables that have rows, and what to know of them."""
    console = console or terminal.open_console()
    if not console.is_terminal:
        console = terminal.open_console(file=console.file, width=max(console.width, WIDTH))
    for table in make_tables(figures, judging):
        if table.rows:
            console.print(_grid(table))
    for note in write_notes(figures, judging):
        console.print(Text(make_harmless(note)))


def _grid(table: Table) -> Grid:
    title = Text(table.caption, "bold")
    grid = Grid(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(table.columns):
        numbers = any(isinstance(row[place], int | float) for row in table.rows)
        grid.add_column(name, justify="right" if numbers else "left")
    for row in table.rows:
        grid.add_row(*(Text(_format(cell)) for cell in row))
    return grid


def _format(cell: Cell) -> str:
    if cell is None:
        return "–"
    return f"{cell:.3f}" if isinstance(cell, float) else make_harmless(cell)


def make_tables(figures: Figures, judging: Sequence[Judging] = ()) -> list[Table]:
    """All tables; those that nothing was judged for have no rows."""
    made = [
        _acceptance(figures.table_1),
        _preferences(figures.table_2),
        _tests(figures.table_2),
        _agreement(figures),
        _strengths(figures),
        _judges(figures.judges),
        *([views.make_table(judging)] if judging else []),
    ]
    return [_mark_simulated(table) for table in made]


def _mark_simulated(table: Table) -> Table:
    """A table whose caption says that simulated raters are in it, if they are."""
    if not any("simulated" in row for row in table.rows):
        return table
    caption = f"{table.caption} (with SIMULATED raters)"
    return Table(table.name, caption, table.columns, table.rows)


def _place(sheet: Sheet) -> list[Cell]:
    return [sheet.benchmark, sheet.language, sheet.kind]


def _acceptance(acceptances: Sequence[Acceptance]) -> Table:
    rows: list[list[Cell]] = []
    for one in acceptances:
        about = [*_place(one.sheet), one.sheet.task, len(one.sheet.raters)]
        for share in one.shares:
            counts: list[Cell] = [share.of, share.accepted, share.n, round(share.effective, 1)]
            rows.append([*about, *counts, *share.interval])
    columns = [*_PLACE, "task", "raters", "of", "accepted", "n", "effective_n", "acceptance"]
    columns += ["low", "high"]
    return Table("acceptance", "Acceptance (the paper's table 1)", columns, rows)


def _preferences(preferences: Sequence[Preference]) -> Table:
    rows: list[list[Cell]] = []
    for one in preferences:
        about = [*_place(one.sheet), _rater(one), " : ".join(one.sheet.models)]
        for outcome, count in one.counts.items():
            share = one.shares.get(outcome)
            bounds = [*share] if share else [count / one.items, None, None]
            rows.append([*about, outcome, count, one.items, *bounds])
    columns = [*_PLACE, "rater", "models", "outcome", "count", "n", "share", "low", "high"]
    return Table("preferences", "Wins and ties (the paper's table 2)", columns, rows)


def _rater(one: Preference) -> str:
    return one.rater or f"majority of {len(one.sheet.raters)}"


def _tests(preferences: Sequence[Preference]) -> Table:
    rows: list[list[Cell]] = []
    for one in preferences:
        wins, losses, p_value, needed = one.test
        about = [*_place(one.sheet), _rater(one), *one.sheet.models]
        rows.append([*about, wins, losses, p_value, one.adjusted, needed])
    columns = [*_PLACE, "rater", "first", "second", "first_wins", "second_wins", "p", "p_corrected"]
    columns.append("wins_needed")
    return Table("tests", "Sign test of wins against wins, without ties", columns, rows)


def _agreement(figures: Figures) -> Table:
    rows: list[list[Cell]] = []
    for one in _list_counted(figures):
        raters = len(one.sheet.raters)
        between = f"{raters} rater{'s' * (raters != 1)}"
        rows += [_figure(one.sheet, between, figure) for figure in _join(one.agreement)]
    for beside in figures.judges:
        between = f"majority and {beside.judge} (model)"
        rows += [_figure(beside.sheet, between, figure) for figure in _join(beside.agreement)]
    columns = [*_PLACE, "task", "models", "between", "figure", "value", "low", "high", "items"]
    caption = "Agreement, on items with two verdicts or more"
    return Table("agreement", caption, [*columns, "ratings", "why"], rows)


def _list_counted(figures: Figures) -> list[Acceptance | Preference]:
    return [*figures.table_1, *figures.table_2]


def _join(agreement: Sequence[Figure]) -> Sequence[Figure]:
    """All figures; one for all of them where all are undefined for one reason."""
    if any(figure.value is not None for figure in agreement):
        return agreement
    reasons = {figure.why for figure in agreement}
    return [agreement[0]._replace(name="all figures")] if len(reasons) == 1 else agreement


def _figure(sheet: Sheet, between: str, figure: Figure) -> list[Cell]:
    about = [*_place(sheet), sheet.task, " : ".join(sheet.models), between, figure.name]
    bounds = (figure.value, figure.low, figure.high)
    return [*about, *bounds, figure.items, figure.ratings, _why(figure)]


def _why(figure: Figure) -> str:
    """The reason why a figure has no value; of one that has, notes on it, if there are any."""
    if figure.value is None:
        return f"undefined, because {figure.why}"
    lacking = f"undefined in {figure.undefined:.0%} of resamples" if figure.undefined else ""
    return "; ".join(part for part in (figure.note, lacking) if part)


def _strengths(figures: Figures) -> Table:
    rows: list[list[Cell]] = []
    for ranking in figures.rankings:
        about = [ranking.benchmark, ranking.language, ranking.kind]
        for model, one in ranking.strengths:
            why = f"undefined, because {one.why}" if one.value is None else one.why
            sizes = [ranking.comparisons, ranking.items]
            rows.append([*about, model, one.value, one.low, one.high, *sizes, why])
    columns = [*_PLACE, "model", "strength", "low", "high", "comparisons", "items", "why"]
    caption = "Strengths (Bradley-Terry, in log odds that sum to zero; a tie is half a win)"
    return Table("strengths", caption, columns, rows)


def _judges(comparisons: Sequence[Compared]) -> Table:
    rows: list[list[Cell]] = []
    for one in comparisons:
        about = [*_place(one.sheet), one.judge, " : ".join(one.sheet.models)]
        for verdict, counts in zip(one.sheet.classes, one.table.tolist(), strict=True):
            for other, count in zip(one.sheet.classes, counts, strict=True):
                rows.append([*about, verdict, other, count])
    columns = [*_PLACE, "judge", "models", "their_verdict", "judges_verdict", "items"]
    return Table("judges", "What judges say where others say what", columns, rows)


def write_notes(figures: Figures, judging: Sequence[Judging] = ()) -> Iterator[str]:
    """Yield what a reader must know, a sentence or two each; nothing is left out."""
    if figures.simulated:
        yield SIMULATED
    kinds = ", ".join(f"{count:,} of {kind}s" for kind, count in _plural(figures.kinds))
    yield (
        f"{figures.rows:,} judgements, of which {figures.replaced:,} were replaced by a later word "
        f"of the same rater; the others: {kinds or 'none'}."
    )
    yield "Intervals are 95 %: Wilson's for shares, a bootstrap over items for agreement."
    for name, title in TITLES.items():
        yield f"{name}: {title}."
    for one in _list_counted(figures):
        yield from _apart(one)
    for beside in figures.judges:
        yield from _beside(beside)
    yield from views.write_lines(judging, figures)


def _plural(kinds: dict[str, int]) -> Iterator[tuple[str, int]]:
    for kind, count in kinds.items():
        yield ("simulated rater" if kind == "simulated" else kind), count


def _apart(one: Acceptance | Preference) -> Iterator[str]:
    sheet = one.sheet
    where = f"{sheet.benchmark} {sheet.language}, {sheet.kind}"
    if sheet.models:
        where += f", {' : '.join(sheet.models)}"
    if isinstance(one, Preference) and one.rater:
        where += f", {one.rater}"
    if apart := sheet.apart():
        listed = ", ".join(f"{count:,} {name}" for name, count in apart.items())
        yield f"{where}: said without a verdict, and counted in no share of ratings: {listed}."
    if isinstance(one, Acceptance) and one.inconclusive:
        yield f"{where}: {one.inconclusive} items on which no verdict has more than half."
    if isinstance(one, Acceptance) and np.ptp(sheet.weights):
        yield (
            f"{where}: rows were not drawn equally often, so acceptance counts each by its weight "
            "and is of all rows; agreement is of the items as they were drawn."
        )
    if one.note:
        yield f"{where}: {one.note}"


def _beside(one: Compared) -> Iterator[str]:
    sheet = one.sheet
    where = f"{sheet.benchmark} {sheet.language}, {one.judge} beside {sheet.kind}"
    if one.left_out:
        listed = ", ".join(f"{count:,} {why}" for why, count in one.left_out.items())
        yield f"{where}: items not compared: {listed}."
    if one.ties is not None:
        only_a, only_b, p_value = one.ties
        yield (
            f"{where}: ties of the others alone {only_a}, of the judge alone {only_b} "
            f"(McNemar's exact p {p_value:.3f})."
        )
    if one.note:
        yield f"{where}: {one.note}"
