"""HTML pages that need no other file, from their templates."""

from collections.abc import Callable, Mapping
from pathlib import Path


def fill_template(
    template: Path, values: Mapping[str, object], filters: Mapping[str, Callable[..., object]]
) -> str:
    """The page that a template of Jinja's gives with these values.

    Values are escaped, so that no text of a corpus or a model becomes markup; a name that
    the template uses and ``values`` lacks raises ``jinja2.UndefinedError``.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(template.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= filters
    return environment.get_template(template.name).render(values)
