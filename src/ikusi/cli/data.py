"""Commands on corpora and the public data sets they are made from."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Make corpora from public data sets, look at them.", no_args_is_help=True)


@app.command("list")
def listed() -> None:
    """List the data sets that can be imported.

    Example: ikusi data list
    """
    from ikusi.data import sources

    for source in sources.available():
        typer.echo(source)
