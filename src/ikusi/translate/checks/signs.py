"""Signs that no person writes, and those that few do."""

from collections.abc import Sequence

from pydantic import Field

from ikusi.translate import marks
from ikusi.translate.checks.base import Action, Check, Given, Look
from ikusi.yamlfile import Section


class Broken(Section):
    """Settings of what no person writes."""

    broken: Action = Field(
        default="refuse",
        description="What no person writes and the source does not have: control tokens of models "
        "(<|im_end|>, </s>, <unk>), bytes (<0xE2>), lost letters (U+FFFD), NUL and other control "
        "characters.",
    )


class Odd(Section):
    """Settings of what few people write."""

    odd: Action = Field(
        default="flag",
        description="What few people write and the source does not have: overrides of the writing "
        "direction, a vocabulary's sign for a space (▁), private characters.",
    )


def look_broken(given: Given) -> Look:
    """Look for signs that no person writes."""
    return lambda row, texts: _describe_unexpected(marks.find_broken(row.texts, texts))


def look_odd(given: Given) -> Look:
    """Look for signs that few people write."""
    return lambda row, texts: _describe_unexpected(marks.find_odd(row.texts, texts))


def _describe_unexpected(signs: Sequence[str]) -> str | None:
    if not signs:
        return None
    return f"expected the source's signs alone, found {', '.join(map(marks.spell, signs[:5]))}"


CHECKS = [Check("broken", 10, Broken, look_broken), Check("odd", 90, Odd, look_odd)]
