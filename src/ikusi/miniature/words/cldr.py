"""Read the words of Unicode CLDR that the miniature uses, for any language."""

from __future__ import annotations

import json
from functools import cache, cached_property
from typing import Any

from ikusi import claim, disk
from ikusi.artifact import fingerprint, write_json
from ikusi.errors import InputError
from ikusi.miniature.packages import cache_folder, read_catalogue, read_members

FILES = {
    "cldr-annotations-full": ["annotations/{code}/annotations.json"],
    "cldr-localenames-full": ["main/{code}/territories.json", "main/{code}/languages.json"],
    "cldr-numbers-full": ["main/{code}/currencies.json"],
    "cldr-misc-full": [
        "main/{code}/characterLabels.json",
        "main/{code}/characters.json",
        "main/{code}/posix.json",
        "main/{code}/listPatterns.json",
    ],
    "cldr-rbnf": ["rbnf/{code}.json"],
}
ENGLISH = "en"
SUPPLEMENTAL = ["territoryInfo", "territoryContainment", "currencyData", "codeMappings"]


class Locale:
    """One language's words: emoji names and keywords, territories, languages, currencies."""

    def __init__(self, code: str) -> None:
        self.code = code
        self._json = _files(code)
        annotations = self._json.get("annotations.json", {}).get("annotations", {})
        self._annotations: dict[str, dict[str, list[str]]] = annotations.get("annotations", {})
        if not self._annotations:
            raise InputError(f"language {code}: expected a CLDR language with emoji names")

    def name(self, emoji: str) -> str | None:
        """The emoji's short name, or None where CLDR has none in this language."""
        entry = self._annotations.get(emoji.replace("\ufe0f", ""))
        return entry["tts"][0] if entry and entry.get("tts") else None

    def keywords(self, emoji: str) -> list[str]:
        """The words CLDR lists for searching this emoji."""
        return list(self._annotations.get(emoji.replace("\ufe0f", ""), {}).get("default", []))

    @cached_property
    def territories(self) -> dict[str, str]:
        """Territory code -> name (countries by ISO 3166, continents by UN M.49)."""
        return self._names("territories.json", "territories")

    @cached_property
    def languages(self) -> dict[str, str]:
        """Language code -> name."""
        return self._names("languages.json", "languages")

    @cached_property
    def currencies(self) -> dict[str, str]:
        """ISO 4217 code -> name."""
        table = self._main("currencies.json").get("numbers", {}).get("currencies", {})
        return {code: entry.get("displayName", code) for code, entry in table.items()}

    @cached_property
    def labels(self) -> dict[str, str]:
        """Category key such as `animal` -> label; without those inherited from English.

        CLDR fills what was not translated with English, so where most labels are English, every
        English one is no word of this language.
        """
        table: dict[str, str] = self._main("characterLabels.json").get("characterLabels", {})
        english = table if self.code == ENGLISH else load_locale(ENGLISH).labels
        same = {key for key, label in table.items() if label == english.get(key)}
        inherited = same if self.code != ENGLISH and 2 * len(same) > len(table) else set()
        return {key: label for key, label in table.items() if key not in inherited}

    @cached_property
    def letters(self) -> frozenset[str]:
        """The single characters of its alphabet, marks among them; empty where CLDR has none."""
        table = self._main("characters.json").get("characters", {})
        return frozenset(table.get("exemplarCharacters", "")) - set(" []{}-\\")

    def yes_no(self) -> tuple[str, str] | None:
        """The words for yes and no, or None where CLDR has none."""
        messages = self._main("posix.json").get("posix", {}).get("messages", {})
        if not messages.get("yesstr"):
            return None
        return messages["yesstr"].split(":")[0], messages["nostr"].split(":")[0]

    def conjunction(self) -> str | None:
        """The pattern that joins two items, such as `{0} and {1}`."""
        table = self._main("listPatterns.json").get("listPatterns", {})
        pattern: str | None = table.get("listPattern-type-standard", {}).get("2")
        return pattern

    def numbers(self, last: int = 10) -> list[str] | None:
        """Number words from 0 to `last`, or None where CLDR spells none out in this language."""
        rules = self._json.get(f"{self.code}.json", {}).get("rbnf", {}).get("rbnf", {})
        tables: dict[str, list[list[str]]] = rules.get("SpelloutRules", {})
        plain = {
            name: dict(rule for rule in table if len(rule) == 2) for name, table in tables.items()
        }
        chosen = _follow_rules(plain, "%spellout-numbering")
        words = [_spell(chosen, number) for number in range(last + 1)] if chosen else []
        return [word for word in words if word] if words and all(words) else None

    def _main(self, file: str) -> dict[str, Any]:
        table: dict[str, Any] = self._json.get(file, {}).get("main", {}).get(self.code, {})
        return table

    def _names(self, file: str, key: str) -> dict[str, str]:
        table = self._main(file).get("localeDisplayNames", {}).get(key, {})
        return {code: name for code, name in table.items() if "-alt-" not in code}


def _files(code: str) -> dict[str, Any]:
    """File name -> content of a language's CLDR files; taken out of the packages once."""
    version = f"{read_catalogue()['cldr-core']['version']}-{fingerprint(FILES)}"
    path = cache_folder() / f"cldr-{version}" / f"{code}.json"
    if (known := claim.read(path)) is None:  # not there, or damaged
        contents: dict[str, Any] = {}
        for package, patterns in FILES.items():
            wanted = {pattern.format(code=code) for pattern in patterns}
            for name, data in read_members(package, wanted.__contains__):
                contents[name.rpartition("/")[2]] = json.loads(data)
        with disk.explain_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, contents)
        return contents
    return known


@cache
def load_locale(code: str) -> Locale:
    """The words of one language, read once."""
    return Locale(code)


@cache
def load_supplemental() -> dict[str, Any]:
    """CLDR's language-neutral tables: territory info, containment, currencies, codes."""
    wanted = {f"supplemental/{name}.json": name for name in SUPPLEMENTAL}
    members = read_members("cldr-core", wanted.__contains__)
    return {wanted[path]: json.loads(data)["supplemental"] for path, data in members}


def _follow_rules(tables: dict[str, dict[str, str]], name: str) -> dict[str, str]:
    """Follow rules of the form `=%other;` until a table that spells numbers itself."""
    for _ in range(len(tables)):
        rule = tables.get(name, {}).get("0", "")
        if not rule.startswith("=%"):
            return tables.get(name, {})
        name = rule.strip("=;")
    return {}


def _spell(table: dict[str, str], number: int) -> str | None:
    """The word of a number that has a rule of its own; compound numbers are not composed."""
    rule = table.get(str(number))
    word = rule.split("[")[0].rstrip(";").strip() if rule else ""
    return word if word and not set(word) & set("→←=<>%") else None
