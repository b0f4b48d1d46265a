"""All that is printed goes through here, without characters that a terminal would obey.

Texts of corpora, names of files, answers of models and messages of servers may hold control
characters, which move a cursor, rename a window or turn lines around. Files keep them as they are.
"""

import io
import logging
import re
import traceback
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

# Control characters but line ends and tabs, what turns the direction of a line around, and halves
# of surrogate pairs, which no terminal can be sent.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def make_harmless(text: object) -> str:
    r"""A text with characters replaced that a terminal would obey, such as control sequences.

    >>> make_harmless("a\x1b[2Jb")
    'a�[2Jb'
    """
    return _OBEYED.sub("\N{REPLACEMENT CHARACTER}", str(text).replace("\r\n", "\n"))


def say(
    text: object = "", *, error: bool = False, colour: str | None = None, end: bool = True
) -> None:
    """Print a text: to stderr with `error`, and without a line end where `end` is false."""
    typer.secho(make_harmless(text), fg=colour, err=error, nl=end)


def open_console(**settings: Any) -> "Console":
    """Open a console of rich's that takes no text for markup and prints none that is obeyed."""
    from rich.console import Console
    from rich.segment import Segment

    class HarmlessConsole(Console):
        def render(self, renderable: Any, options: Any = None) -> Iterable[Segment]:
            for text, style, control in super().render(renderable, options):
                yield Segment(text if control else make_harmless(text), style, control)

    return HarmlessConsole(markup=False, emoji=False, highlight=False, **settings)


class _HarmlessRecord(logging.LogRecord):
    def getMessage(self) -> str:  # noqa: N802 - logging's own name
        return make_harmless(super().getMessage())


def guard_logs() -> None:
    """Make every log line and warning of this process harmless, those of libraries too."""
    logging.setLogRecordFactory(_HarmlessRecord)
    logging.captureWarnings(True)


def print_fault() -> None:
    """Print the traceback of the exception at hand, to stderr."""
    say(traceback.format_exc(), error=True, end=False)


def print_usage_error(error: Exception) -> int | None:
    """Print an error in the use of the command line; gives its exit code, None for all others."""
    show, code = getattr(error, "show", None), getattr(error, "exit_code", None)
    if show is None or code is None:
        return None
    written = io.StringIO()
    show(file=written)
    say(written.getvalue(), error=True, end=False)
    return int(code)
