"""HTML pages that need no other file, from their templates."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


def open_templates(
    folders: Sequence[Path], filters: Mapping[str, Callable[..., object]]
) -> "Environment":
    """The templates of some folders, for Jinja; the first that has a name is taken.

    Values are escaped, so that no text of a corpus or a model becomes markup; a name that a
    template uses and no value has raises ``jinja2.UndefinedError``.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,  # they come with the package
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= filters
    return environment


def fill_template(
    template: Path, values: Mapping[str, object], filters: Mapping[str, Callable[..., object]]
) -> str:
    """The page that a template gives with these values; see `open_templates`."""
    return open_templates([template.parent], filters).get_template(template.name).render(values)
