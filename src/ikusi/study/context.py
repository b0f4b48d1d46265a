"""What a step's function is called with, and how it is found and heard of, wherever it runs."""

import importlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ikusi.errors import InputError

SECONDS_BETWEEN_REPORTS = 0.2


@dataclass(frozen=True)
class Report:
    """How far a running step is: a share of 0 to 1 and a few words."""

    fraction: float
    note: str


@dataclass
class Context:
    """What a step's function gets besides its settings.

    Attributes:
        study: the study's folder, where the inputs lie under their steps' names.
        compute: what the step runs on, as plain values (`ikusi.recipe.Compute`).
    """

    study: Path
    send: Callable[[Report], None]
    compute: Mapping[str, Any] = field(default_factory=dict)
    _last: float = field(default=float("-inf"), init=False)

    def progress(self, fraction: float, note: str = "") -> None:
        """Tell how far the step is (0 to 1); costs nothing when called too often."""
        now = time.monotonic()
        if now - self._last >= SECONDS_BETWEEN_REPORTS or fraction >= 1:
            self._last = now
            self.send(Report(min(max(fraction, 0.0), 1.0), note))


def resolve(function: str) -> Callable[..., None]:
    """The function that `module:name` names."""
    module, _, name = function.partition(":")
    found: Callable[..., None] = getattr(importlib.import_module(module), name)
    return found


def one_line(error: Exception) -> str:
    """An error as one line for people."""
    words = " ".join(str(error).split())
    if isinstance(error, InputError):
        return words
    return f"{type(error).__name__}: {words[:300]}"
