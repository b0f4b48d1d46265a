"""Judgements of a corpus's rows by people: their verdicts, and texts before their correction.

`judged.jsonl` in the corpus's folder has a line for each row that somebody judged, `corpus.json`
the share of rows that people accepted, with its interval. A corpus that was not judged has neither.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from pydantic import Field, ValidationError

from ikusi import disk, jsonfile, yamlfile
from ikusi.data.integrity import ABOUT

FILE = "judged.jsonl"


class Judged(jsonfile.Record):
    """A row that people judged.

    ``verdict``: `accepted`, `corrected`, `rejected` or `disputed`. ``said``: what each of them
    said, by code name. ``before``: the texts that were corrected, as they were.
    """

    id: str
    verdict: str
    said: dict[str, str]
    reasons: list[str] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    before: dict[str, str] = Field(default_factory=dict)
    after: dict[str, str] = Field(default_factory=dict)

    def in_words(self) -> list[str]:
        """Say who judged it how, and what was before, a line each."""
        by = ", ".join(f"{rater} said {verdict}" for rater, verdict in sorted(self.said.items()))
        why = f" ({', '.join(self.reasons)})" if self.reasons else ""
        was = (f"{name} was: {text}" for name, text in self.before.items())
        return [f"{self.verdict}: {by}{why}", *was]


class Accepted(jsonfile.Record):
    """The share of rows that people accepted as they were.

    ``share`` of all rows with the bounds of its 95 % interval, from ``items`` that were judged;
    ``kind`` of those who judged: `person` or `simulated`.
    """

    language: str
    share: float
    low: float
    high: float
    items: int
    ratings: int
    raters: int
    kind: str

    def in_words(self) -> str:
        """Say it in a line."""
        who = "people" if self.kind == "person" else f"{self.kind.upper()} raters"
        return (
            f"{self.language}: {self.share:.1%} accepted as it was (95 % interval {self.low:.1%} "
            f"to {self.high:.1%}), from {self.items:,} items, {self.ratings:,} ratings by "
            f"{self.raters} {who}"
        )


class _About(jsonfile.Record):
    accepted: Accepted | None = None


def write(folder: Path, rows: Iterable[Judged]) -> None:
    """Write what people said of a corpus's rows."""
    lines = (row.model_dump_json(exclude_defaults=True) for row in rows)
    disk.write_text(folder / FILE, "".join(f"{line}\n" for line in lines))


def add_accepted(folder: Path, accepted: Accepted) -> None:
    """Say in a corpus's own file how many rows people accepted."""
    about = jsonfile.read_object(folder / ABOUT)
    text = json.dumps(about | {"accepted": accepted.model_dump()}, indent=2, ensure_ascii=False)
    disk.write_text(folder / ABOUT, f"{text}\n")


def read_accepted(folder: Path) -> Accepted | None:
    """Read the share of a corpus's rows that people accepted; None where they were not judged.

    Raises:
        InputError: the corpus's record of it is damaged.
    """
    return jsonfile.read(folder / ABOUT, _About, "a corpus").accepted


def read(folder: Path) -> dict[str, Judged]:
    """Read people's judgements of a corpus's rows, by row id; empty where they were not judged.

    Raises:
        InputError: a line is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return {}
    rows = {}
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            row = Judged.model_validate_json(line)
        except ValidationError as problem:
            document = yamlfile.Document({}, {}, f"{path}:{number}")
            raise yamlfile.explain(problem.errors()[0], document, ()) from None
        rows[row.id] = row
    return rows
