"""Language packs: all that is true of one language, and that no code may hold."""

from ikusi.language.checks import check
from ikusi.language.drafts import write
from ikusi.language.pack import (
    COLOURS,
    LanguagePack,
    find_placeholders,
    list_packs,
    load,
)

__all__ = [
    "COLOURS",
    "LanguagePack",
    "check",
    "find_placeholders",
    "list_packs",
    "load",
    "write",
]
