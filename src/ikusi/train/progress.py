"""Reports of a stage while it trains: a line of metrics per step, a call per step."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO, TypedDict, cast

from ikusi.artifact import write_text
from ikusi.train.batches import EncodedSample


@dataclass(frozen=True)
class Progress:
    """Progress of a stage. `tokens_per_second` and `seconds_left` go by the last steps' pace; `mfu`
    is the share of the device's speed that the last step used."""

    step: int
    total: int
    loss: float
    tokens_per_second: float
    seconds_left: float
    mfu: float


ProgressCall = Callable[[Progress], None]


class CountsRecord(TypedDict):
    """`Counts` as JSON."""

    rows: int
    tokens: int
    supervised_tokens: int
    images: int
    cut_rows: int
    cut_tokens: int
    languages: dict[str, int]


@dataclass
class Counts:
    """Counts of what a stage has trained on so far; rows count each time they are passed."""

    rows: int = 0
    tokens: int = 0
    supervised_tokens: int = 0
    images: int = 0
    cut_rows: int = 0
    cut_tokens: int = 0
    languages: Counter[str] = field(default_factory=Counter)

    def add(self, samples: Iterable[EncodedSample]) -> None:
        """Count these samples too."""
        for sample in samples:
            self.rows += 1
            self.tokens += len(sample)
            self.supervised_tokens += len(sample.supervised)
            self.images += sample.images
            self.cut_rows += sample.cut > 0
            self.cut_tokens += sample.cut
            self.languages[sample.language] += 1

    def update(self, other: Counts) -> None:
        """Count all that `other` counted too."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def to_json(self) -> CountsRecord:
        """As JSON; `Counts.read` takes it back."""
        languages = dict(sorted(self.languages.items()))
        return cast(CountsRecord, {**vars(self), "languages": languages})

    @classmethod
    def read(cls, data: dict[str, Any]) -> Counts:
        """Counts from the JSON of `to_json`."""
        return cls(**{**data, "languages": Counter(data["languages"])})


class Metrics:
    """`metrics.jsonl`: one JSON object per step, in order, whatever was killed in between."""

    def __init__(self, path: Path, resumed_step: int) -> None:
        """Drop what was written after `resumed_step`; those steps are about to be made again."""
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        kept = [line for line in lines if _step(line) <= resumed_step]
        write_text(path, "".join(line + "\n" for line in kept))
        self._file: TextIO = path.open("a", encoding="utf-8")

    def write(self, **values: Any) -> None:
        """Add one line, and let it reach the disk even if the process is killed."""
        self._file.write(json.dumps(values) + "\n")
        self._file.flush()

    def keep(self) -> None:
        """Hand all lines to the disk, before a checkpoint goes on behind them."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Flush to the disk and close."""
        self.keep()
        self._file.close()


def _step(line: str) -> float:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")  # a line cut short by a kill
