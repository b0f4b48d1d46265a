"""The record that a published study keeps of corpora that do not go along with it: counts of each,
and which benchmarks show pictures that were trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ikusi import artifact, jsonfile
from ikusi.evaluate.overlap import Overlap

FILE = "corpora.json"


class Shown(jsonfile.Record):
    """An `Overlap` as JSON."""

    pictures: int
    seen: int
    folders: list[str]
    example: str


class Absent(jsonfile.Record):
    """The file.

    Attributes:
        corpora: name and what `corpus.json` says, in the order of the report.
        overlaps: of benchmarks about pictures; none where it is not known.
    """

    corpora: dict[str, dict[str, Any]]
    overlaps: dict[str, Shown | None]

    def list_overlaps(self) -> dict[str, Overlap | None]:
        """Benchmark -> how many of its pictures were trained on."""
        return {
            name: None if one is None else _to_overlap(one) for name, one in self.overlaps.items()
        }


def _to_overlap(shown: Shown) -> Overlap:
    folders = tuple(map(Path, shown.folders))
    return Overlap(shown.pictures, shown.seen, folders, shown.example)


def read(study: Path) -> Absent | None:
    """Read what a study keeps of absent corpora; None where its corpora are where they were.

    Raises:
        InputError: the file is damaged.
    """
    file = study / FILE
    return jsonfile.read(file, Absent, "what is kept of corpora") if file.is_file() else None


def write(
    study: Path,
    corpora: Iterable[tuple[str, Mapping[str, Any]]],
    overlaps: Mapping[str, Overlap | None],
) -> None:
    """Keep what the report needs to know of corpora."""
    shown = {
        name: one and {**one._asdict(), "folders": list(one.folders)}
        for name, one in overlaps.items()
    }
    artifact.write_json(study / FILE, {"corpora": dict(corpora), "overlaps": shown})
