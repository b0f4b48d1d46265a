"""Whether a translation is far shorter or longer than usual."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from ikusi.translate.checks.base import Action, Check, Given, Look
from ikusi.translate.contract import Row
from ikusi.yamlfile import Section

SLACK = 10  # characters: short texts vary in length more


def _rising(values: list[float]) -> list[float]:
    if len(values) != 2 or not 0 < values[0] < values[1]:
        raise PydanticCustomError(
            "expected", "{expected}", {"expected": "a smaller and a larger number above 0"}
        )
    return values


class Keys(Section):
    """Its settings."""

    length_ratio: Action = Field(default="flag", description="Far shorter or longer than usual.")
    length_bounds: Annotated[list[float], AfterValidator(_rising)] = Field(
        default=[0.4, 2.5], description="Least and largest ratio of characters."
    )


def look(given: Given) -> Look:
    """Compare the lengths of a row's source and of its translation."""
    least, most = given.settings.length_bounds

    def check(row: Row, texts: Sequence[str]) -> str | None:
        before = sum(map(len, row.texts)) + SLACK
        after = sum(map(len, texts)) + SLACK
        if least <= after / before <= most:
            return None
        return f"expected {least:g} to {most:g} times the length, found {after / before:.2f}"

    return check


CHECKS = [Check("length_ratio", 70, Keys, look)]
