"""The command that writes tasks for other evaluation programs."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ikusi.terminal import say


def tasks(
    suite: Annotated[
        Literal["lmms-eval", "lm-eval"], typer.Argument(help="The program they are for.")
    ],
    benchmark: Annotated[
        list[str], typer.Option(help="Benchmarks by name or file: `--benchmark vqav2 aokvqa`.")
    ],
    language: Annotated[list[str], typer.Option(help="Codes of languages: `--language eu en`.")],
    output: Annotated[Path, typer.Option(help="Folder to write the tasks to.")],
    data: Annotated[Path, typer.Option(help="Folder with the corpora.")] = Path("corpora"),
) -> None:
    """Write benchmarks as tasks for lmms-eval or lm-evaluation-harness.

    Their functions are the code that `ikusi evaluate` runs. The model `ikusi` of lmms-eval scores
    them by the same scorer.

    Example: ikusi tasks lmms-eval --benchmark vqav2 aokvqa --language eu en --output tasks
    """
    from ikusi import claim
    from ikusi.evaluate import benchmark as benchmarks
    from ikusi.evaluate import corpora
    from ikusi.evaluate.harness import files

    claim.expect(output, files.KIND)
    loaded = [benchmarks.load(name) for name in dict.fromkeys(benchmark)]
    codes = list(dict.fromkeys(language))
    names = files.write(suite, corpora.find(loaded, codes, data), codes, output)
    say(files.describe_usage(suite, names, output, loaded))
