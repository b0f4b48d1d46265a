"""The source code that a function's results come from, read without running it.

From the function on, every top-level definition that is named is followed through all modules of
its package. Each is known by a digest of its syntax tree. What cannot change a number is left out:
formatting, comments, docstrings, annotations of functions, error messages, log lines, imports, and
the modules in `BESIDE`. Nor does it matter in which module a definition lies.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

BESIDE = frozenset(
    {"catalogue", "claim", "content", "disk", "errors", "lock", "processes", "terminal"}
)
"""Modules and packages, wherever they lie, that only find or keep files and speak to people."""

SHOWING = frozenset({"matplotlib", "rich"})
"""Libraries that draw or print: so does a module that imports one of them."""

SEARCHING = frozenset({"import_module", "iter_modules", "__import__", "Modules"})
"""What finds modules by name (`Modules` is the catalogue's): a module that calls one may use all
that are beside or below it."""

TEMPLATES = "templates/*.jinja"
Reference = tuple[str, str]
"""A module's name and that of a definition in it; without the latter, all of the module."""


@dataclass
class Module:
    """The statements at a module's top level, by the names that they bind.

    Attributes:
        bound: name -> the statements that give it its value.
        loose: statements that bind nothing, and run when the module is imported.
        imports: name -> what of the package it stands for, here or in a function.
        shows: it draws or prints.
    """

    bound: dict[str, list[ast.stmt]] = field(default_factory=dict)
    loose: list[ast.stmt] = field(default_factory=list)
    imports: dict[str, set[Reference]] = field(default_factory=dict)
    shows: bool = False


class Package:
    """The modules of a package, each read when it is asked for.

    Args:
        root: its folder, or its file if it is a single module.
    """

    def __init__(self, root: Path) -> None:
        self.name, self.root = root.stem, root if root.is_dir() else root.parent
        files = {self._module_name(root, path): path for path in root.rglob("*.py")}
        self._files = files if root.is_dir() else {self.name: root}
        self._modules: dict[str, Module] = {}
        self._written: dict[tuple[str, ast.stmt], _Writer] = {}

    @staticmethod
    def _module_name(root: Path, path: Path) -> str:
        parts = [root.stem, *path.relative_to(root).with_suffix("").parts]
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def __contains__(self, name: str) -> bool:
        return name.partition(":")[0] in self._files

    def files(self) -> list[Path]:
        """All files that a fingerprint may depend on."""
        folders = {path.parent for path in self._files.values()}
        return [*self._files.values(), *(path for at in folders for path in at.glob(TEMPLATES))]

    def module(self, name: str) -> Module:
        """A module by its name."""
        if name not in self._modules:
            text = self._files[name].read_text(encoding="utf-8")
            self._modules[name] = _read(text, self.name)
        return self._modules[name]

    def write_statement(self, name: str, statement: ast.stmt) -> _Writer:
        """A top-level statement of a module in the form that is compared."""
        key = (name, statement)
        if key not in self._written:
            self._written[key] = _Writer(self, self.module(name), name)
            self._written[key].write(statement)
        return self._written[key]

    def around(self, name: str) -> list[str]:
        """The modules that are beside or below a module."""
        is_package = self._files[name].stem == "__init__"
        place = name if is_package else name.rpartition(".")[0]
        return [other for other in self._files if other.startswith(f"{place}.")]

    def templates(self, name: str) -> Iterator[str]:
        """The texts of the chat templates that a module has in `templates/` beside it."""
        for path in sorted(self._files[name].parent.glob(TEMPLATES)):
            yield path.read_text(encoding="utf-8")

    def find_references(self, imports: Iterable[Reference]) -> Iterator[Reference]:
        """Yield what a module's imports refer to in the package: modules, or names in modules."""
        for module, name in imports:
            if f"{module}.{name}" in self:
                yield f"{module}.{name}", ""
            elif module in self:
                yield module, name


def _read(text: str, package: str) -> Module:
    module, tree = Module(), ast.parse(text)
    for node in ast.walk(tree):
        for name, target in _list_imported(node):
            if target[0].split(".")[0] == package:
                module.imports.setdefault(name, set()).add(target)
            module.shows |= target[0].split(".")[0] in SHOWING
    for statement in _running(tree.body):
        names = set(_names_bound(statement))
        for name in names:
            module.bound.setdefault(name, []).append(statement)
        if not names and not isinstance(statement, ast.Import | ast.ImportFrom):
            module.loose.append(statement)
    return module


def _list_imported(node: ast.AST) -> Iterator[tuple[str, Reference]]:
    """The names that an import binds, and what each stands for: a module and a name in it."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            whole = alias.name if alias.asname else alias.name.split(".")[0]
            yield alias.asname or whole, (whole, "")
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            yield alias.asname or alias.name, (node.module or "", alias.name)


def _running(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that do something when they run: no text alone, nothing for type checkers."""
    for statement in body:
        text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        typing = isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.dump(statement.test)
        if not text and not typing:
            yield statement


def _names_bound(statement: ast.stmt) -> Iterator[str]:
    """The names that a top-level statement gives a value."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
        return
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


@dataclass
class _Writer:
    """Writes a statement so that two that compute the same way are the same text.

    Attributes:
        references: what of the package it names.
        searches: it finds modules by name.
    """

    package: Package
    module: Module
    name: str
    references: set[Reference] = field(default_factory=set)
    parts: list[str] = field(default_factory=list)
    searches: bool = False

    def write(self, node: ast.AST, *, in_class: bool = False) -> None:
        """Write a node and all below it, but what cannot change a number."""
        if isinstance(node, ast.Name | ast.Attribute) and self._refers(node):
            return
        if isinstance(node, ast.Constant):
            self.parts.append(repr(node.value))
            return
        self.parts.append(f"{type(node).__name__}(")
        for key, value in self._fields(node, in_class):
            self._field(key, value, isinstance(node, ast.ClassDef))
        self.parts.append(")")

    def _field(self, key: str, value: object, in_class: bool) -> None:
        self.parts.append(f"{key}=")
        values: list[Any] = value if isinstance(value, list) else [value]
        if key in ("body", "orelse", "finalbody"):
            values = [one for one in _running(values) if not _is_beside(one)]
        for one in values:
            if isinstance(one, ast.AST):
                self.write(one, in_class=in_class)
            else:
                self.parts.append(repr(one))
            self.parts.append(",")

    def _fields(self, node: ast.AST, in_class: bool) -> Iterator[tuple[str, object]]:
        dropped = {"ctx", "kind", "type_comment", "returns", "type_params"}
        if isinstance(node, ast.arg) or (isinstance(node, ast.AnnAssign) and not in_class):
            dropped |= {"annotation", "simple"}
        if isinstance(node, ast.Assert):
            dropped.add("msg")
        for key, value in ast.iter_fields(node):
            if key == "exc" and isinstance(value, ast.Call):
                value = value.func  # what is wrong counts, not its wording
            if key == "keywords":
                value = [one for one in value if one.arg != "description"]
            if key not in dropped and value is not None and value != []:
                yield key, value

    def _refers(self, node: ast.Name | ast.Attribute) -> bool:
        """Write what a name or a dotted name stands for, if that is of the package."""
        root: ast.expr = node
        chain: list[str] = []
        while isinstance(root, ast.Attribute):
            chain.insert(0, root.attr)
            root = root.value
        if not isinstance(root, ast.Name):
            return False
        targets = self.module.imports.get(root.id, set())
        if root.id in self.module.bound:
            targets = {*targets, (self.name, root.id)}
        self.searches |= not SEARCHING.isdisjoint([root.id, *chain])
        if not targets:
            return False
        self.parts.append(" or ".join(sorted({self._follow(one, chain) for one in targets})))
        return True

    def _follow(self, target: Reference, chain: Sequence[str]) -> str:
        """Note what a name and those after its dots mean, and return that without its place."""
        module, name = target
        names = [name, *chain] if name else [*chain]
        while names and f"{module}.{names[0]}" in self.package:
            module = f"{module}.{names.pop(0)}"
        if module in self.package:
            self.references.add((module, names[0] if names else ""))
        return ".".join(names) or module.rpartition(".")[2]


def _is_beside(statement: ast.stmt) -> bool:
    """Whether a statement only imports, or only writes a line to a log."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return True
    call = statement.value if isinstance(statement, ast.Expr) else None
    function = call.func if isinstance(call, ast.Call) else None
    owner = function.value if isinstance(function, ast.Attribute) else None
    return isinstance(owner, ast.Name) and owner.id == "logger"


@dataclass
class Reach:
    """The code that a function reaches: digests of definitions, by the module that holds them."""

    package: Package
    digests: dict[str, set[str]] = field(default_factory=dict)
    _seen: set[Reference] = field(default_factory=set)

    def add(self, start: Reference) -> None:
        """Take in a definition and all that it names, directly or not."""
        waiting = [start]
        while waiting:
            reference = waiting.pop()
            beside = not BESIDE.isdisjoint(reference[0].split("."))
            if reference not in self._seen and not beside:
                self._seen.add(reference)
                waiting += self._take(*reference)

    def _take(self, name: str, wanted: str) -> Iterator[Reference]:
        """Note a definition, or a whole module, and return what it names."""
        module = self.package.module(name)
        if wanted and wanted not in module.bound:  # it passes on what another one defines
            yield from self.package.find_references(module.imports.get(wanted, ()))
            return
        if name not in self.digests:
            self.digests[name] = set(map(_digest, self.package.templates(name)))
            yield from self._note(name, module.loose)
        for bound in [wanted] if wanted else module.bound:
            yield from self._note(name, module.bound[bound])

    def _note(self, name: str, code: Iterable[ast.stmt]) -> Iterator[Reference]:
        for statement in code:
            writer = self.package.write_statement(name, statement)
            if not self.package.module(name).shows:
                self.digests[name].add(_digest("".join(writer.parts)))
            yield from writer.references
            if writer.searches:
                yield from ((other, "") for other in self.package.around(name))


def find_reached(function: str, package: Package) -> dict[str, set[str]]:
    """The modules that the results of `module:name` come from, with digests of what is used."""
    module, _, name = function.partition(":")
    reach = Reach(package)
    reach.add((module, name))
    return {name: digests for name, digests in reach.digests.items() if digests}


def fingerprint(function: str, package: Package) -> str:
    """All code that the results of `module:name` come from, as 16 hexadecimal digits."""
    return join_digests(set().union(*find_reached(function, package).values()))


def join_digests(digests: Iterable[str]) -> str:
    """Some digests as one, in whatever order they come and however often."""
    return _digest(" ".join(sorted(set(digests))))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def find_installed(name: str) -> Package | None:
    """A package as it is installed; None where there is none, or no file of it."""
    spec = find_spec(name)
    if spec is None or not (spec.has_location or spec.submodule_search_locations):
        return None
    folders = list(spec.submodule_search_locations or ())
    return Package(Path(folders[0] if folders else str(spec.origin)))
