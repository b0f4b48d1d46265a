"""The texts of a row as people see them: each with a name, in two languages side by side."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ikusi.data.rows.base import RowType
from ikusi.data.rows.columns import Row


@dataclass(frozen=True)
class Part:
    """A text of a row, and the same in the source language.

    ``name`` is its own among the row's, such as `question` or `choice 2`; ``source`` is None where
    the two languages do not have as many texts; ``right`` marks the right choice; ``places`` are
    its places among ``RowType.texts``, several where several people gave the same answer.
    """

    name: str
    text: str
    source: str | None
    right: bool
    places: tuple[int, ...]


def list_parts(row_type: RowType, row: Row, source: Row | None) -> list[Part]:
    """The texts of a row, of which those that say the same in both languages stand once."""
    lines = row_type.lines(row)
    others = [line.text for line in row_type.lines(source)] if source else []
    beside = others if len(others) == len(lines) else [None] * len(lines)
    places: dict[tuple[str, str, str | None], list[int]] = {}
    for place, (line, other) in enumerate(zip(lines, beside, strict=True)):
        places.setdefault((line.label, line.text, other), []).append(place)
    labels = Counter(label for label, _, _ in places)
    seen: Counter[str] = Counter()
    parts = []
    for (label, text, other), there in places.items():
        seen[label] += 1
        name = label if labels[label] == 1 else f"{label} {seen[label]}"
        parts.append(Part(name, text, other, lines[there[0]].right, tuple(there)))
    return parts


def list_source_texts(row_type: RowType, row: Row, source: Row | None) -> dict[str, str]:
    """The source's texts by the names of those beside them, or by names of their own."""
    if source is None:
        return {}
    paired = {part.name: part.source for part in list_parts(row_type, row, source)}
    if None not in paired.values():
        return {name: text or "" for name, text in paired.items()}
    return {part.name: part.text for part in list_parts(row_type, source, None)}
