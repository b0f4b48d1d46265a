"""The command that talks with models, in the terminal or in a browser."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ikusi.errors import InputError
from ikusi.imports import keep_imports
from ikusi.terminal import say

if TYPE_CHECKING:
    from ikusi.answer.engine import Engine
    from ikusi.talk.preferences import Preferences

PORT = 8000
ARENA = Path("arena")
"""The table of preferences, where nothing else is said."""


Runs = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN [RUN]",
        help="Folder of a study's run or of a model, a hub id in the cache, or its name on a "
        "server; two answer side by side in a browser. Comes first.",
    ),
]
Engines = Annotated[
    list[str] | None,
    typer.Option(
        "--engine",
        help="Where a model runs: here (local), in vLLM (vllm), behind a server (server); for two "
        "models one for both or one for each.",
    ),
]
Urls = Annotated[
    list[str] | None,
    typer.Option(
        "--url",
        help="Address of the server, such as http://localhost:8080/v1; one for "
        "both or one for each.",
    ),
]
Dtype = Annotated[
    Literal["float32", "bfloat16", "float16"] | None,
    typer.Option(help="Precision; by default bfloat16 on a GPU, float32 elsewhere."),
]
Host = Annotated[
    str | None,
    typer.Option(
        help="Address to serve at; 0.0.0.0 for phones in the same network. Only this machine by "
        "default."
    ),
]
Port = Annotated[
    int | None, typer.Option(min=0, max=65535, help=f"0 for any free port; {PORT} by default.")
]
Names = Annotated[
    list[str] | None,
    typer.Option(
        "--name", help="Name of this machine in the network, where people do not use its address."
    ),
]


def chat(
    runs: Runs,
    image: Annotated[Path | None, typer.Option(help="A picture to talk about.")] = None,
    question: Annotated[
        str | None, typer.Option(help="Ask this, print the answer and end.")
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 256,
    engine: Engines = None,
    url: Urls = None,
    dtype: Dtype = None,
    web: Annotated[bool, typer.Option("--web", help="Talk in a browser.")] = False,
    host: Host = None,
    port: Port = None,
    name: Names = None,
    blind: Annotated[
        bool, typer.Option("--blind", help="Show the names of two models once they are compared.")
    ] = False,
    language: Annotated[
        str | None,
        typer.Option(help="Code of the language that people ask in; else each says which it was."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Table that preferences go to; arena by default.")
    ] = None,
) -> None:
    """Talk with a model about pictures, in any language it knows.

    With --web people ask in a browser, also on a phone: a picture, a question, the answer as it
    comes. Of two models side by side they may say which is better, which is a judgement.

    Example: ikusi chat studies/emoji-eu/instruct/adapted-eu080 --image cat.png

    Example: ikusi chat studies/emoji-eu/instruct/adapted-eu080 --web --host 0.0.0.0

    Example: ikusi chat studies/emoji-eu/instruct/english-eu020
    studies/emoji-eu/instruct/adapted-eu020 --web --blind --language eu --output arena
    """
    _check_runs(runs, web)
    if web:
        _expect_none("--web", image=image, question=question)
    else:
        _expect_none("a conversation in the terminal", host=host, port=port, name=name)
    if len(runs) == 1:
        _expect_none("one model", blind=blind or None, language=language, output=output)
    with ExitStack() as stack:
        table = _open_table(runs, language, output, blind) if len(runs) > 1 else nullcontext()
        preferences = stack.enter_context(table)
        engines = stack.enter_context(_open(runs, engine or ["local"], url or [], dtype))
        if web:
            from ikusi.talk import serving

            named = dict(zip(map(_name, runs), engines, strict=True))
            place = host or "127.0.0.1", PORT if port is None else port
            for line in serving.serve(named, max_new_tokens, *place, name or [], preferences):
                say(line)
        else:
            from ikusi.answer import chat as talking

            shown = None if image is None else talking.open_image(image)
            talking.start(engines[0], shown, question, max_new_tokens)


def _check_runs(runs: Sequence[str], web: bool) -> None:
    """Refuse more models than stand side by side, and two of the same name."""
    if len(runs) > 2:
        raise InputError(f"RUN: expected one model or two, found {len(runs)}")
    if len(runs) > 1 and not web:
        raise InputError("RUN: expected one model, or --web, in which two stand side by side")
    names = [_name(run) for run in runs]
    if len(set(names)) < len(names):
        raise InputError(f"RUN: expected models of different names, found {names[0]} twice")


def _name(run: str) -> str:
    """The display name of a model: its run's or folder's, or its name on the hub or its server."""
    from ikusi.recipe.folder import CHECKPOINT

    folder = Path(run).resolve()
    if not folder.is_dir():
        return run
    return folder.parent.name if folder.name == CHECKPOINT else folder.name


def _open_table(
    runs: Sequence[str], language: str | None, output: Path | None, blind: bool
) -> "AbstractContextManager[Preferences | None]":
    """The table that preferences go to, before any model is opened."""
    from ikusi import claim
    from ikusi import language as languages
    from ikusi.judgements import journal
    from ikusi.talk.preferences import open_preferences

    if language is not None:
        languages.load(language)  # a typing error would make a table of its own
    place = output or ARENA
    claim.expect(place, journal.KIND, [Path(run) for run in runs if Path(run).is_dir()])
    return open_preferences(place, language or "", blind)


def _expect_none(what: str, **others: object) -> None:
    """Refuse options that say nothing of what is asked for."""
    for option, given in others.items():
        if given is not None and given != []:
            raise InputError(f"--{option}: expected none with {what}, found {given}")


@contextmanager
def _open(
    runs: Sequence[str], names: Sequence[str], urls: Sequence[str], dtype: str | None
) -> "Iterator[list[Engine]]":
    """Open each model where it is to run."""
    from ikusi.answer import engines
    from ikusi.answer.engine import Asked
    from ikusi.recipe.folder import locate_checkpoint

    chosen = _spread("--engine", names, len(runs))
    remote = [engines.REGISTRY.find(name).remote for name in chosen]
    addresses = iter(_spread("--url", urls, max(1, sum(remote))))
    with ExitStack() as stack:
        opened = []
        for run, name, behind in zip(runs, chosen, remote, strict=True):
            url = next(addresses, None) if behind or not any(remote) else None
            folder = Path(run)
            place = str(locate_checkpoint(folder)) if url is None and folder.is_dir() else run
            with keep_imports():
                model = engines.open_engine(name, Asked(run, place, url, 1, dtype))
            opened.append(stack.enter_context(closing(model)))
        yield opened


def _spread(option: str, given: Sequence[str], count: int) -> list[str]:
    """As many values as are wanted: each its own, or one for all."""
    if len(given) not in (0, 1, count):
        raise InputError(f"{option}: expected one, or one of each model, found {len(given)}")
    return list(given) * count if len(given) == 1 else list(given)
