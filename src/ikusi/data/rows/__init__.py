"""The types of rows, one file for each type.

A module here that has `ROW_TYPES` adds those types; nothing else needs to know. `base.RowType` says
what a type must answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from ikusi import catalogue
from ikusi.recipe.values import make_error

if TYPE_CHECKING:
    from ikusi.data.rows.base import Asked, RowType


REGISTRY: catalogue.Modules[RowType] = catalogue.Modules(__name__, "ROW_TYPES", "row_type")


def list_types() -> list[RowType]:
    """The types of rows, by name."""
    return [REGISTRY.find(name) for name in REGISTRY.names()]


def load(name: str) -> RowType:
    """A type of rows by its name.

    Raises:
        InputError: there is none of that name.
    """
    return REGISTRY.find(name)


@cache
def load_asked(name: str) -> Asked:
    """A type of rows that a model can be asked about, by its name.

    Raises:
        InputError: there is none of that name.
    """
    from ikusi.data.rows.base import Asked

    row_type = load(name)
    if not isinstance(row_type, Asked):
        raise catalogue.make_unknown_error("row_type", name, _list_asked())
    return row_type


def _list_asked() -> list[str]:
    return [one.name for one in list_types() if one.gold is not None]


def _in_words(names: Iterable[str]) -> str:
    *others, last = sorted(names)
    return f"{', '.join(others)} or {last}"


@dataclass(frozen=True)
class _OneOf:
    """Holds a field of settings to names, which are looked up when a value is there to check."""

    names: Callable[[], Sequence[str]]

    def __get_pydantic_core_schema__(self, of: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._expect, handler(of))

    def __get_pydantic_json_schema__(
        self, of: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(of), "enum": self.names()}

    def _expect(self, value: str) -> str:
        if value not in self.names():
            raise make_error(_in_words(self.names()))
        return value


Name = Annotated[str, _OneOf(REGISTRY.names)]
"""The name of a type of rows, as a field of settings."""
AskedName = Annotated[str, _OneOf(_list_asked)]
"""The name of a type of rows that a model can be asked about."""
