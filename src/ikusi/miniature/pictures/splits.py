"""Splits of the drawings: a style, some concepts and a family per concept are never trained on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from ikusi.miniature.pictures.drawings import FAMILIES, Drawings
from ikusi.miniature.words.concepts import Concept, load_concepts

HELD_OUT_STYLE = "openmoji"
HELD_OUT_CONCEPTS = 24
MIN_FAMILIES = 5
UNSEEN = ("drawing", "style", "concept")
OTHERS = "others"  # and, where they are asked for, stamps: photographs and drawings by others
Drawing = tuple[str, str]  # (concept id, style)


@dataclass(frozen=True)
class Splits:
    """The concepts of one size of the miniature and the drawings that may be trained on."""

    concepts: tuple[Concept, ...]  # trained
    unseen_concepts: tuple[Concept, ...]
    trained: dict[str, tuple[str, ...]]  # concept id -> styles it is trained in
    withheld: dict[str, tuple[str, ...]]  # concept id -> styles of its held-out family
    others: tuple[Concept, ...] = ()  # in no study of this size; the encoder learns them too

    def styles(self, concept: Concept, unseen: str | None) -> tuple[str, ...]:
        """The styles a concept is drawn in: trained ones (None), or those of a kind of unseen."""
        if unseen is None:
            return self.trained[concept.id]
        if unseen == "style":
            return (HELD_OUT_STYLE,)
        return self.withheld[concept.id]

    def learnable(self, concept: Concept, drawing: Drawing) -> bool:
        """Whether a further drawing shows the concept and is not of its held-out family."""
        name, style = drawing
        withheld = {FAMILIES[own] for own in self.withheld.get(concept.id, ())}
        return name == concept.id and FAMILIES[style] not in withheld


def split(drawings: Drawings, count: int) -> Splits:
    """Choose `count` trained concepts and the held-out ones among those with enough drawings.

    The choice rests on names and pictures alone, so it is the same for every target language and
    nested in `count`: a smaller miniature holds a part of a larger one's concepts.
    """
    styles: dict[str, list[str]] = {}
    for name, style in drawings:
        styles.setdefault(name, []).append(style)
    rich = [c for c in load_concepts() if len(_families(styles.get(c.id, []))) >= MIN_FAMILIES]
    ranked = sorted(rich, key=lambda concept: _rank(concept.id))
    unseen, seen = ranked[:HELD_OUT_CONCEPTS], ranked[HELD_OUT_CONCEPTS:][:count]
    trained, withheld = {}, {}
    for concept in seen:
        own = _list_styles(styles[concept.id])
        family = _withheld_family(concept.id, own)
        trained[concept.id] = tuple(style for style in own if FAMILIES[style] != family)
        withheld[concept.id] = tuple(style for style in own if FAMILIES[style] == family)
    withheld |= {concept.id: tuple(_list_styles(styles[concept.id])) for concept in unseen}
    used = {*seen, *unseen}
    others = tuple(
        c for c in load_concepts() if c not in used and _list_styles(styles.get(c.id, []))
    )
    trained |= {concept.id: tuple(_list_styles(styles[concept.id])) for concept in others}
    return Splits(tuple(seen), tuple(unseen), trained, withheld, others)


def _list_styles(styles: list[str]) -> list[str]:
    """The styles that may be trained on, in order."""
    return sorted(style for style in styles if style != HELD_OUT_STYLE)


def _families(styles: list[str]) -> set[str]:
    return {FAMILIES[style] for style in styles}


def _withheld_family(concept: str, styles: list[str]) -> str:
    families = sorted(_families(styles))
    return families[int(_rank("family " + concept), 16) % len(families)]


def _rank(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def make_generator(*seed: int) -> np.random.Generator:
    """An independent stream of random numbers for each tuple of seeds."""
    return np.random.default_rng(list(seed))
