"""Draw figures: panels that the page lays out by its width, whole figures as files.

Lines differ by marker and dash as well as by colour, so they can be distinguished in grey. The
colours are Okabe and Ito's (https://jfly.uni-koeln.de/color/). Text is drawn as paths and files
hold no dates, so the same results give the same bytes.
"""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from ikusi import disk
from ikusi.terminal import make_harmless

INK, FAINT, PAPER = "#1b1b1b", "#8a8a89", "#fefefe"
BLUE, VERMILION, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#a8608e"
LANGUAGES = (VERMILION, BLUE, GREEN, PURPLE)
"""Colours of languages in every figure, the target language first and the source language next."""
OTHERS = (INK, GREEN, PURPLE, FAINT)
"""Colours of what is no language, beside the first two languages."""
MARKERS = ("o", "s", "^", "D")
DASHES = ("-", (0, (4, 1.6)), (0, (1, 1.4)), (0, (5, 1.5, 1, 1.5)))

PANEL = (3.5, 2.7)  # inches; drawn at 96 dots per inch this is the width of a phone
RESOLUTION = 200
STYLE: Any = {
    "svg.fonttype": "path",
    "svg.hashsalt": "ikusi",
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.7,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "text.parse_math": False,  # names of groups and benchmarks are names, also with dollar signs
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}

Dash = str | tuple[int, tuple[float, ...]]


@dataclass(frozen=True)
class Look:
    """The style of one line, and its label in the legend."""

    label: str
    colour: str
    dash: Dash = "-"
    marker: str | None = None
    hollow: bool = False
    width: float = 1.6
    alpha: float | None = None

    def line(self) -> Line2D:
        """A sample of the line, for a legend."""
        return Line2D([], [], label=self.label, **self.style())

    def style(self) -> dict[str, Any]:
        """The keywords of matplotlib's ``plot``."""
        return {
            "color": self.colour,
            "linestyle": self.dash,
            "marker": self.marker or "",
            "markersize": 5,
            "markerfacecolor": PAPER if self.hollow else self.colour,
            "markeredgecolor": self.colour,
            "linewidth": self.width,
            "alpha": self.alpha,
        }


@dataclass(frozen=True)
class Panel:
    """One plot. ``alt`` says in words what it shows; ``size`` is in inches.

    ``grid``: the axis along which values are read off.
    """

    title: str
    alt: str
    draw: Callable[[Axes], None]
    size: tuple[float, float] = PANEL
    grid: Literal["x", "y"] = "y"


@dataclass(frozen=True)
class Figure:
    """Panels in rows, with one legend for all. ``name`` is its file's."""

    name: str
    title: str
    caption: str
    rows: Sequence[Sequence[Panel]]
    looks: Sequence[Look]

    @property
    def panels(self) -> list[Panel]:
        """All panels, row by row."""
        return [panel for row in self.rows for panel in row]


def write(figure: Figure, folder: Path) -> list[Path]:
    """Write the whole figure as SVG and PNG, on white."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, columns = len(figure.rows), max(len(row) for row in figure.rows)
    paths = [folder / f"{figure.name}.{suffix}" for suffix in ("svg", "png")]
    with mpl.rc_context(STYLE):
        width = max(panel.size[0] for panel in figure.panels) * columns
        heights = [max(panel.size[1] for panel in row) for row in figure.rows]
        canvas = _canvas(max(width, 6), sum(heights) + 0.5)
        axes = canvas.subplots(rows, columns, squeeze=False, height_ratios=heights)
        for line, row in zip(axes, figure.rows, strict=True):
            for place, panel in zip(line, row, strict=False):
                _draw(panel, place)
            for place in line[len(row) :]:
                place.set_visible(False)
        handles = [look.line() for look in figure.looks]
        canvas.legend(handles=handles, loc="outside lower center", ncols=min(3, len(handles)))
        _settle(canvas)
        canvas.set_facecolor("white")
        # Its comments repeat every text, and no XML may hold a control character.
        disk.write_text(paths[0], make_harmless(_write_svg(canvas)))
        canvas.set_dpi(RESOLUTION)
        with disk.replace_file(paths[1]) as aside:
            FigureCanvasAgg(canvas).print_png(aside)
    return paths


def to_svg(panel: Panel, name: str) -> str:
    """A panel as an SVG element for a page, in the page's own colours; ``name`` prefixes ids."""
    with mpl.rc_context(STYLE):
        canvas = _canvas(*panel.size)
        _draw(panel, canvas.subplots())
        _settle(canvas)
        return _for_page(_write_svg(canvas), name)


def sample(look: Look, name: str) -> str:
    """A line of the legend as a small SVG element; ``name`` prefixes ids."""
    with mpl.rc_context(STYLE):
        canvas = Canvas(figsize=(0.5, 0.17))
        FigureCanvasAgg(canvas)
        canvas.add_artist(Line2D([0.04, 0.5, 0.96], [0.5] * 3, markevery=[1], **look.style()))
        return _for_page(_write_svg(canvas), name)


def _canvas(width: float, height: float) -> Canvas:
    canvas = Canvas(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(canvas)
    return canvas


def _write_svg(canvas: Canvas) -> str:
    """A figure as SVG. `savefig` would draw it twice, the first time to lay it out."""
    file = io.StringIO()
    FigureCanvasSVG(canvas).print_svg(file, metadata={"Date": None})
    return file.getvalue()


def _settle(canvas: Canvas) -> None:
    """Lay out once; matplotlib would do so again, twice, for each file."""
    canvas.draw_without_rendering()
    canvas.set_layout_engine("none")


def _draw(panel: Panel, axes: Axes) -> None:
    panel.draw(axes)
    axes.set_title(panel.title)
    axes.grid(axis=panel.grid, color=FAINT, alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)


def _for_page(svg: str, name: str) -> str:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', svg)
    size = re.match(r'<svg[^>]*?(viewBox="[^"]+")[^>]*>', svg, flags=re.DOTALL)
    assert size, "matplotlib gives its SVG a viewBox"
    svg = f'<svg {size[1]} aria-hidden="true" focusable="false">' + svg[size.end() :].replace(
        "xlink:href", "href"
    )
    for colour, variable in {
        INK: "ink",
        FAINT: "faint",
        PAPER: "paper",
        BLUE: "blue",
        VERMILION: "vermilion",
        GREEN: "green",
        PURPLE: "purple",
    }.items():
        svg = svg.replace(colour, f"var(--{variable})")
    return re.sub(r"\n\s*", "\n", svg).strip()
