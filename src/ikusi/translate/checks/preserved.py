"""Whether numbers, code, addresses and placeholders came through."""

import re
from collections import Counter
from collections.abc import Sequence

from pydantic import Field

from ikusi import writing
from ikusi.translate.checks.base import Action, Check, Given, Look, shorten
from ikusi.translate.contract import Row
from ikusi.yamlfile import Section

TOKENS = re.compile(
    r"```.*?```|`[^`\n]+`|<image>|https?://\S+|www\.\S+|[\w.+-]+@[\w-]+\.\w+|\{\w*\}|%[sd]\b",
    re.DOTALL,
)
# Without one of these there is none of those. One set of letters comes first, as `re` then looks in
# half the time.
TOKEN_SIGNS = re.compile(r"[`<@{%:w](?:(?<![:w])|(?<=:)//|(?<=w)ww\.)")
NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)*")  # in texts with ASCII digits alone


class Keys(Section):
    """Its settings."""

    preserved: Action = Field(
        default="flag", description="Numbers, URLs, code and <image> that were lost or added."
    )


def look(given: Given) -> Look:
    """Count what must come through a translation."""
    return _find_lost


def _find_lost(row: Row, texts: Sequence[str]) -> str | None:
    before = writing.to_ascii_digits("\n".join(row.texts))
    after = writing.to_ascii_digits("\n".join(texts))
    signs = TOKEN_SIGNS.search(before) or TOKEN_SIGNS.search(after)
    if not signs and NUMBER.findall(before) == NUMBER.findall(after):
        return None
    wanted, actual = _count_kept(before), _count_kept(after)
    if wanted == actual:
        return None
    return f"expected {_join(wanted - actual)}, found {_join(actual - wanted)}"


def _count_kept(text: str) -> Counter[str]:
    """Count what must come through a translation: numbers, code, addresses, placeholders."""
    tokens = Counter(TOKENS.findall(text))
    digits = (re.sub(r"\D", "", number) for number in NUMBER.findall(TOKENS.sub(" ", text)))
    return tokens + Counter(digits)


def _join(items: Counter[str]) -> str:
    return ", ".join(shorten(item) for item in list(items.elements())[:5]) or "nothing more"


CHECKS = [Check("preserved", 80, Keys, look)]
