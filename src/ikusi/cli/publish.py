"""The command that makes a release."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ikusi.imports import keep_imports
from ikusi.terminal import say

if TYPE_CHECKING:
    from ikusi.publish.model import Released


Made = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="Folder of a run, a study or a corpus.")
]
LlamaCpp = Annotated[
    Path | None,
    typer.Option(help="Folder of llama.cpp, whose converter is used; else one on the PATH."),
]
Pictures = Annotated[
    Literal["inline", "url"] | None,
    typer.Option(
        help="Of a corpus: hold the pictures, or say where each is; by default as licences allow.",
    ),
]
StatedLicence = Annotated[
    str | None, typer.Option(help="Licence of a corpus of your own, such as `CC BY 4.0`.")
]
UsedBy = Annotated[
    Path | None,
    typer.Option(help="A study that trained on a corpus: list the rows that each training read."),
]
Split = Annotated[
    str | None,
    typer.Option(help="Split of a corpus; else the one that it was imported of, or train."),
]


def publish(
    made: Made,
    to: Annotated[Path, typer.Option(help="Folder to write; its name is the release's.")],
    with_: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="llm|gguf",
            help="What goes with a model: the LLM alone, or llama.cpp's two files.",
        ),
    ] = None,
    llama_cpp: LlamaCpp = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="LICENCE", help="Release in spite of what this licence forbids."),
    ] = None,
    pictures: Pictures = None,
    licence: StatedLicence = None,
    split: Split = None,
    used_by: UsedBy = None,
    push: Annotated[
        str | None, typer.Option(metavar="ORG/NAME", help="Upload it to the hub under this name.")
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Let only its owners see it on the hub.")
    ] = False,
    revision: Annotated[
        str | None, typer.Option(help="Branch on the hub; made if there is none.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be uploaded, and upload nothing.")
    ] = False,
) -> None:
    """Make a release of a model, a study or a corpus, with a card and what licences ask; upload it.

    Example: ikusi publish studies/emoji-eu/instruct/adapted-eu020 --to basque-llava

    Example: ikusi publish studies/emoji-eu --to emoji-eu-study --push ORG/emoji-eu-study --dry-run
    """
    with keep_imports():
        from ikusi.publish import release

    done = release.publish(
        made,
        to,
        hub_name=push,
        forms=with_ or [],
        llama_cpp=llama_cpp,
        allowed=allow or [],
        of_data={"pictures": pictures, "licence": licence, "split": split, "used_by": used_by},
    )
    for line in done.to_do:
        say(line, error=True)
    if dry_run:
        _list_files(done, push, allow or [])
    elif push is None:
        say(done.folder / "README.md")
    else:
        _push(done, push, private, revision, allow or [])


def _list_files(done: "Released", name: str | None, allowed: list[str]) -> None:
    """Print the files that would go to the hub, and their sizes."""
    from ikusi.disk import format_bytes
    from ikusi.publish import push

    if name is not None:
        push.check(done.folder, name, allowed)
    files = push.list_files(done.folder)
    for file, size in sorted(files.items()):
        say(f"{format_bytes(size):>10}  {file}")
    say(f"{format_bytes(sum(files.values())):>10}  in {len(files)} files")


def _push(
    done: "Released", name: str, private: bool, revision: str | None, allowed: list[str]
) -> None:
    from ikusi.publish import push

    pushed = push.push(done.folder, name, private=private, revision=revision, allowed=allowed)
    if pushed.others:
        say(f"left as they are on the hub, not of this release: {', '.join(pushed.others)}")
    say(f"{pushed.url}\nto pin it: {name}@{pushed.commit}")
