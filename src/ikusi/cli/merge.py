"""The command that adds the difference of two models to a third."""

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from ikusi.imports import keep_imports
from ikusi.terminal import say


def merge(
    run: Annotated[Path, typer.Argument(help="Folder of a run of a study, or of a model.")],
    plus: Annotated[str, typer.Option(help="What is added: a folder, or a model on the hub.")],
    minus: Annotated[str, typer.Option(help="What is subtracted, likewise.")],
    output: Annotated[Path, typer.Option(help="Folder to write the model to.")],
    weight: Annotated[float, typer.Option(help="What the difference is multiplied by.")] = 1.0,
    method: Annotated[
        Literal["linear", "ties"],
        typer.Option(
            help="Plain addition, or TIES: without small changes and those that disagree."
        ),
    ] = "linear",
    density: Annotated[
        float, typer.Option(min=0, max=1, help="Share of each change that TIES keeps.")
    ] = 0.2,
    part: Annotated[
        list[str] | None,
        typer.Option(
            metavar="llm|connector|vision",
            help="Parts that it is added to; by default the LLM.",
        ),
    ] = None,
) -> None:
    """Add the difference of two models to a model: RUN + WEIGHT x (PLUS - MINUS).

    It is done tensor by tensor, without opening a model: an 8B one takes little memory.

    Example: ikusi merge studies/emoji-eu/instruct/english-eu000 --plus miniature/llama-eu
    --minus miniature/llama-en --weight 0.5 --output english-with-basque
    """
    from ikusi.recipe import folder

    with keep_imports():
        from ikusi.miniature.bases import shipped
        from ikusi.model import hub, merging
        from ikusi.publish.merged import write_merged_card

    def find(model: str) -> Path:
        return folder.locate_checkpoint(hub.find_folder(shipped.locate_base(model)))

    mix = merging.Mix(weight, method, density, merging.check_parts(part or ["llm"]))
    given = {"run": str(run), "plus": plus, "minus": minus}
    places = {role: find(model) for role, model in given.items()}
    three = places["run"], places["plus"], places["minus"]
    name = output.resolve().name
    describe = partial(write_merged_card, name=name, given=given, places=places, mix=mix)
    merging.merge(*three, output, mix, describe)
    say(output)
