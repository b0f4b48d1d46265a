"""Pairs as Chatbot Arena has them, one line of JSON each.

`question_id`, `model_a`, `model_b`, `winner`, `judge`, `turn`, `language` and `tstamp` are Arena's
(FastChat's `clean_battle_data.py`), `benchmark`, `kind` and `criteria` ours. Arena's judges are
named without a kind.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ikusi import disk
from ikusi.data.sources import tables
from ikusi.data.sources.tables import BadLine
from ikusi.judgements.judgement import VERDICTS, Judgement, format_time

SUFFIX = ".jsonl"
BOTH_BAD = "both bad"
_WINNERS = {"model_a": "A", "model_b": "B", "tie": "tie", "tie (bothbad)": "tie"}
_NAMES = {
    "question_id": "id",
    "model_a": "left",
    "model_b": "right",
    "judge": "rater",
    "language": "language",
    "benchmark": "benchmark",
    "kind": "kind",
    "criteria": "criteria",
}


def read(path: Path) -> Iterator[dict[str, Any] | BadLine]:
    """Yield the rows of a file; its further keys, such as conversations, are left out."""
    for row in tables.read(str(path)):
        yield row if isinstance(row, BadLine) else _fields(row)


def _fields(row: dict[str, Any]) -> dict[str, Any] | BadLine:
    fields = {ours: row[name] for name, ours in _NAMES.items() if row.get(name) is not None}
    winner, time = row.get("winner"), row.get("tstamp")
    if not isinstance(winner, str) or winner not in _WINNERS:
        expected = " or ".join(_WINNERS)
        return BadLine(json.dumps(row), f"winner: expected {expected}, found {winner!r:.60}")
    if isinstance(fields.get("id"), int):
        fields["id"] = str(fields["id"])
    if time is not None:
        try:
            fields["made"] = format_time(datetime.fromtimestamp(time, UTC))
        except (TypeError, ValueError, OverflowError, OSError):
            expected = "seconds since 1970"
            return BadLine(json.dumps(row), f"tstamp: expected {expected}, found {time!r:.60}")
    reasons = [BOTH_BAD] if winner == "tie (bothbad)" else []
    return fields | {"task": "compare", "verdict": _WINNERS[winner], "reasons": reasons}


def write(judgements: Sequence[Judgement], path: Path) -> None:
    """Write a file."""
    lines = (json.dumps(_line(one), ensure_ascii=False) for one in judgements)
    disk.write_text(path, "".join(f"{line}\n" for line in lines))


def _line(one: Judgement) -> dict[str, Any]:
    winner = {"A": "model_a", "B": "model_b", "tie": "tie"}[one.verdict]
    if winner == "tie" and BOTH_BAD in one.reasons:
        winner = "tie (bothbad)"
    line = {name: getattr(one, ours) for name, ours in _NAMES.items()}
    return line | {
        "winner": winner,
        "turn": 1,
        "tstamp": datetime.fromisoformat(one.made).timestamp(),
    }


def holds(judgement: Judgement) -> bool:
    """Whether there is a place for a judgement: for verdicts on two answers."""
    return judgement.task == "compare" and judgement.verdict in VERDICTS["compare"]
