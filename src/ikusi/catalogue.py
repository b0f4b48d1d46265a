"""Things that are found by name: files, one's own before those of Ikusi, and parts of modules.

A kind of thing that anybody may add to, such as a language or a metric, has a place: folders of
files, or a package of modules. To add one is to add a file there; nothing else names it.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Any, Generic, TypeVar

from ikusi import imports, yamlfile
from ikusi.errors import InputError

Thing = TypeVar("Thing")


def make_unknown_error(key: str, name: str, names: Collection[str], what: str = "") -> InputError:
    """The error for a name that does not exist, with the most similar one that does.

    >>> print(make_unknown_error("metric", "inclusoin", ["coverage", "inclusion"]))
    metric: expected one of coverage, inclusion, found inclusoin (did you mean inclusion?)
    """
    known = ", ".join(sorted(names)) or "none"
    expected = f"{what} ({known})" if what else f"one of {known}"
    near = yamlfile.suggest(name, names)
    hint = f" (did you mean {near}?)" if near else ""
    return InputError(f"{key}: expected {expected}, found {name}{hint}")


def load(place: str) -> Any:
    """The object that `module:name` stands for; its module is imported."""
    module, _, name = place.partition(":")
    return getattr(imports.load(module), name)


@dataclass(frozen=True)
class Files:
    """YAML files known by their path in a folder, without its ending.

    Attributes:
        key: what names one, for errors.
        folders: where they are; a file in an earlier folder hides those in later ones.
        what: what each is, for errors; by default only the names are listed.
    """

    key: str
    folders: Sequence[Path]
    what: str = ""

    def names(self) -> list[str]:
        """Every name there is."""
        files = ((folder, file) for folder in self.folders for file in folder.rglob("*.yaml"))
        return sorted({f.relative_to(folder).with_suffix("").as_posix() for folder, f in files})

    def find(self, name: str) -> Path:
        """The file of a name; a name that ends in `.yaml` is taken as a path.

        Raises:
            InputError: there is nothing of that name.
        """
        if name.endswith((".yaml", ".yml")):
            return Path(name)
        files = (folder / f"{name}.yaml" for folder in self.folders)
        path = next((file for file in files if file.is_file()), None)
        if path is None:
            raise make_unknown_error(self.key, name, self.names(), self.what)
        return path


@dataclass
class Modules(Generic[Thing]):
    """Things that the modules of a package define, each in a list of one name.

    A module is imported when a thing is first asked for, so what is in these packages loads
    nothing heavy before it is used.

    Attributes:
        package: the package's name.
        attribute: the name of the list, such as `SOURCES`; a module without it adds nothing.
        key: what names a thing, for errors.
        name: what a thing is called.
    """

    package: str
    attribute: str
    key: str
    name: Callable[[Thing], str] = attrgetter("name")

    @cached_property
    def every(self) -> dict[str, Thing]:
        """Every thing by its name, in the order of modules and lists.

        Raises:
            ValueError: two things have one name.
        """
        things: dict[str, Thing] = {}
        folders = imports.load(self.package).__path__
        for module in sorted(info.name for info in pkgutil.iter_modules(folders)):
            held = imports.load(f"{self.package}.{module}")
            for thing in getattr(held, self.attribute, ()):
                if things.setdefault(self.name(thing), thing) is not thing:
                    raise ValueError(f"{self.package}: two are called {self.name(thing)}")
        return things

    def names(self) -> list[str]:
        """Every name there is."""
        return sorted(self.every)

    def find(self, name: str) -> Thing:
        """The thing of a name.

        Raises:
            InputError: there is nothing of that name.
        """
        if name not in self.every:
            raise make_unknown_error(self.key, name, self.every)
        return self.every[name]
