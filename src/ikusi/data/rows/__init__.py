"""What a row of each type holds, one file for each type.

A module here that has a `ROW_TYPE` adds that type; nothing else needs to know. `base.RowType` says
what a type must answer.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from ikusi import yamlfile
from ikusi.errors import InputError
from ikusi.recipe.values import make_error

if TYPE_CHECKING:
    from ikusi.data.rows.base import Asked, RowType


@cache
def _every() -> dict[str, RowType]:
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    modules = (importlib.import_module(f"{__name__}.{name}") for name in names)
    types = (getattr(module, "ROW_TYPE", None) for module in modules)
    return {one.name: one for one in types if one is not None}


def list_types() -> list[RowType]:
    """The types of rows, by name."""
    return [one for _, one in sorted(_every().items())]


def load(name: str) -> RowType:
    """A type of rows by its name.

    Raises:
        InputError: there is none of that name.
    """
    if name not in _every():
        near = yamlfile.suggest(name, _every())
        hint = f" (did you mean {near}?)" if near else ""
        raise InputError(f"row_type: expected {_in_words(_every())}, found {name}{hint}")
    return _every()[name]


def load_asked(name: str) -> Asked:
    """A type of rows that a model can be asked about, by its name.

    Raises:
        InputError: there is none of that name.
    """
    from ikusi.data.rows.base import Asked

    found = load(name)
    if not isinstance(found, Asked):
        raise InputError(f"row_type: expected {_in_words(_list_asked())}, found {name}")
    return found


def _list_asked() -> list[str]:
    return [one.name for one in list_types() if one.gold is not None]


def _in_words(names: Iterable[str]) -> str:
    *others, last = sorted(names)
    return f"{', '.join(others)} or {last}"


@dataclass(frozen=True)
class _OneOf:
    """Holds a field of settings to names, which are looked up when a value is there to check."""

    names: Callable[[], Collection[str]]

    def __get_pydantic_core_schema__(self, of: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._expect, handler(of))

    def __get_pydantic_json_schema__(
        self, of: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(of), "enum": sorted(self.names())}

    def _expect(self, value: str) -> str:
        if value not in self.names():
            raise make_error(_in_words(self.names()))
        return value


Name = Annotated[str, _OneOf(lambda: _every())]
"""The name of a type of rows, as a field of settings."""
AskedName = Annotated[str, _OneOf(_list_asked)]
"""The name of a type of rows that a model can be asked about."""
