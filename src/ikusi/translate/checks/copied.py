"""Whether the source was left as it was."""

from collections.abc import Sequence

from pydantic import Field

from ikusi.translate.checks.base import Action, Check, Given, Look, Mild, shorten
from ikusi.translate.contract import Row
from ikusi.translate.copies import Copied, find_copied
from ikusi.yamlfile import Section


class Keys(Section):
    """Its settings."""

    copied: Action = Field(
        default="refuse",
        description="The source, left as it was: refused where that is all prose of a row, and "
        "flagged where it is some of its texts, such as a name or words on a sign.",
    )


def look(given: Given) -> Look:
    """Compare the texts of a row with their source."""

    def check(row: Row, texts: Sequence[str]) -> str | None:
        much, text = find_copied(row.texts, texts)
        if much is Copied.NONE:
            return None
        problem = f"expected a translation, found the source: {shorten(text)}"
        return problem if much is Copied.ALL else Mild(problem)

    return check


CHECKS = [Check("copied", 40, Keys, look)]
