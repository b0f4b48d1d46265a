"""Checks of every translated row: cheap, exact, with a reason of one line; a file each.

A module here that has `CHECKS` adds those, with their settings; nothing else needs to know.
"""

from collections.abc import Sequence
from typing import Any

from ikusi import catalogue
from ikusi.data.rows.base import RowType
from ikusi.language import LanguagePack
from ikusi.translate.checks.base import Check, Given, Mild
from ikusi.translate.contract import Row, Verdict
from ikusi.yamlfile import Section

REGISTRY: catalogue.Modules[Check] = catalogue.Modules(__name__, "CHECKS", "check")


def list_checks() -> list[Check]:
    """All checks, as they are made one after the other."""
    return sorted(REGISTRY.every.values(), key=lambda check: check.place)


def list_settings() -> list[type[Section]]:
    """The settings of all checks, those of the last check first, as pydantic lists bases."""
    return [check.keys for check in reversed(list_checks())]


class Checker:
    """Judges translated rows; see `settings.Checks` for what each check does.

    Args:
        settings: which checks there are, and their thresholds.
        row_type: type of the rows.
        source: the pack of the language they are translated from.
        target: the pack of the language they are translated into.
    """

    def __init__(
        self, settings: Any, row_type: RowType, source: LanguagePack, target: LanguagePack
    ) -> None:
        given = Given(settings, row_type, source, target)
        actions = [(check, getattr(settings, check.name)) for check in list_checks()]
        self._looks = [
            (check.name, action == "refuse", check.make(given))
            for check, action in actions
            if action != "off"
        ]

    def __call__(self, row: Row, texts: Sequence[str]) -> Verdict:
        """Judge the translated texts of a row."""
        if len(texts) != len(row.texts):
            return Verdict(f"texts: expected {len(row.texts)}, found {len(texts)}")
        if not all(map(str.strip, texts)):
            return Verdict("texts: expected words in all, found an empty one")
        flags: list[str] = []
        for name, refuses, look in self._looks:
            problem = look(row, texts)
            if problem is None:
                continue
            if refuses and not isinstance(problem, Mild):
                return Verdict(f"{name}: {problem}", tuple(flags))
            flags.append(name)
        return Verdict(None, tuple(flags))
