"""Draft a language pack from CLDR: words where CLDR has them, signs where a speaker must write.

A drafted pack can be studied at once. Its questions are signs (`← ?` asks what is on the left)
that a speaker replaces with sentences; its answers are CLDR's own words.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import snowballstemmer

from ikusi import language
from ikusi.miniature.cldr import Locale, locale

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
    words = locale(code)
    reference = language.load("en")
    yes_no = words.yes_no()
    numbers = words.numbers()
    colours = colour_words(words)
    conjunction = (words.conjunction() or "{0}, {1}").replace("{0}", "").replace("{1}", "")
    prompts = {task: [PROMPTS[task]] * len(said) for task, said in reference.prompts.items()}
    statements = {
        kind: [STATEMENTS[kind]] * len(said) for kind, said in reference.statements.items()
    }
    name = locale("en").languages.get(code, code)
    stemmer = name.lower()  # Snowball names its stemmers as CLDR names languages in English
    missing = [f"colours.{name}" for name in language.COLOURS if name not in colours]
    return {
        "code": code,
        "name": name,
        "autonym": words.languages.get(code, code),
        "yes": yes_no[0] if yes_no else "✓",
        "no": yes_no[1] if yes_no else "✗",
        "and_word": conjunction.strip(" ,") or ",",
        "numbers": numbers or [str(number) for number in range(11)],
        "colours": {name: colours.get(name, name) for name in language.COLOURS},
        "number_words": {},
        "yes_words": [],
        "no_words": [],
        "articles": [],
        "contractions": {},
        "capitals": capitals(words),
        "stemmer": stemmer if stemmer in snowballstemmer.algorithms() else "",
        "endings": [],
        "distractors": [],
        "labels": {name: "?" if name == "question" else "=" for name in reference.labels},
        "prompts": prompts,
        "statements": statements,
        "to_review": [
            *(["numbers"] if numbers is None else []),
            "yes",
            "no",
            "number_words",
            "yes_words",
            "no_words",
            "articles",
            "endings",
            "colours",
            *missing,
            *(f"labels.{name}" for name in reference.labels),
            *(f"prompts.{task}" for task in prompts),
            *(f"statements.{kind}" for kind in statements),
        ],
        "sources": {
            "words": "Unicode CLDR: names, numbers, colours, yes and no.",
            "prompts": "Signs that stand for sentences; see to_review.",
        },
    }


def capitals(words: Locale) -> dict[str, str]:
    """The capitals of an alphabet that has an i without a dot beside the one with it."""
    return {"İ": "i", "I": "ı"} if {"i", "ı"} <= words.letters else {}


def colour_words(words: Locale) -> dict[str, str]:
    """Colour -> its word: what the name of a circle has that the other circles' names lack."""
    names = {colour: words.name(emoji) for colour, emoji in CIRCLES.items()}
    said = {colour: name.split() for colour, name in names.items() if name}
    common = Counter(word for parts in said.values() for word in set(parts))
    shared = {word for word, count in common.items() if count > len(said) / 2}
    found = {colour: [w for w in parts if w not in shared] for colour, parts in said.items()}
    for colour, (heart, plain) in HEARTS.items():
        base = set((words.name(plain) or "").split()) | set((words.name("💛") or "").split())
        parts = (words.name(heart) or "").split()
        found[colour] = [word for word in parts if word not in base]
    return {colour: " ".join(parts) for colour, parts in found.items() if parts}
