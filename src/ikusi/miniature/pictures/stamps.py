"""Tux Paint's stamps that show a concept: photographs and drawings, made by others than all emoji.

A stamp shows a concept if its English caption is the concept's English name, but for article,
capitals and end mark. So the choice is the same for every target language.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ikusi.data.sources.tuxpaint import find_drawing, locate_stamps, read_captions
from ikusi.errors import InputError
from ikusi.miniature.pictures.drawings import make_square
from ikusi.miniature.words.cldr import load_locale
from ikusi.miniature.words.concepts import REFERENCE, Concept

ATTRIBUTION = "| Tux Paint's stamps | the Tux Paint developers and contributors | GPL-2.0 |\n"
_ARTICLE = re.compile(r"^(an?|the|some) ")


@dataclass(frozen=True)
class Stamp:
    """A picture of one concept."""

    id: str  # its path among the stamps
    concept: Concept
    image: np.ndarray  # RGBA [128, 128, 4] uint8


def locate(asked: bool | str) -> Path | None:
    """The folder of the stamps that a recipe asks for; they are fetched if need be.

    Raises:
        InputError: they are not to be had.
    """
    if asked is False:
        return None
    folder = locate_stamps(Path(asked) if isinstance(asked, str) else None)
    if next(folder.rglob("*.txt"), None) is None:
        raise InputError(f"{folder}: expected stamps with a .txt beside each, found none")
    return folder


def load_stamps(concepts: Sequence[Concept], folder: Path) -> tuple[Stamp, ...]:
    """The stamps that show one of the concepts, in the order of their paths.

    Args:
        concepts: no two of one English name.
        folder: of stamps.

    Raises:
        InputError: one of these cannot be read.
    """
    words = load_locale(REFERENCE)
    by_name = {concept.name(words).casefold(): concept for concept in concepts}
    stamps = []
    for path in sorted(folder.rglob("*.txt")):
        id = path.relative_to(folder).with_suffix("").as_posix()
        try:
            if concept := by_name.get(read_name(read_captions(path)[REFERENCE])):
                image = make_square(find_drawing(path, id).read())
                stamps.append(Stamp(id, concept, np.asarray(image)))
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
    return tuple(stamps)


def read_name(caption: str) -> str:
    """The name in a caption of nothing else.

    >>> read_name("A red apple.")
    'red apple'
    """
    return _ARTICLE.sub("", caption.casefold().strip().rstrip(".!"))
