"""The command that lets a model judge two models' answers."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ikusi.terminal import say

if TYPE_CHECKING:
    from ikusi.judge.run import About, Settings

SHOWN = 5  # reasons why games have no verdict


Folder = Annotated[Path, typer.Argument(help="Folder of an evaluation, or of a run of a study.")]
Model = Annotated[
    list[str], typer.Option(help="The judge's name on the server; several judge in turn.")
]
Output = Annotated[Path, typer.Option(help="Table of judgements to add to, or to begin.")]
PromptName = Annotated[
    str, typer.Option(help="paper (three criteria), arena_hard (five grades), or a YAML file.")
]
Rubric = Annotated[str, typer.Option(help="Code of the language that the judge is spoken to in.")]
Controls = Annotated[
    int, typer.Option(min=0, help="Pairs asked again as each control, to test the judge.")
]
Limit = Annotated[
    int | None, typer.Option(min=1, help="Most pairs; those that people judged come first.")
]
CorpusFolder = Annotated[
    Path | None, typer.Option(help="Folder of the benchmark's corpus, if it is elsewhere.")
]
Family = Annotated[
    list[str] | None,
    typer.Option(metavar="MODEL=FAMILY", help="Family of a model whose name does not show it."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only say what it takes: requests, tokens, money.")
]


def judge(
    run_a: Folder,
    run_b: Folder,
    benchmark: Annotated[str, typer.Option(help="A benchmark whose answers both runs have.")],
    language: Annotated[str, typer.Option(help="Code of the answers' language.")],
    model: Model,
    url: Annotated[str, typer.Option(help="Address of the server.")],
    output: Output,
    prompt: PromptName = "paper",
    rubric: Rubric = "en",
    controls: Controls = 20,
    limit: Limit = None,
    corpus: CorpusFolder = None,
    family: Family = None,
    temperature: Annotated[
        float, typer.Option(min=0, help="Sampling temperature, if accepted.")
    ] = 0,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, thoughts too.")] = 4096,
    seed: Annotated[int, typer.Option(help="Seed of sampling and of the choice of controls.")] = 0,
    concurrency: Annotated[int, typer.Option(min=1, help="Most requests at once.")] = 32,
    deadline: Annotated[float, typer.Option(min=1, help="Seconds one request may take.")] = 300,
    dry_run: DryRun = False,
    price_in: Annotated[float, typer.Option(min=0, help="Price of a million tokens read.")] = 0,
    price_out: Annotated[float, typer.Option(min=0, help="Price of a million tokens written.")] = 0,
) -> None:
    """Let a judge model compare two runs' answers, in both orders, with controls.

    Stop it at any time: the same command goes on from there, and asks nothing twice.

    Example: ikusi judge measured/latxa measured/llama --benchmark wildvision --language eu
    --model gpt-5 --url https://api.openai.com/v1 --output judged
    """
    from ikusi.judge import run
    from ikusi.judge.asking import Sampling

    about = _about(run_a, run_b, benchmark, language, corpus)
    for name in dict.fromkeys(model):
        how = (prompt, rubric, Sampling(temperature, max_tokens, seed), controls, limit)
        kin = _families(family or [])
        settings = run.Settings(url, name, *how, concurrency, deadline, kin)
        if dry_run:
            say(_estimate(about, settings, output, (price_in, price_out)))
        else:
            _judge(about, settings, output)
    if not dry_run:
        _show_where(output)


def _about(run_a: Path, run_b: Path, benchmark: str, language: str, corpus: Path | None) -> "About":
    from ikusi import language as languages
    from ikusi.judge.run import About
    from ikusi.judgements.pairs import join_pairs

    pairs = join_pairs(run_a, run_b, benchmark, language, corpus)
    return About(pairs, benchmark, languages.load(language), [run_a, run_b])


def _families(given: Sequence[str]) -> dict[str, str]:
    from ikusi.errors import InputError

    parts = [word.partition("=") for word in given]
    for word, (name, _, kin) in zip(given, parts, strict=True):
        if not name or not kin:
            raise InputError(f"--family: expected MODEL=FAMILY, found {word}")
    return {name: kin for name, _, kin in parts}


def _estimate(
    about: "About", settings: "Settings", output: Path, prices: tuple[float, float]
) -> str:
    from ikusi.judge import run

    estimate = run.estimate(about, settings, output, *prices)
    how = "as earlier games took" if estimate.measured else "a rough guess"
    return (
        f"{settings.model}: {estimate.requests:,} requests, {estimate.read:,} tokens read, "
        f"{estimate.written:,} written ({how}), {estimate.money:,.2f} in money"
    )


def _judge(about: "About", settings: "Settings", output: Path) -> None:
    """Judge, and say what became of the games.

    Raises:
        InputError: some games got no answer.
    """
    from ikusi import progress
    from ikusi.errors import InputError
    from ikusi.judge import run
    from ikusi.server import reasons

    with progress.show("judging") as report:
        counts = run.judge(about, settings, output, report)
    for name in ("games", "known", "played", "unanswered"):
        say(f"{getattr(counts, name):10,} {name}")
    for verdict, count in sorted(counts.verdicts.items()):
        say(f"{count:10,} said {verdict}")
    if counts.masked:
        say(f"{counts.masked:10,} with names of models blanked out")
    for reason, count in counts.reasons.most_common(SHOWN):
        say(f"{count:10,} {reason}")
    if counts.unanswered:
        why = reasons.format_reasons(counts.reasons)
        lacking = f"{counts.unanswered} of {counts.games} have none ({why})"
        raise InputError(
            f"{settings.model}: expected an answer to each game, {lacking}; "
            "the same command asks for these again"
        )


def _show_where(output: Path) -> None:
    say(f"table: {output}; what it says: ikusi judgements report {output}")
