"""Pages from templates: those of a room, and those that all pages share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ikusi.page import open_templates
from ikusi.web.fields import clean

if TYPE_CHECKING:
    from jinja2 import Environment

SHARED = Path(__file__).parent / "templates"


def open_pages(folder: Path) -> Environment:
    """The templates of a room, beside `page`, `language` and `message`, which all share."""
    return open_templates([folder, SHARED], {"clean": clean})
