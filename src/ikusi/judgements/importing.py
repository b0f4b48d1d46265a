"""Judgements from files into a table: every row is added, was there already, or is set aside."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ikusi import claim
from ikusi.content import expect_plain
from ikusi.data.sources.tables import BadLine
from ikusi.errors import InputError
from ikusi.judgements import formats, journal
from ikusi.judgements.judgement import FIELDS, parse
from ikusi.yamlfile import show, suggest

NOT_GIVEN = ("verdict", "criteria", "reasons", "correction", "note", "raw", "seconds")
"""Fields that only a row itself can say."""


@dataclass
class Imported:
    """Counts of a file's rows by what became of them: ``rows`` is the sum of the next three.

    ``unjudged`` are items that the file names without a judgement. ``reasons`` counts why rows
    were set aside.
    """

    rows: int = 0
    added: int = 0
    known: int = 0
    quarantined: int = 0
    unjudged: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


def import_file(
    path: Path, folder: Path, format: str | None = None, given: Mapping[str, Any] | None = None
) -> Imported:
    """Add a file's judgements to a table, all of them or none.

    A row that the table has already, in every field, is not added again, so the same file may be
    imported twice. Rows that are no judgements go to the table's quarantine with the reason.

    Args:
        path: the file.
        folder: the table, which is begun where there is none.
        format: one of ``formats.FORMATS``; by default the one of the ending of the file's name.
        given: fields for all rows that lack them, such as `kind`. Rows without a time
            get the one at which the file was last written.

    Raises:
        InputError: the file cannot be read, holds no judgement, or ``given`` has unknown fields.
    """
    expect_plain(path)
    if not path.is_file():
        raise InputError(f"{path}: expected a file of judgements, found none")
    claim.expect(folder, journal.KIND, [path])
    module = formats.find(format or formats.pick_format(path))
    settled = {"made": _write(path), **_check(given or {})}
    counts, lines, refused = Imported(), [], []
    for number, row in _number_rows(module.read(path), counts):
        try:
            lines.append(_line(row, f"{path}: row {number}", settled, given or {}))
        except InputError as error:
            text = row.text if isinstance(row, BadLine) else json.dumps(row, default=str)
            reason = str(error).removeprefix(f"{path}: row {number}: ")
            counts.reasons[reason] += 1
            refused.append({"source": str(path), "row": number, "reason": reason, "text": text})
    if not lines and refused:
        first = refused[0]
        raise InputError(f"{path}: row {first['row']}: {first['reason']}; no row is a judgement")
    with journal.open_journal(folder, [path]) as table:
        counts.added = table.append_lines(table.unknown(lines))
        table.quarantine(refused)
    counts.known, counts.quarantined = len(lines) - counts.added, len(refused)
    return counts


def _number_rows(
    rows: Iterator[formats.Read], counts: Imported
) -> Iterator[tuple[int, dict[str, Any] | BadLine]]:
    for row in rows:
        if row is None:
            counts.unjudged += 1
        else:
            counts.rows += 1
            yield counts.rows, row


def _line(
    row: dict[str, Any] | BadLine, place: str, settled: Mapping[str, Any], given: Mapping[str, Any]
) -> str:
    if isinstance(row, BadLine):
        raise InputError(f"{place}: {row.reason}")
    for name, value in given.items():
        if name in row and row[name] != value:
            raise InputError(f"{place}: {name}: expected {value}, found {show(row[name])}")
    return parse({**settled, **row}, place).to_json()


def _check(given: Mapping[str, Any]) -> Mapping[str, Any]:
    known = [name for name in FIELDS if name not in NOT_GIVEN]
    for name in given:
        if name not in known:
            near = suggest(name, known)
            hint = f" (did you mean {near}?)" if near else ""
            raise InputError(f"{name}: expected one of {', '.join(known)}, found {name}{hint}")
    return given


def _write(path: Path) -> str:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat()
