"""Make a project of annotation: draw the items, deal them out, write the folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from ikusi import artifact
from ikusi.annotate import project, sampling
from ikusi.annotate.parts import parts, source_texts
from ikusi.annotate.project import About, Item, Pictures, Project, Seat
from ikusi.data.corpus import Corpus
from ikusi.errors import InputError
from ikusi.judgements.judgement import as_text

VERSION = 1  # of what a plan makes of the same input


@dataclass(frozen=True)
class Asked:
    """How many people are asked about how many items: shared by all, and own ones of each."""

    annotators: int
    shared: int
    own: int

    @property
    def items(self) -> int:
        """Items that are needed."""
        return self.shared + self.annotators * self.own

    def expect(self, rows: int, where: Path) -> None:
        """Refuse numbers that cannot be, or that take more rows than there are.

        Raises:
            InputError: they are.
        """
        for name, least in (("annotators", 1), ("shared", 0), ("own", 0)):
            if (found := getattr(self, name)) < least:
                raise InputError(f"{name}: expected {least} or more, found {found}")
        if not self.items:
            raise InputError("items: expected shared or own items, found 0 of both")
        if self.items > rows:
            raise InputError(
                f"{where}: expected {self.items} rows for {self.shared} shared items and "
                f"{self.own} own items of {self.annotators} annotators, found {rows}"
            )


@dataclass(frozen=True)
class Made:
    """A project, and the secret word of each seat; empty where the project was there already."""

    project: Project
    words: Mapping[str, str]


def validation(corpus: Path, output: Path, language: str, asked: Asked, seed: int = 0) -> Made:
    """Plan that people accept, reject or correct rows of a corpus, their source beside them.

    Args:
        corpus: folder of a corpus.
        output: the project to make.
        language: of the texts that are judged; beside them stands the corpus's first other one.
        asked: how many items of whom.
        seed: of draw and order.

    Raises:
        InputError: the corpus is bad or too small, or ``output`` holds something else.
    """
    found = Corpus.open(corpus)
    asked.expect(len(found), corpus)
    about = About(
        task="validate",
        benchmark=found.folder.resolve().name,
        language=language,
        source_language=next((code for code in found.languages if code != language), ""),
        seed=seed,
        seats=codes(asked.annotators),
        origin={"corpus": str(found.folder.resolve())},
        content=found.content(found.languages),
        settings={"shared": asked.shared, "own": asked.own},
        made=as_text(datetime.now(UTC)),
    )

    def fill(pictures: Pictures) -> tuple[list[Item], list[Seat]]:
        places = sampling.draw(range(len(found)), asked.items, seed)
        items = _rows(found, about, places, pictures)
        dealt = sampling.shares(len(items), asked.annotators, asked.shared, seed)
        ids = [item.id for item in items]
        return items, [
            Seat(code, sampling.turns(share, ids))
            for code, share in zip(about.seats, dealt, strict=True)
        ]

    return _made(output, about, fill, [corpus])


def codes(annotators: int) -> tuple[str, ...]:
    """Code names of so many people."""
    return tuple(f"annotator-{number}" for number in range(1, annotators + 1))


def _rows(corpus: Corpus, about: About, places: Sequence[int], pictures: Pictures) -> list[Item]:
    """Rows of a corpus as items, in the order of their places."""
    rows = corpus.take(about.language, places)
    source = about.source_language
    others = corpus.take(source, places) if source else [None] * len(rows)

    @cache
    def stored(image_id: str) -> str:
        return pictures.add(corpus.image_bytes(image_id), f"{corpus.folder}: image {image_id}")

    def item(row: dict[str, Any], other: dict[str, Any] | None) -> Item:
        shown = parts(corpus.row_type, row, other)
        return Item(
            id=row["id"],
            picture=stored(row["image_id"]) if row["image_id"] else "",
            texts={part.name: part.text for part in shown},
            source=source_texts(corpus.row_type, row, other),
            right=tuple(part.name for part in shown if part.right),
            flags=tuple(row.get("flags") or ()),
        )

    return [item(row, other) for row, other in zip(rows, others, strict=True)]


def _made(
    output: Path,
    about: About,
    fill: Callable[[Pictures], tuple[list[Item], list[Seat]]],
    reads: Sequence[Path],
) -> Made:
    """Write a project where none is; one that was made of the same is left as it is."""
    print_ = artifact.fingerprint(VERSION, about.model_dump(exclude={"made", "origin"}))
    if artifact.is_current(output, print_):
        return Made(project.read(output), {})
    if artifact.manifest(output):
        raise InputError(
            f"{output}: expected a new folder, as a project is not changed once it is made, found "
            "one that was made of something else, or is damaged"
        )
    with artifact.folder(
        output, fingerprint=print_, kind=project.KIND, inputs=about.origin, reads=reads
    ) as staging:
        items, seats = fill(Pictures(staging))
        words = project.write(staging, about, items, seats)
    return Made(project.read(output), words)
