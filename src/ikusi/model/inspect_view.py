"""Rows as training sees them, printed or as one HTML page, readable without colours too."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ikusi import claim, disk, terminal
from ikusi.data.corpus import Corpus
from ikusi.data.show import make_thumbnail
from ikusi.model.inspect import Kind, Piece, Reader, Row, count_total, describe_counts
from ikusi.model.tokens import compile_control
from ikusi.page import fill_template
from ikusi.terminal import make_harmless

TEMPLATE = Path(__file__).with_name("inspect.html.j2")
MEANINGS: dict[Kind, str] = {
    "prompt": "given, not learnt",
    "supervised": "what the model learns to write",
    "image": "features of a picture",
    "cut": "beyond the longest sample, never seen",
}
STYLES: dict[Kind, str] = {
    "prompt": "dim",
    "supervised": "green",
    "image": "blue",
    "cut": "red strike",
}
NEWLINE, SPACE = "↵", "·"  # what stands for a line's end, and for a space at the edge of a piece


def split_parts(reader: Reader, text: str) -> Iterator[tuple[str, str]]:
    """The text of a piece in parts, each with its form: text, control, newline or space (those at
    the edges of the piece)."""
    controls = compile_control(reader.tokenizer).pattern.pattern
    special = rf"(?P<control>{controls})|(?P<newline>\n)|(?P<space>\A +| +\Z)"
    start = 0
    for match in re.finditer(special, text):
        if match.start() > start:
            yield make_harmless(text[start : match.start()]), "text"
        yield make_harmless(match[0]), str(match.lastgroup)
        start = match.end()
    if start < len(text):
        yield make_harmless(text[start:]), "text"


def to_terminal(reader: Reader, rows: Sequence[Row], console: Console | None = None) -> None:
    """Print rows, a line or more for each piece, and what they come to."""
    console = console or terminal.open_console()
    for row in rows:
        size = "" if row.picture is None else f" · picture {_size(row.picture)}"
        console.print(Text(f"{make_harmless(row.id)} · {row.language}{size}", "bold"))
        table = Table.grid(padding=(0, 1))
        for column in ({"min_width": 10}, {"justify": "right"}, {"overflow": "fold"}):
            table.add_column(**column)
        for piece in row.pieces:
            style = STYLES[piece.kind]
            table.add_row(
                Text(piece.kind, style), Text(_times(piece), style), _format_piece(reader, piece)
            )
        console.print(table)
        console.print(Text(describe_counts(row) + "\n", "italic"))
    for kind, meaning in MEANINGS.items():
        console.print(Text.assemble((f"{kind:10} ", STYLES[kind]), meaning))
    console.print(Text(describe_counts(count_total(rows)), "bold"))


def _times(piece: Piece) -> str:
    return f"×{piece.tokens}"


def _size(image: Image.Image) -> str:
    return f"{image.width} x {image.height}"


def _format_piece(reader: Reader, piece: Piece) -> Text:
    text, style = Text(), STYLES[piece.kind]
    for part, form in split_parts(reader, piece.text):
        text.append(
            {"newline": f"{NEWLINE}\n", "space": SPACE * len(part)}.get(form, part),
            f"bold {style}" if form == "control" else style,
        )
    text.rstrip()
    return text


def to_page(reader: Reader, corpus: Corpus, rows: Sequence[Row], path: Path) -> Path:
    """Write rows as one HTML page that needs no other file; returns its path."""
    values = {"corpus": corpus, "rows": rows, "total": count_total(rows), "meanings": MEANINGS}
    filters: dict[str, Callable[..., object]] = {
        "thumbnail": make_thumbnail,
        "counts": describe_counts,
        "size": _size,
        "parts": lambda text: split_parts(reader, text),
    }
    page = fill_template(TEMPLATE, values, filters)
    disk.write_text(claim.check_file(path, claim.PAGE, [corpus.folder]), page)
    return path
