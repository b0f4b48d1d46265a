"""A section of a settings file as YAML, each key under what it means."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from ikusi import yamltext


def write_section(section: BaseModel, indent: str) -> Iterator[str]:
    """Lines of YAML that read as the section again, all below `indent`."""
    for name, info in type(section).model_fields.items():
        value = getattr(section, name)
        yield f"{indent}# {info.description}"
        if isinstance(value, BaseModel):
            yield f"{indent}{name}:"
            yield from write_section(value, indent + "  ")
        elif value and isinstance(value, dict):
            yield f"{indent}{name}:"
            sections = {key: one for key, one in value.items() if isinstance(one, BaseModel)}
            for key, one in sections.items():
                yield f"{indent}  {yamltext.to_line(key)}:"
                yield from write_section(one, indent + "    ")
            value = {key: one for key, one in value.items() if key not in sections}
            lines = ((yamltext.to_line(key), yamltext.to_line(item)) for key, item in value.items())
            yield from (f"{indent}  {key}: {item}" for key, item in lines)
        else:
            yield f"{indent}{name}: {yamltext.to_line(_make_plain(value))}"


def _make_plain(value: Any) -> Any:
    """A value, or a list of sections as what differs in each from what goes without saying."""
    if isinstance(value, list):
        return [
            one.model_dump(exclude_defaults=True) if isinstance(one, BaseModel) else one
            for one in value
        ]
    return value
