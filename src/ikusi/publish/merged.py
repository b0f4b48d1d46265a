"""The card of a model that `ikusi merge` wrote, which stands in no study: what it was made of, how,
and what the licences of that ask."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ikusi import __version__, jsonfile
from ikusi.errors import InputError
from ikusi.model.merging import Mix
from ikusi.publish import card, licences, texts
from ikusi.publish.licences import Terms, Use
from ikusi.publish.trained import Base, Trained, describe_base

WHAT = {"run": "the model", "plus": "the model added", "minus": "the model subtracted"}


@dataclass(frozen=True)
class Parent:
    """A model that went into a merge.

    Attributes:
        name: without the places of this machine.
        shown: the same with its revision, in Markdown.
        bases: the models that it was made of, if not it alone.
        uses: these and what it learnt from, with licences.
    """

    name: str
    shown: str
    bases: Sequence[Base]
    uses: Sequence[Use]


def write_merged_card(
    folder: Path, name: str, given: Mapping[str, str], places: Mapping[str, Path], mix: Mix
) -> None:
    """Write the card of a merged model, and the texts that lie with what it was made of.

    Args:
        folder: of the model.
        name: what it is called.
        given: what each of `run`, `plus` and `minus` was called.
        places: the folder of each.
        mix: how they were merged.

    Raises:
        InputError: the card would show a secret or a path of this machine.
    """
    parents = {role: _describe_parent(WHAT[role], one) for role, one in given.items()}
    bases = list(dict.fromkeys(base for one in parents.values() for base in one.bases))
    uses = dict.fromkeys(use for one in parents.values() for use in one.uses)
    terms = licences.bind(list(uses), "model", name)
    read = [*places.values(), *(base.folder for base in bases if base.folder)]
    texts.copy_texts(list(dict.fromkeys(read)), folder, terms.notices)
    config = jsonfile.read_plain(places["run"] / "config.json", dict, "a model's configuration")
    header = {
        **terms.header,
        "library_name": "transformers",
        "pipeline_tag": "image-text-to-text" if "vision_config" in config else "text-generation",
        "tags": ["merge", "ikusi"],
        "base_model": list(dict.fromkeys(base.name for base in bases if base.on_hub)),
        "base_model_relation": "merge",
    }
    run, plus, minus = (parents[role].shown for role in WHAT)
    rows = [(WHAT[role], one.shown) for role, one in parents.items()]
    sections = {
        "What it was made of": card.tabulate(("", "model"), rows),
        "How it was made": _describe_method(parents, name, mix),
        "Limits": "- Nothing was trained, and it was measured in no study.",
        card.LICENCES: _describe_terms(terms),
    }
    summary = (
        f"{run}, plus {mix.weight:g} times the difference {plus} minus {minus}, in its "
        f"{' and '.join(mix.parts)}."
    )
    card.write_card(folder, header, name, summary, sections, terms.shows)


def _describe_parent(what: str, given: str) -> Parent:
    """A run of a study has the licences of all that it learnt from; another model its own."""
    try:
        trained = Trained(Path(given))
    except InputError:
        base = describe_base(what, given)
        return Parent(
            base.name, base.shown, [base], [Use(f"{what} {base.name}", "base", base.licence)]
        )
    shown = f"`{trained.name}` of the study `{trained.study.recipe.name}`"
    return Parent(trained.name, shown, trained.bases, trained.list_uses())


def _describe_method(parents: Mapping[str, Parent], name: str, mix: Mix) -> str:
    words = ["ikusi", "merge", parents["run"].name]
    words += ["--plus", parents["plus"].name, "--minus", parents["minus"].name]
    words += ["--weight", f"{mix.weight:g}", "--method", mix.method]
    words += ["--density", f"{mix.density:g}"] if mix.method == "ties" else []
    words += [word for part in mix.parts for word in ("--part", part)]
    how = {
        "linear": "By plain addition, tensor by tensor",
        "ties": "By TIES (arXiv 2306.01708): of each change the largest values, a share of "
        f"{mix.density:g}, without those that disagree in sign",
    }[mix.method]
    command = shlex.join([*words, "--output", name])
    return (
        f"{how}, with Ikusi {__version__}. Digests of all that went in are in `manifest.json`."
        f"\n\n```sh\n{command}\n```"
    )


def _describe_terms(terms: Terms) -> str:
    refused = [f"- {one.reason}" for one in terms.refusals]
    stated = card.describe_terms(terms)
    return (
        "\n".join([stated, "", "As it is, it must not be passed on:", "", *refused])
        if refused
        else stated
    )
