"""Call a step's function, wherever it runs: find it, give it its context, report its progress."""

import inspect
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ikusi import catalogue, yamlfile
from ikusi.errors import InputError
from ikusi.recipe.folder import StudyFolder

SECONDS_BETWEEN_REPORTS = 0.2


@dataclass(frozen=True)
class Report:
    """The progress of a running step: a share of 0 to 1 and a few words."""

    fraction: float
    note: str


@dataclass
class Context:
    """The context of a step's function, given to it besides its settings.

    Attributes:
        study: the study's folder, where the inputs lie.
        compute: what the step runs on, as plain values (`ikusi.recipe.Compute`).
    """

    study: StudyFolder
    send: Callable[[Report], None]
    compute: Mapping[str, Any] = field(default_factory=dict)
    _last: float = field(default=float("-inf"), init=False)

    def progress(self, fraction: float, note: str = "") -> None:
        """Report how far the step is (0 to 1); costs nothing when called too often."""
        now = time.monotonic()
        if now - self._last >= SECONDS_BETWEEN_REPORTS or fraction >= 1:
            self._last = now
            self.send(Report(min(max(fraction, 0.0), 1.0), note))


def call(
    function: str, output: Path, context: Context, settings: Mapping[str, Any], source: str
) -> None:
    """Call the function of a step, once its settings are what it asks for.

    Args:
        function: `module:name`.
        settings: plain values, as a file has them.
        source: what the settings were read from, for messages.

    Raises:
        InputError: the settings lack a key, have one too many, or a value of another type.
    """
    implementation: Callable[..., None] = catalogue.load(function)
    shape = inspect.signature(implementation, eval_str=True).parameters["settings"].annotation
    document = yamlfile.Document(dict(settings), name=f"{source}: settings")
    implementation(
        output, context, yamlfile.validate(shape, document, yamlfile.list_field_names(shape))
    )


def to_one_line(error: Exception) -> str:
    """An error as one line for people."""
    words = " ".join(str(error).split())
    if isinstance(error, InputError):
        return words
    return f"{type(error).__name__}: {words[:300]}"
