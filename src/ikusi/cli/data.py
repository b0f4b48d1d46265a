"""Commands on corpora and the public data sets they are made from."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ikusi.errors import InputError
from ikusi.terminal import say

if TYPE_CHECKING:
    from ikusi.data.importing import Fetcher
    from ikusi.data.web.ledger import Ledger, Wanted
    from ikusi.progress import Report

app = typer.Typer(help="Make corpora from public data sets, look at them.", no_args_is_help=True)

MOST = 2**32 - 1  # of a seed, as in recipes


@app.command("list")
def list_sources() -> None:
    """List the data sets that can be imported.

    Example: ikusi data list
    """
    from ikusi.data import sources

    for source in sources.list_sources():
        codes = "+".join(source.languages)
        say(f"{source.name:16} {source.row_type:12} {codes:6} {source.about}")


Named = Annotated[
    str,
    typer.Argument(
        help="A data set's name, as `ikusi data list` has them; or a release: its folder, or "
        "hub:ORG/NAME@REVISION."
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the corpus to make; without it, a release of the hub is kept for recipes "
        "that name it."
    ),
]
OnMismatch = Annotated[
    Literal["keep", "drop"] | None,
    typer.Option(
        help="What to do with a picture whose hash differs; default: keep, for a release drop.",
    ),
]
DropRepeated = Annotated[
    int | None,
    typer.Option(min=2, help="Drop pictures that so many URLs gave, byte for byte."),
]
UseProxy = Annotated[
    bool,
    typer.Option(
        "--use-proxy",
        help="Fetch through the proxy that the environment names, which then resolves names.",
    ),
]


@app.command("import")
def import_(
    source: Named,
    output: Output = None,
    options: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="The data set's own settings."),
    ] = None,
    path: Annotated[
        Path | None, typer.Option(help="A file or folder to read instead of the hub.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="A split other than its usual one.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many rows.")] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="So many rows, chosen by a hash of seed and id.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=MOST, help="Seed of the sample.")] = 0,
    on_mismatch: OnMismatch = None,
    retry_dead: Annotated[
        bool, typer.Option("--retry-dead", help="Ask again for links remembered as dead.")
    ] = False,
    drop_repeated: DropRepeated = None,
    use_proxy: UseProxy = False,
) -> None:
    """Make a corpus from a public data set, or from a release, on the hub or on disk.

    Bad rows and rows whose picture is dead go to its quarantine; the counts say how many and why.

    Example: ikusi data import aokvqa --output corpora/aokvqa --sample 2500
    """
    from ikusi.data import released
    from ikusi.recipe.folder import HUB

    folder = output or _locate_kept(source)
    chosen = {"path": path, "split": split, "limit": limit, "sample": sample}
    if source.startswith(HUB) or released.is_release(Path(source)):
        _expect_no_choice(source, {**chosen, "drop_repeated": drop_repeated, "KEY=VALUE": options})
        _restore(source, folder, on_mismatch or "drop", retry_dead, use_proxy)
        return
    chosen |= {"seed": seed, "drop_repeated": drop_repeated}
    settings = _settings(options or [])
    _import(source, folder, on_mismatch or "keep", retry_dead, use_proxy, chosen, settings)


def _import(
    source: str,
    folder: Path,
    on_mismatch: Literal["keep", "drop"],
    retry_dead: bool,
    use_proxy: bool,
    chosen: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> None:
    from ikusi import progress
    from ikusi.data import importing

    with progress.show("importing") as report:
        fetcher = _fetcher(on_mismatch, retry_dead, use_proxy, report)
        counts = importing.import_corpus(
            source,
            folder,
            fetcher=fetcher,
            progress=report,
            again=retry_dead,
            **chosen,
            **settings,
        )
    _print_counts(counts)


def _locate_kept(source: str) -> Path:
    """The folder in which a release of the hub is kept, so that a recipe may name the release."""
    from ikusi.recipe.folder import HUB, locate_corpus

    if not source.startswith(HUB) or "@" not in source:
        raise InputError(
            f"{source}: expected --output, the folder of the corpus to make, found none"
        )
    return locate_corpus(source)


def _expect_no_choice(source: str, given: Mapping[str, object]) -> None:
    """Refuse what chooses some of a data set's rows: a release is taken as it is."""
    if chosen := [name for name, value in given.items() if value]:
        raise InputError(f"{source}: expected a release as it is, found {', '.join(chosen)}")


def _restore(
    source: str,
    folder: Path,
    on_mismatch: Literal["keep", "drop"],
    retry_dead: bool,
    use_proxy: bool,
) -> None:
    from ikusi import progress
    from ikusi.data import restoring

    with progress.show("importing") as report:
        fetcher = _fetcher(on_mismatch, retry_dead, use_proxy, report)
        counts = restoring.restore(
            source, folder, fetcher=fetcher, progress=report, again=retry_dead
        )
    _print_counts(counts)


@app.command()
def show(
    corpus: Annotated[Path, typer.Argument(help="Folder of a corpus.")],
    count: Annotated[int, typer.Option(min=1, help="How many rows.")] = 5,
    seed: Annotated[int, typer.Option(min=0, max=MOST, help="Seed of the choice.")] = 0,
    flagged: Annotated[
        bool, typer.Option("--flagged", help="Only translated rows that a check has flagged.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write a page with pictures instead of printing.")
    ] = None,
) -> None:
    """Show samples of a corpus, its languages side by side.

    Example: ikusi data show corpora/aokvqa-eu --count 20 --html samples.html
    """
    from ikusi import claim
    from ikusi.data import judged
    from ikusi.data import show as shows
    from ikusi.data.corpus import Corpus

    if html is not None:
        claim.check_file(html, claim.PAGE, [corpus])
    opened = Corpus.open(corpus)
    chosen = shows.draw_samples(opened, count, seed, flagged)
    if html is None:
        if accepted := judged.read_accepted(corpus):
            say(f"{accepted.in_words()}.")
        shows.to_terminal(chosen)
    else:
        say(shows.to_page(opened, chosen, html))


def _print_counts(counts: Mapping[str, int]) -> None:
    for name, count in counts.items():
        what, colon, reason = name.partition(": ")
        say(f"{count:10,} {what.replace('_', ' ')}{colon}{reason}")


def _fetcher(
    on_mismatch: Literal["keep", "drop"],
    retry_dead: bool,
    use_proxy: bool,
    report: "Report",
) -> "Fetcher":
    """Make the function that fetches pictures; it loads its code only when it is called."""

    def fetch(wanted: "Iterable[Wanted]") -> "Ledger":
        from urllib.request import getproxies

        from ikusi.data.web.fetch import FetchSettings, make_fetcher

        if not use_proxy and (names := {"http", "https"} & set(getproxies())):
            variables = " and ".join(f"{name}_proxy" for name in sorted(names))
            say(f"pictures: not fetched through {variables}; --use-proxy does", error=True)
        settings = FetchSettings(
            on_mismatch=on_mismatch, retry_dead=retry_dead, use_proxy=use_proxy
        )
        return make_fetcher(
            settings, lambda urls, good: report(urls, unit="URLs", note=f"{good:,} pictures")
        )(wanted)

    return fetch


def _settings(given: Sequence[str]) -> dict[str, Any]:
    """KEY=VALUE words, read as everywhere else."""
    from ikusi import yamlfile

    return yamlfile.overlay(yamlfile.Document({}), given, ()).data
