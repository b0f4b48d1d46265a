"""Text-only knowledge from CLDR: countries, emoji, lists, translations. No picture needed.

Half of the countries are held out: the study's text-only rows never ask about them, and the
text-only benchmark asks about them alone. The backbones have read of all of them, so the
benchmark measures what multimodal training leaves of that knowledge (paper, section 5.2).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from ikusi.miniature.words.cldr import Locale, load_locale, load_supplemental
from ikusi.miniature.words.concepts import Concept
from ikusi.miniature.words.speaker import Exchange, Phrase, list_concept_names, name_concept, repeat

CONTINENTS = ("002", "019", "142", "150", "009")  # UN M.49: Africa, Americas, Asia, Europe, Oceania
FACTS = ("continent", "official_language", "currency")
EMOJI_TASKS = ("emoji_category", "emoji_keywords", "odd_one_out", "count_in_list")
OPTIONS = 4


@dataclass(frozen=True)
class Country:
    """A territory and the codes of what is asked about it."""

    code: str
    continent: str
    official_language: str
    currency: str


@cache
def load_countries() -> tuple[Country, ...]:
    """Countries with one most spoken official language and a currency in use, by code."""
    tables = load_supplemental()
    continent = _continents(tables["territoryContainment"]["territoryContainment"])
    languages = tables["territoryInfo"]["territoryInfo"]
    money = tables["currencyData"]["currencyData"]["region"]
    countries = []
    for code in sorted(continent):
        language = _official(languages.get(code, {}).get("languagePopulation", {}))
        currency = _current(money.get(code, []))
        if language and currency:
            countries.append(Country(code, continent[code], language, currency))
    return tuple(countries)


def is_held_out(country: Country) -> bool:
    """Whether the study's training keeps silent about this country; the same for all studies."""
    return hashlib.sha256(country.code.encode()).digest()[0] % 2 == 0


@cache
def select_speakable(*languages: str) -> tuple[Country, ...]:
    """The countries whose every fact has a name in all these languages."""
    return tuple(
        c for c in load_countries() if all(_has_names(c, load_locale(code)) for code in languages)
    )


def ask_fact(country: Country, task: str, variant: int) -> Exchange:
    """One question about a country."""
    value = _value(task, getattr(country, task))
    return Exchange(task, variant, {"x": _country(country)}, value, **repeat((country, task)))


def choose_fact(
    country: Country, task: str, pool: Sequence[Country], random: np.random.Generator
) -> Exchange:
    """The question with four options, the others being right of other countries."""
    right = getattr(country, task)
    others = sorted({getattr(other, task) for other in pool} - {right})
    picked = [right, *(others[i] for i in random.permutation(len(others))[: OPTIONS - 1])]
    order = random.permutation(len(picked))
    options = tuple(_value(task, picked[i]) for i in order)
    place = int(np.flatnonzero(order == 0)[0])
    values = {"x": _country(country)}
    return Exchange(task, 0, values, _value(task, right), options=options, right=place)


def ask_emoji(
    task: str, concepts: Sequence[Concept], random: np.random.Generator, variant: int
) -> Exchange:
    """One question about emoji by their names: category, keywords, odd one out, counting."""
    concept = concepts[int(random.integers(len(concepts)))]
    if task == "emoji_category":
        of = repeat((concept, task))
        return Exchange(
            task, variant, {"x": name_concept(concept)}, lambda s: s.kind(concept), **of
        )
    if task == "emoji_keywords":
        answer: Phrase = lambda s: s.join_list(s.keywords(concept))  # noqa: E731
        golds, of = (lambda s: s.keywords(concept)), repeat((concept, task))
        return Exchange(task, variant, {"x": name_concept(concept)}, answer, golds, **of)
    if task == "odd_one_out":
        return _odd_one_out(concept, concepts, random, variant)
    return _count_in_list(concept, concepts, random, variant)


def ask_translation(concept: Concept, source: str, target: str, variant: int) -> Exchange:
    """One question for a name's translation, asked in whatever language the speaker has."""
    asked, answer = load_locale(source), load_locale(target)
    values: dict[str, Phrase] = {
        "x": lambda _: concept.name(asked),
        "language": lambda s: s.words.languages.get(target, target),
    }
    of = repeat((concept, "translate"))  # there and back alike
    return Exchange("translate", variant, values, lambda _: concept.name(answer), **of)


def _odd_one_out(
    concept: Concept, concepts: Sequence[Concept], random: np.random.Generator, variant: int
) -> Exchange:
    others = [c for c in concepts if c.kind != concept.kind]
    kind = others[int(random.integers(len(others)))].kind
    same = [c for c in others if c.kind == kind]
    picked = [concept, *(same[i] for i in random.permutation(len(same))[:3])]
    listed = [picked[i] for i in random.permutation(len(picked))]
    return Exchange(
        "odd_one_out", variant, {"list": list_concept_names(listed)}, name_concept(concept)
    )


def _count_in_list(
    concept: Concept, concepts: Sequence[Concept], random: np.random.Generator, variant: int
) -> Exchange:
    times = int(random.integers(1, 4))
    others = [concepts[int(i)] for i in random.integers(0, len(concepts), 2)]
    others = [other for other in others if other != concept]
    picked = [concept] * times + others
    listed = [picked[i] for i in random.permutation(len(picked))]
    values = {"x": name_concept(concept), "list": list_concept_names(listed)}
    return Exchange("count_in_list", variant, values, lambda s: s.number(times))


def _country(country: Country) -> Phrase:
    return lambda speaker: speaker.words.territories[country.code]


def _value(task: str, code: str) -> Phrase:
    if task == "continent":
        return lambda speaker: speaker.words.territories[code]
    if task == "official_language":
        return lambda speaker: speaker.words.languages[code]
    return lambda speaker: speaker.words.currencies[code]


def _has_names(country: Country, words: Locale) -> bool:
    return (
        country.code in words.territories
        and country.continent in words.territories
        and country.official_language in words.languages
        and words.currencies.get(country.currency, country.currency) != country.currency
    )


def _continents(containment: dict[str, dict[str, list[str]]]) -> dict[str, str]:
    """Country code -> continent code, down CLDR's tree of territories."""
    continents: dict[str, str] = {}
    for continent in CONTINENTS:
        waiting = list(containment[continent]["_contains"])
        while waiting:
            code = waiting.pop()
            inner = containment.get(code, {}).get("_contains", [])
            waiting += inner
            if not inner and code.isalpha() and len(code) == 2:
                continents.setdefault(code, continent)
    return continents


def _official(population: dict[str, dict[str, str]]) -> str | None:
    """The official language most people speak there."""
    official = {
        code: float(entry.get("_populationPercent", 0))
        for code, entry in population.items()
        if entry.get("_officialStatus") == "official"
    }
    return max(sorted(official), key=official.__getitem__) if official else None


def _current(history: list[dict[str, dict[str, str]]]) -> str | None:
    """The first currency that is tender and has no end date."""
    for entry in history:
        for code, facts in entry.items():
            if "_to" not in facts and facts.get("_tender") != "false":
                return code
    return None
