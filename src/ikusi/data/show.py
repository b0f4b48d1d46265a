"""Samples of a corpus with all its languages side by side: in the terminal, or as one HTML page."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ikusi import claim, disk, terminal
from ikusi.data import images, judged
from ikusi.data.corpus import Corpus
from ikusi.data.judged import Judged
from ikusi.data.rows.shape import Line
from ikusi.errors import InputError
from ikusi.page import fill_template
from ikusi.terminal import make_harmless

TEMPLATE = Path(__file__).with_name("show.html.j2")
SIDE = 384  # pixels of the longer side of a picture, at most


@dataclass(frozen=True, slots=True)
class Side:
    """A row in one language; a translation says by whom, with what flags and score, and what
    people said of it."""

    language: str
    lines: Sequence[Line]
    translator: str | None
    flags: Sequence[str]
    score: float | None
    judged: Judged | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """A row in all languages, with its picture."""

    id: str
    group: str | None
    task: str | None
    image_id: str | None
    image: Image.Image | None
    sides: Sequence[Side]

    @property
    def about(self) -> str:
        """The row's names and the size of its picture, in pixels."""
        size = f"{self.image.width} x {self.image.height}" if self.image else None
        return " · ".join(part for part in (self.id, self.group, self.task, size) if part)


def draw_samples(corpus: Corpus, count: int, seed: int = 0, flagged: bool = False) -> list[Sample]:
    """Rows drawn at random, in the corpus's order.

    Args:
        corpus: what they are drawn from.
        count: how many; all of them where there are no more.
        seed: of the draw.
        flagged: draw from the rows that a check flagged, in any language.

    Raises:
        InputError: there is no such row.
    """
    if count < 1:
        raise InputError(f"count: expected 1 or more, found {count}")
    places: Sequence[int] = corpus.find_flagged() if flagged else range(len(corpus))
    if not places:
        raise InputError(
            f"{corpus.folder}: expected {'flagged ' if flagged else ''}rows, found none"
        )
    drawn = sorted(random.Random(seed).sample(places, min(count, len(places))))
    known, accepted = judged.read(corpus.folder), judged.read_accepted(corpus.folder)
    language = accepted.language if accepted else ""
    return [_sample(corpus, place, known, language) for place in drawn]


def _sample(
    corpus: Corpus, place: int, known: Mapping[str, Judged], judged_language: str
) -> Sample:
    rows = {code: corpus.row(code, place) for code in corpus.languages}
    row = rows[corpus.languages[0]]
    sides = [
        Side(
            language=code,
            lines=corpus.row_type.lines(columns),
            translator=columns.get("translator"),
            flags=columns.get("flags") or [],
            score=columns.get("score"),
            judged=known.get(columns["id"]) if code == judged_language else None,
        )
        for code, columns in rows.items()
    ]
    image = corpus.image(row["image_id"]) if row["image_id"] else None
    return Sample(row["id"], row["group"], row["task"], row["image_id"], image, sides)


def to_terminal(drawn: Sequence[Sample], console: Console | None = None) -> None:
    """Print samples, a table each, with a column for every language."""
    console = console or terminal.open_console()
    for sample in drawn:
        table = Table(title=Text(make_harmless(sample.about)), title_justify="left", expand=True)
        for side in sample.sides:
            table.add_column(side.language, ratio=1, overflow="fold")
        table.add_row(*(_column(side) for side in sample.sides))
        if sample.image_id:
            table.caption = Text(f"image {make_harmless(sample.image_id)}")
        console.print(table)


def _column(side: Side) -> Text:
    text = Text()
    for line in side.lines:
        text.append(f"{make_harmless(line.label)}: ", "dim")
        text.append(make_harmless(line.text), "green" if line.right else "")
        text.append(" ✓\n" if line.right else "\n")
    for note in _provenance(side):
        text.append(f"{make_harmless(note)}\n", "yellow")
    text.rstrip()
    return text


def _provenance(side: Side) -> list[str]:
    notes = [", ".join(side.flags)] if side.flags else []
    if side.score is not None:
        notes.append(f"score {side.score:.2f}")
    notes += [side.translator] if side.translator else []
    return [*notes, *(side.judged.in_words() if side.judged else ())]


def to_page(corpus: Corpus, drawn: Sequence[Sample], path: Path) -> Path:
    """Write samples as one HTML page that needs no other file; returns its path."""
    filters: dict[str, Callable[..., object]] = {
        "thumbnail": make_thumbnail,
        "provenance": _provenance,
    }
    values = {"corpus": corpus, "samples": drawn, "accepted": judged.read_accepted(corpus.folder)}
    page = fill_template(TEMPLATE, values, filters)
    disk.write_text(claim.check_file(path, claim.PAGE, [corpus.folder]), page)
    return path


def make_thumbnail(image: Image.Image) -> str:
    """A picture as a data URI, made smaller."""
    small = image.copy()
    small.thumbnail((SIDE, SIDE))
    return images.to_data_uri(small, "JPEG", quality=85)
