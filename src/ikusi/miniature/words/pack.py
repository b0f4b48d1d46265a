"""Draft a language pack from CLDR: words where CLDR has them, signs where a speaker must write.

A drafted pack can be studied at once. Its questions are signs (`← ?` asks what is on the left)
that a speaker replaces with sentences; its answers are CLDR's own words.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import regex
import snowballstemmer

from ikusi import language, writing
from ikusi.miniature.words.cldr import ENGLISH, Locale, load_locale

CLDR = "Unicode CLDR."
SIGN = "A sign, for CLDR has"

CIRCLES = {
    "red": "🔴",
    "orange": "🟠",
    "yellow": "🟡",
    "green": "🟢",
    "blue": "🔵",
    "purple": "🟣",
    "brown": "🟤",
    "black": "⚫",
    "white": "⚪",
}
HEARTS = {"grey": ("🩶", "❤"), "pink": ("🩷", "❤")}
PROMPTS = {
    "what": "= ?",
    "left": "← ?",
    "right": "→ ?",
    "next_to": "{x} ↔ ?",
    "keywords": "# ?",
    "category": "∈ ?",
    "how_many": "1, 2, 3 ?",
    "ground": "▢ ?",
    "present": "{x}: ✓, ✗ ?",
    "which": "{a}, {b}, {c}, {d} ?",
    "describe": "...",
    "caption": "..",
    "continent": "{x}: ⊂ ?",
    "official_language": "{x}: “ ” ?",
    "currency": "{x}: ¤ ?",
    "emoji_category": "{x}: ∈ ?",
    "emoji_keywords": "{x}: # ?",
    "odd_one_out": "{list}: ≠ ?",
    "count_in_list": "{x}: 1, 2, 3 ? {list}",
    "translate": "{x} = {language}: ?",
}
STATEMENTS = {
    "caption": "{list}. ▢ {colour}.",
    "caption_short": "{list}.",
    "description": "{list}. {count}. ▢ {colour}.",
    "detail": "{x}: {category}; {keywords}.",
    "placement": "← {left}. → {right}.",
    "continent": "{x} ⊂ {answer}.",
    "official_language": "{x}: “ ” {answer}.",
    "currency": "{x}: ¤ {answer}.",
    "emoji_category": "{x} ∈ {answer}.",
    "emoji_keywords": "{x} # {answer}.",
    "translation": "{x} = {language}: {answer}.",
}


def draft(code: str) -> dict[str, Any]:
    """The values of a pack for `ikusi.language.write`; `to_review` lists what a speaker must see.

    Raises:
        InputError: CLDR does not name emoji in this language.
    """
    words = load_locale(code)
    reference = language.load("en")
    yes, no, answers_from = find_yes_no(words)
    numbers = words.numbers()
    colours, colours_from = find_colour_terms(words)
    conjunction, conjunction_from = find_and_word(words)
    prompts = {
        task: [PROMPTS[task]] * len(wordings) for task, wordings in reference.prompts.items()
    }
    statements = {
        kind: [STATEMENTS[kind]] * len(wordings) for kind, wordings in reference.statements.items()
    }
    name = load_locale("en").languages.get(code, code)
    stemmer = name.lower()  # Snowball names its stemmers as CLDR names languages in English
    return {
        "code": code,
        "name": name,
        "autonym": words.languages.get(code, code),
        "yes": yes,
        "no": no,
        "and_word": conjunction,
        "numbers": numbers or [str(number) for number in range(11)],
        "colours": colours,
        "number_words": {},
        "yes_words": [],
        "no_words": [],
        "articles": [],
        "contractions": {},
        "capitals": find_capitals(words),
        "stemmer": stemmer if stemmer in snowballstemmer.algorithms() else "",
        "endings": [],
        "distractors": [],
        "labels": {name: "?" if name == "question" else "=" for name in reference.labels},
        "prompts": prompts,
        "statements": statements,
        "to_review": _waiting(reference),
        "sources": {
            "autonym": CLDR if code in words.languages else f"{SIGN} no name of the language",
            "yes": answers_from,
            "no": answers_from,
            "and_word": conjunction_from,
            "numbers": CLDR if numbers else f"{SIGN} no words for numbers; digits",
            **{f"colours.{name}": source for name, source in colours_from.items()},
            **_other_sources(words),
        },
    }


def _waiting(reference: language.LanguagePack) -> list[str]:
    """The keys that a speaker must see: all but what Unicode or Snowball state as facts."""
    return [
        *("yes", "no", "and_word", "numbers", "number_words", "yes_words", "no_words"),
        *("articles", "endings", "colours"),
        *(f"colours.{name}" for name in language.COLOURS),
        *(f"labels.{name}" for name in reference.labels),
        *(f"prompts.{task}" for task in reference.prompts),
        *(f"statements.{kind}" for kind in reference.statements),
    ]


def _other_sources(words: Locale) -> dict[str, str]:
    return {
        **({} if words.labels else {"categories": f"{SIGN} no labels of categories"}),
        "capitals": "The alphabet in Unicode CLDR.",
        "prompts": "Signs that stand for sentences; see to_review.",
    }


def find_yes_no(words: Locale) -> tuple[str, str, str]:
    """The words for yes and no, or signs, and where they are from.

    CLDR gives what may be typed (`yes:y`), several forms at times (`a/b`), and English where it was
    not translated: both words English are no words of this language.
    """
    forms = words.yes_no() or ("", "")
    yes, no = (re.split(r"[:\uff1a\u17d6/]", writing.to_plain(word))[0].strip() for word in forms)
    if not yes or not no:
        return "✓", "✗", f"{SIGN} no yes and no"
    if words.code != ENGLISH and [yes.lower(), no.lower()] == ["yes", "no"]:
        return "✓", "✗", f"{SIGN} English alone"
    return yes, no, CLDR if [yes, no] == list(forms) else f"{CLDR} It has: {forms[0]}, {forms[1]}"


def find_and_word(words: Locale) -> tuple[str, str]:
    """The word between the last two items of a list, or a comma, and where it is from."""
    pattern = words.conjunction() or ""
    between = re.fullmatch(r"\{0\}(.*)\{1\}", pattern)
    if not between:
        return ",", f"{SIGN} no word that stands between: {pattern or 'nothing'}"
    word = re.sub(r"\(.*?\)", "", writing.to_plain(between[1])).strip(" ,")
    english = (
        (load_locale(ENGLISH).conjunction() or "").replace("{0}", "").replace("{1}", "").strip()
    )
    if words.code != ENGLISH and word == english:
        return ",", f"{SIGN} English alone"
    if not word:
        return ",", f"{SIGN} a comma"
    return word, CLDR if word == between[1].strip() else f"{CLDR} It has: {pattern}"


def find_colour_terms(words: Locale) -> tuple[dict[str, str], dict[str, str]]:
    """The word for each colour, or its circle or heart as a sign, and where each is from."""
    by_colour, terms, sources = find_colour_words(words), {}, {}
    for name in language.COLOURS:
        word = by_colour.get(name, "")
        sign = CIRCLES.get(name) or HEARTS[name][0]
        if not word:
            terms[name], sources[name] = sign, f"{SIGN} no name that shows the colour"
        elif len(word.split()) > 1:
            terms[name], sources[name] = sign, f"{SIGN} more than a colour: {word}"
        else:
            heart = ", so it may be in another form" if name in HEARTS else ""
            terms[name], sources[name] = word, f"{CLDR[:-1]}: {words.name(sign)}{heart}."
    return terms, sources


def find_capitals(words: Locale) -> dict[str, str]:
    """The capitals of an alphabet that has an i without a dot beside the one with it."""
    return {"İ": "i", "I": "ı"} if {"i", "ı"} <= words.letters else {}


def find_colour_words(words: Locale) -> dict[str, str]:
    """Colour -> its word: what the name of a circle has that no other circle's name has.

    Where there are no spaces, what all circles' names begin and end with is taken off.
    """
    names = {colour: words.name(emoji) or "" for colour, emoji in CIRCLES.items()}
    common = Counter(word for name in names.values() for word in set(name.split()))
    own_words = {
        colour: [word for word in name.split() if common[word] == 1]
        for colour, name in names.items()
    }
    if all(len(name.split()) == 1 for name in names.values()):
        own_words = {colour: [rest] for colour, rest in _apart(names).items()}
    for colour, (heart, plain) in HEARTS.items():
        base = {word for sign in (plain, "💛") for word in (words.name(sign) or "").split()}
        parts = (words.name(heart) or "").split()
        rest = [word for word in parts if word not in base]
        own_words[colour] = rest if len(rest) < len(parts) else []
    return {colour: " ".join(parts) for colour, parts in own_words.items() if parts}


def _apart(names: dict[str, str]) -> dict[str, str]:
    """Words without what all begin and end with, cut between letters and not before a mark."""
    letters = {colour: regex.findall(r"\X", name) for colour, name in names.items()}
    first = _alike(letters.values())
    last = _alike(parts[:first:-1] for parts in letters.values())
    return {colour: "".join(parts[first : len(parts) - last]) for colour, parts in letters.items()}


def _alike(rows: Iterable[Sequence[str]]) -> int:
    """Number of items that all rows have in common at their beginning."""
    columns = zip(*rows, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda column: len(set(column)) == 1, columns))
