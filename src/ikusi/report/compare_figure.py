"""The figure of a comparison: each difference with its interval, over what could be detected."""

from collections.abc import Mapping, Sequence
from functools import partial

from matplotlib.axes import Axes

from ikusi.compare.findings import format_signed
from ikusi.compare.runs import ALL, Cell, Comparison
from ikusi.report.drawing import DASHES, FAINT, INK, LANGUAGES, MARKERS, Figure, Look, Panel
from ikusi.report.seeds import describe_seeds, mark_seeds

WIDTH, LINE, MARGIN = 5.4, 0.27, 1.0  # inches: of a panel, of a line, around the lines
GAP = 0.5  # between benchmarks, in lines
STANDS = Look("stands after correction", INK, "", "o")
OPEN = Look("does not", INK, "", "o", hollow=True)
BAND = Look("minimum detectable", FAINT, width=7, alpha=0.3)
DETECTABLE = (
    "The band holds true differences that this many pictures would miss more often than one time "
    "in five."
)
SEEDS = "Small rings are single seeds."


def draw_figure(comparison: Comparison) -> Figure:
    """A panel for each run, a line for each benchmark, language and group."""
    codes = dict.fromkeys(cell.language for cell in comparison.cells)
    looks = {
        code: Look(code, LANGUAGES[i % 4], DASHES[0], MARKERS[i % 4])
        for i, code in enumerate(codes)
    }
    reach = 1.08 * max(map(_reach, comparison.cells)) or 1.0
    panels = []
    for run in comparison.runs:
        cells = [cell for cell in comparison.cells if cell.run == run]
        if cells:
            panels.append(_panel(f"{run} − {comparison.baseline}", cells, looks, reach))
    return Figure(
        "differences",
        "Differences",
        "Difference in score with its 95 % interval; above zero the run is better than the "
        f"baseline. {SEEDS if comparison.by_seed else DETECTABLE}",
        [[panel] for panel in panels],
        [*looks.values(), STANDS, OPEN, *([] if comparison.by_seed else [BAND])],
    )


def _reach(cell: Cell) -> float:
    difference = cell.difference
    ends = (difference.low, difference.high, *cell.each)
    return max(*map(abs, ends), cell.detectable or 0.0)


def _panel(title: str, cells: Sequence[Cell], looks: Mapping[str, Look], reach: float) -> Panel:
    heights, y = [], 0.0
    for before, cell in zip([None, *cells], cells, strict=False):
        y += 0 if before is None else 1 if before.benchmark == cell.benchmark else 1 + GAP
        heights.append(y)
    values = "; ".join(
        f"{_label(cell)} {format_signed(cell.difference.mean)} "
        f"[{format_signed(cell.difference.low)}, {format_signed(cell.difference.high)}]"
        f"{describe_seeds(cell.each, format_signed)}"
        for cell in cells
    )
    size = (WIDTH, MARGIN + LINE * (heights[-1] + 1))
    draw = partial(_draw, cells=cells, heights=heights, looks=looks, reach=reach)
    return Panel(title, f"{title}: {values}", draw, size, "x")


def _label(cell: Cell) -> str:
    parts = (cell.benchmark, cell.language, "" if cell.group == ALL else cell.group)
    return " · ".join(part for part in parts if part)


def _draw(
    axes: Axes,
    cells: Sequence[Cell],
    heights: Sequence[float],
    looks: Mapping[str, Look],
    reach: float,
) -> None:
    for y, cell in zip(heights, cells, strict=True):
        if cell.detectable is not None:
            reached = axes.barh(y, 2 * cell.detectable, 0.8, -cell.detectable, color=FAINT)
            reached[0].set(alpha=BAND.alpha, linewidth=0)
        look = looks[cell.language]
        axes.hlines(y, cell.difference.low, cell.difference.high, look.colour, linewidth=1.6)
        point = Look(look.label, look.colour, "", look.marker, hollow=not cell.differs)
        axes.plot([cell.difference.mean], [y], **point.style())
        mark_seeds(axes, [[(one, y) for one in cell.each]], look)
    axes.axvline(0, color=INK, linewidth=0.9, zorder=1)
    axes.set_yticks(heights, [_label(cell) for cell in cells])
    axes.set_ylim(heights[-1] + 0.7, -0.7)
    axes.set_xlim(-reach, reach)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("difference in score")
