"""Conditions of licences for a release: a file of data for each, in `licences/`; no legal advice.

What is written there was read in the licence itself. A licence that has no file is called unknown,
by the words in which it was stated; nothing is guessed, and no licence's text is ever made up.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from ikusi import catalogue, pretrained, yamlfile
from ikusi.errors import InputError
from ikusi.model import hub

FILES = catalogue.Files("licence", [Path(__file__).parent / "licences"])

Outputs = Literal["free", "bound", "named", "kept"]
Role = Literal["base", "data", "pictures", "translator", "answers"]
Kind = Literal["model", "data"]


class Licence(yamlfile.Section):
    """A licence, and what it asks.

    Attributes:
        id: the name of its file; empty where it is unknown.
        name: as it stands on a card.
        license: the hub's identifier.
        license_name: with `license: other`.
        link: where it can be read.
        stated: other ways in which it is stated.
        families: how the names of models under it begin, as whole parts of a name.
        asks: of whoever passes on what is under it.
        of_outputs: of whoever uses what a model under it has written.
        shows: words that a card displays.
        notice: the line that has to be in the file `NOTICE`.
        texts: files that lie with a model under it and are passed on with it.
        outputs: what holds for a model that learns from what a model under it has written: `free`
            of it, `bound` by the same terms, `named` as `name_begins` says, or `kept` from all
            models but those of its family.
        name_begins: how the name of a model begins that contains one under it.
        pictures: whether pictures under it may be passed on; it may say nothing of them.
        changes: whether what was made of it, such as a translation, may be passed on.
    """

    id: str = ""
    name: str
    license: str
    license_name: str | None = None
    link: str | None = None
    stated: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    of_outputs: tuple[str, ...] = ()
    shows: str | None = None
    notice: str | None = None
    texts: tuple[str, ...] = ()
    outputs: Outputs = "free"
    name_begins: str | None = None
    pictures: bool | None = None
    changes: bool = True

    @property
    def is_known(self) -> bool:
        """Whether there is a file that says what it asks."""
        return bool(self.id)


@dataclass(frozen=True)
class Use:
    """A thing that a release was made of, and its licence.

    Attributes:
        what: in words, such as `the LLM HiTZ/Latxa-Llama-3.1-8B-Instruct`.
        role: what it was for; of translators and answers, what the model has written is there, and
            not the model.
        licence: of the thing.
        stated: the licence in the words of whoever gave it, with what they add.
    """

    what: str
    role: Role
    licence: Licence
    stated: str = ""

    @property
    def asks(self) -> tuple[str, ...]:
        """Conditions of its licence, by what was used: a model, or only what it has written."""
        own = () if self.role in ("translator", "answers") else self.licence.asks
        return own + self.licence.of_outputs


@dataclass(frozen=True)
class Refusal:
    """A reason why a release must not be made, and the licence that it follows from."""

    licence: str
    reason: str


@dataclass(frozen=True)
class Terms:
    """All that the licences behind a release ask of it.

    Attributes:
        uses: what it was made of.
        header: `license` and what goes with it, for a card's YAML.
        shows: words that the card displays.
        notices: lines of the file `NOTICE`.
        pictures: whether pictures may be passed on; None where nothing says so.
        refusals: what forbids the release.
    """

    uses: tuple[Use, ...]
    header: dict[str, Any]
    shows: tuple[str, ...]
    notices: tuple[str, ...]
    pictures: bool | None
    refusals: tuple[Refusal, ...] = field(default=())

    def check(self, allowed: Collection[str] = ()) -> list[str]:
        """Refuse what a licence forbids, unless that licence is among the `allowed` ids.

        Returns:
            What is done although a licence forbids it, for the card.

        Raises:
            InputError: the first refusal, or an id that no licence has.
        """
        for name in allowed:
            FILES.find(name)
        for refusal in self.refusals:
            if refusal.licence not in allowed:
                raise InputError(
                    f"{refusal.reason} (--allow {refusal.licence} does it all the same)"
                )
        return [refusal.reason for refusal in self.refusals]


@cache
def load(id: str) -> Licence:
    """A licence by the name of its file.

    Raises:
        InputError: there is none of that name.
    """
    known = yamlfile.list_field_names(Licence)
    document = yamlfile.read(FILES.find(id))
    lists = {key: tuple(value) for key, value in document.data.items() if isinstance(value, list)}
    data = {**document.data, **lists, "id": id}
    return yamlfile.validate(Licence, yamlfile.Document(data, document.marks, document.name), known)


def find(stated: str | None) -> Licence:
    """The licence that somebody states, such as `CC BY 4.0 (arena data)`; unknown where no file
    has these words. What follows a bracket or a comma explains, and is not looked at.

    >>> find("Apache-2.0").license, find("the owner's own").license
    ('apache-2.0', 'unknown')
    """
    words = _normalise(re.split(r"[(,;]", stated or "")[0])
    for licence in map(load, FILES.names()):
        ways = (licence.id, licence.name, licence.license_name or "", *licence.stated)
        if words and words in map(_normalise, ways):
            return licence
    return Licence(
        name=f"unknown (stated as: {stated})" if stated else "unknown", license="unknown"
    )


def find_of_model(place: str | Path) -> Licence:
    """The licence of a model: as the card in its folder states it, else by the family that its name
    shows.

    Args:
        place: its folder, or its name on the hub, with or without a revision.
    """
    stated = _read_card(place)
    if (licence := find(stated)).is_known:
        return licence
    name = re.split(r"[/\\]", str(pretrained.split_place(place)[0]).rstrip("/\\"))[-1]
    ids = [id for id in FILES.names() if any(_names(name, one) for one in load(id).families)]
    return load(ids[0]) if len(ids) == 1 and not stated else licence


def bind(uses: Sequence[Use], kind: Kind, name: str, *, passes_pictures: bool = False) -> Terms:
    """Gather all that the licences ask of a release.

    Args:
        uses: what it was made of; of a model, its LLM comes first.
        kind: what is released.
        name: what it will be called.
        passes_pictures: whether pictures are in it, rather than their addresses.
    """
    held = [use.licence.pictures for use in uses if use.role == "pictures"]
    pictures = False if False in held else True if held and all(held) else None
    refusals = [refusal for use in uses for refusal in _refuse(use, uses, kind, name)]
    if passes_pictures:
        refusals += [
            Refusal(use.licence.id, f"{use.what}: {use.licence.name} do not let it be passed on")
            for use in uses
            if use.role == "pictures" and use.licence.pictures is False
        ]
    return Terms(
        uses=tuple(uses),
        header=_describe(uses, kind),
        shows=_unique(use.licence.shows for use in uses if use.role == "base"),
        notices=_unique(use.licence.notice for use in uses if use.role == "base"),
        pictures=pictures,
        refusals=tuple(refusals),
    )


def _refuse(use: Use, uses: Sequence[Use], kind: Kind, name: str) -> list[Refusal]:
    """Reasons that forbid the release because of one of its parts."""
    licence, reasons = use.licence, []
    written = use.role in ("data", "translator")  # what a model has written, if any has
    if kind == "model" and (use.role == "base" or (written and licence.outputs == "named")):
        begins = licence.name_begins
        if begins and not _space(name).startswith(begins):
            reasons.append(
                f"name: expected one that begins with {begins!r}, as the {licence.name} asks "
                f"({use.what}), found {name!r}"
            )
    same = any(one.role == "base" and one.licence.id == licence.id for one in uses)
    if kind == "model" and written and licence.outputs == "kept" and not same:
        reasons.append(
            f"{use.what}: expected a model of the same family, as the {licence.name} asks of "
            f"whatever its outputs improve, found another"
        )
    if use.role == "data" and not licence.changes and any(u.role == "translator" for u in uses):
        reasons.append(f"{use.what}: the {licence.name} does not let a translation be passed on")
    return [Refusal(licence.id, reason) for reason in reasons]


def _describe(uses: Sequence[Use], kind: Kind) -> dict[str, Any]:
    """A model is under its LLM's licence; data are under all of theirs, but those of pictures that
    a release may have the addresses of only."""
    bases = [use.licence for use in uses if use.role == "base"][:1]
    data = [use.licence for use in uses if use.role in ("data", "translator", "answers")]
    known = list(dict.fromkeys(bases if kind == "model" else data))
    ids = list(dict.fromkeys(licence.license for licence in known)) or ["unknown"]
    header: dict[str, Any] = {"license": ids[0] if len(ids) == 1 else ids}
    for licence in known:
        if licence.license == "other":
            header |= {"license_name": licence.license_name, "license_link": licence.link}
    return {key: value for key, value in header.items() if value}


def _read_card(place: str | Path) -> str | None:
    """The licence that the card in a model's folder states; None where there is none."""
    from huggingface_hub import ModelCard

    try:
        file = hub.find_folder(place) / "README.md"
        content = ModelCard.load(file, ignore_metadata_errors=True).data if file.is_file() else None
    except (InputError, ValueError, OSError):
        return None
    stated = getattr(content, "license", None)
    if stated == "other":
        stated = getattr(content, "license_name", None)
    return str(stated) if stated else None


def _names(part: str, family: str) -> bool:
    """Whether a part of a name, such as `Latxa-Llama-3.1-8B`, names a family."""
    return bool(re.search(rf"(?<![a-z0-9]){re.escape(family)}(?![a-z0-9.])", part, re.IGNORECASE))


def _space(name: str) -> str:
    """A name with spaces where names on the hub, which have none, put other signs."""
    return re.sub(r"[-_ ]+", " ", name)


def _normalise(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", text.lower()))


def _unique(values: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))
