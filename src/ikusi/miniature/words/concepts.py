"""Join emoji, their names and their drawings into the concepts of the miniature."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

from ikusi.miniature.packages import read_members
from ikusi.miniature.words.cldr import Locale, load_locale

REFERENCE = "en"
MAX_WORDS = 2


@dataclass(frozen=True)
class Concept:
    """One emoji: a thing that can be drawn, named and asked about, in any language of CLDR."""

    id: str  # code points in hex joined by "-", without variation selectors
    emoji: str
    subgroup: str  # OpenMoji's, such as `animal-bird`: near distractors share it
    kind: str  # key of a CLDR category label, such as `animal`

    def name(self, words: Locale) -> str:
        """The concept's name in a language that names it."""
        name = words.name(self.emoji)
        assert name is not None, f"{self.emoji} has no name in {words.code}"
        return name


@cache
def read_emoji_table() -> list[dict[str, Any]]:
    """OpenMoji's table of emoji: character, code points, group, subgroup, skin tone."""
    ((_, data),) = read_members("openmoji", "data/openmoji.json".__eq__)
    return list(json.loads(data))


@cache
def load_concepts() -> tuple[Concept, ...]:
    """Every concept the miniature may use, in OpenMoji's order, whatever the target language."""
    rules = yaml.safe_load(
        resources.files(__package__).joinpath("concepts.yaml").read_text("utf-8")
    )
    kinds: dict[str, str] = rules["kinds"]
    excluded = set(rules["excluded"])
    words = load_locale(REFERENCE)
    concepts = [_concept(row, kinds) for row in read_emoji_table() if _is_plain(row, kinds)]
    return tuple(concept for concept in concepts if _is_short(words.name(concept.emoji), excluded))


def select_named(concepts: tuple[Concept, ...], *languages: str) -> tuple[Concept, ...]:
    """The concepts that CLDR names in all these languages, no two by the same name."""
    for code in languages:
        words, seen = load_locale(code), set[str]()
        kept = []
        for concept in concepts:
            name = words.name(concept.emoji)
            if name and name.casefold() not in seen:
                seen.add(name.casefold())
                kept.append(concept)
        concepts = tuple(kept)
    return concepts


def to_code_points(text: str) -> str:
    """Hex code points joined by "-", lower case, without the variation selector FE0F."""
    return "-".join(part for part in text.lower().split("-") if part != "fe0f")


def _concept(row: dict[str, Any], kinds: dict[str, str]) -> Concept:
    subgroup = row["subgroups"]
    emoji = row["emoji"].replace("\ufe0f", "")
    return Concept(to_code_points(row["hexcode"]), emoji, subgroup, kinds[subgroup])


def _is_plain(row: dict[str, Any], kinds: dict[str, str]) -> bool:
    return row["subgroups"] in kinds and not row["skintone"] and "200D" not in row["hexcode"]


def _is_short(name: str | None, excluded: set[str]) -> bool:
    return bool(name) and name not in excluded and len(str(name).split()) <= MAX_WORDS
