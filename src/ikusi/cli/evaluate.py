"""The command that measures a model."""

import logging
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ikusi.terminal import open_console, say

if TYPE_CHECKING:
    from ikusi.answer.engine import Asked, Engine
    from ikusi.evaluate.run import Benchmarks

logger = logging.getLogger(__name__)


def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            help="Folder of a study's run or of a model, a hub id in the cache, or its name on a "
            "server. Comes first."
        ),
    ],
    benchmark: Annotated[
        list[str], typer.Option(help="Benchmarks by name or file: `--benchmark vqav2 aokvqa`.")
    ],
    language: Annotated[list[str], typer.Option(help="Codes of languages: `--language eu en`.")],
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of corpora; by default that of the run's study, or corpora/."),
    ] = None,
    corpus: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FOLDER", help="Where a benchmark's corpus is instead."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="Folder to write to, or to add to; by default measured/MODEL."),
    ] = None,
    engine: Annotated[
        str,
        typer.Option(help="Where the model runs: here (local), in vLLM (vllm), behind a server."),
    ] = "local",
    url: Annotated[
        str | None, typer.Option(help="Address of the server, such as http://localhost:8000/v1.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Pictures and sequences, or requests, at once.")
    ] = None,
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"] | None,
        typer.Option(help="Precision; by default bfloat16 on a GPU, float32 elsewhere."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first rows of each benchmark, for a look.")
    ] = None,
    bootstrap: Annotated[int, typer.Option(min=1, help="Resamples behind each interval.")] = 1000,
) -> None:
    """Measure any model on benchmarks, in any language they have.

    Stopped, it goes on by the same command; more can be added later to the same output.

    Example: ikusi evaluate llava-hf/llava-1.5-7b-hf --benchmark vqav2 aokvqa --language eu en
    """
    from ikusi.answer import engines  # here, as it is slow

    place = _place(model, output)
    codes = list(dict.fromkeys(language))
    pairs = _pairs(model, benchmark, codes, data, corpus or [])
    _warn_of_trained_on(Path(model), pairs, limit)
    asked = _load_benchmarks(model, url, batch_size, dtype, _pictures(pairs))
    with closing(engines.open_engine(engine, asked)) as opened:
        measured = _measure(opened, pairs, codes, place, limit, bootstrap)
    _report({name: measured[name] for name in measured if measured[name]}, language, place)


def _place(model: str, output: Path | None) -> Path:
    """The folder for results; one that is not ours is refused before anything is opened."""
    from ikusi import claim
    from ikusi.recipe.folder import name_model

    place = output or Path("measured") / name_model(model)
    claim.expect(place, "evaluate", [Path(model)] if Path(model).is_dir() else [])
    return place


def _report(measured: dict[str, Any], languages: list[str], place: Path) -> None:
    from ikusi.evaluate.table import make_table

    screen = open_console()
    if not screen.is_terminal:
        screen = open_console(width=160)
    screen.print(make_table(measured, languages))
    say(f"rows: {place / 'rows.parquet'}\nfigures: {place / 'results.json'}")


def _load_benchmarks(
    model: str, url: str | None, batch_size: int | None, dtype: str | None, pictures: int
) -> "Asked":
    from ikusi.answer.engine import Asked
    from ikusi.recipe.folder import locate_checkpoint

    folder = Path(model)
    place = str(locate_checkpoint(folder)) if url is None and folder.is_dir() else model
    return Asked(model, place, url, batch_size, dtype, pictures)


def _pairs(
    model: str,
    benchmarks: list[str],
    codes: list[str],
    data: Path | None,
    corpora: list[str],
) -> "Benchmarks":
    from ikusi.evaluate import benchmark
    from ikusi.evaluate import corpora as places

    named = [benchmark.load(name) for name in dict.fromkeys(benchmarks)]
    return places.find(named, codes, data or _data(Path(model)), _parse_corpora(corpora))


def _pictures(pairs: "Benchmarks") -> int:
    """The most pictures of one question, those of its few-shots included."""
    return max((1 + bench.few_shots for bench, _ in pairs if not bench.text_only), default=0)


def _measure(
    engine: "Engine",
    pairs: "Benchmarks",
    codes: list[str],
    output: Path,
    limit: int | None,
    bootstrap: int,
) -> dict[str, Any]:
    from ikusi import language, progress
    from ikusi.evaluate import run

    packs = {code: language.load(code) for code in codes}
    with progress.show("answering") as report:
        settings: dict[str, Any] = {"bootstrap": bootstrap, "limit": limit, "progress": report}
        return run.evaluate(engine, pairs, codes, packs, output, **settings)


def _data(run: Path) -> Path:
    """The data of the study that a run is part of, or ``corpora``."""
    from ikusi.recipe.folder import CORPORA, StudyFolder

    study = StudyFolder.around(run)
    return study.data if study else CORPORA


def _warn_of_trained_on(run: Path, pairs: "Benchmarks", limit: int | None) -> None:
    """Say which benchmarks have pictures that a run of a study was trained on."""
    from ikusi import recipe
    from ikusi.errors import InputError
    from ikusi.evaluate import overlap
    from ikusi.recipe.folder import MODELS, StudyFolder

    study = StudyFolder.around(run)
    if study is None or study.kind(run) not in MODELS:
        return
    try:
        trained = overlap.open_trained_on(recipe.load(study.recipe), study)
    except InputError as error:
        logger.warning("whether %s was trained on these pictures is not known: %s", run, error)
        return
    for bench, corpus in pairs:
        shared = overlap.find(corpus, trained, limit)
        if shared.seen:
            logger.warning(
                "%s: %d of %d pictures were trained on, such as %s in %s",
                bench.name, shared.seen, shared.pictures, shared.example, corpus.folder,
            )  # fmt: skip


def _parse_corpora(corpora: list[str]) -> dict[str, Path]:
    from ikusi.errors import InputError

    pairs = [entry.partition("=") for entry in corpora]
    for entry, (_, equals, _) in zip(corpora, pairs, strict=True):
        if not equals:
            raise InputError(f"--corpus: expected NAME=FOLDER, found {entry}")
    return {name: Path(folder) for name, _, folder in pairs}
