"""The commands: each reads its arguments and calls one function of one room.

Heavy imports happen inside the commands, so `ikusi --help` answers at once.
"""

import sys
from collections.abc import Sequence

import typer

from ikusi import disk, terminal
from ikusi.cli import (
    annotate,
    chat,
    compare,
    data,
    evaluate,
    judge,
    judgements,
    language,
    merge,
    miniature,
    plan,
    publish,
    recipe,
    stopping,
    study,
    tasks,
    translate,
)
from ikusi.cli.arguments import ManyValues
from ikusi.errors import InputError

INTERNAL_FAULT, INPUT_FAULT = 1, 3

# Without rich: its import alone would double the time of `--help`.
app = typer.Typer(
    name="ikusi",
    help="Build and measure a multimodal language model for a language without multimodal data.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    add_completion=False,
)
for command in (
    plan.plan,
    translate.translate,
    study.study,
    study.train,
    study.inspect,
    evaluate.evaluate,
    compare.compare,
    judge.judge,
    tasks.tasks,
    chat.chat,
    merge.merge,
    study.export,
    publish.publish,
    study.report,
):
    app.command(cls=ManyValues)(command)
for name, group in (
    ("data", data.app),
    ("judgements", judgements.app),
    ("annotate", annotate.app),
    ("recipe", recipe.app),
    ("language", language.app),
    ("miniature", miniature.app),
):
    app.add_typer(group, name=name)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0 well, 1 internal fault, 2 wrong usage, 3 bad input, 130 or 143.

    A disk that is full or not writable counts as bad input; 130 is for Ctrl-C, 143 for SIGTERM
    (`stopping`).
    """
    terminal.guard_logs()
    words = sys.argv[1:] if arguments is None else list(arguments)
    code: int | None = None
    try:
        with stopping.heed_signals(stopping.describe_kept(words)):
            # A code that is returned is raised here, where `stopping` handles it.
            sys.exit(app(args=words, prog_name="ikusi", standalone_mode=False) or 0)
    except Exception as error:
        message = str(error) if isinstance(error, InputError) else disk.describe_fault(error)
        code = INPUT_FAULT if message is not None else terminal.print_usage_error(error)
        if message is not None:
            terminal.say(f"error: {message}", colour=typer.colors.RED, error=True)
        elif code is None:
            terminal.print_fault()
            code = INTERNAL_FAULT
    sys.exit(code)
