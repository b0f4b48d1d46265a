"""Whether the options of a question still differ."""

from collections.abc import Sequence

from pydantic import Field

from ikusi.data.rows.shape import Gold
from ikusi.translate.checks.base import Action, Check, Given, Look, to_plain
from ikusi.translate.contract import Row
from ikusi.yamlfile import Section


class Keys(Section):
    """Its settings."""

    options: Action = Field(
        default="refuse", description="Options of another number, or that no longer differ."
    )


def look(given: Given) -> Look:
    """Two options translated alike make a question unanswerable."""

    def check(row: Row, texts: Sequence[str]) -> str | None:
        if given.row_type.gold is not Gold.OPTION or len(texts) < 3:
            return None
        before, after = (len({to_plain(text) for text in some[1:]}) for some in (row.texts, texts))
        if after < before:
            return f"expected {before} different options, found {after}"
        return None

    return check


CHECKS = [Check("options", 20, Keys, look)]
