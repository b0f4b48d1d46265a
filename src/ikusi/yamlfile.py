"""YAML files whose mistakes are reported in one line: file, line, key, expected, found.

Values follow YAML 1.2: ``no`` is a word (the key of a language pack's negative answer) and
``1e-3`` is a number, where PyYAML alone reads a boolean and a string. A file may say
``extends: other.yaml`` and give only what differs.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from ikusi import content, yamltext
from ikusi.errors import InputError

Key = tuple[str | int, ...]
LARGEST = 1e300
"""Of numbers: what comes near the largest float becomes infinite in the next operation."""

AnyModel = TypeVar("AnyModel", bound=BaseModel)


@dataclass(frozen=True)
class Document:
    """The content of a YAML file; ``marks`` gives each key's ``file:line``."""

    data: dict[str, Any]
    marks: dict[Key, str] = field(default_factory=dict)
    name: str = "document"

    def where(self, key: Key) -> str:
        """``file:line`` of a key, or of the nearest key that holds it."""
        while key and key not in self.marks:
            key = key[:-1]
        return self.marks.get(key, self.name)

    def error(self, key: Key, expected: str, actual: str, near: str | None = None) -> InputError:
        """The one-line error for ``key``; ``near`` is the valid name the writer may have meant."""
        hint = f" (did you mean {near}?)" if near else ""
        place = f"{spell(key)}: " if key else ""
        return InputError(f"{self.where(key)}: {place}expected {expected}, found {actual}{hint}")

    def expect(self, key: str, value: str) -> None:
        """Refuse any other value of a key, such as a name left as it is in the extended file."""
        if (actual := self.data.get(key)) != value:
            raise self.error((key,), value, show(actual))


class Section(BaseModel):
    """A part of a settings file: strict, frozen, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def spell(key: Key) -> str:
    """Write a key as people do.

    >>> spell(("grid", "ratios", 2))
    'grid.ratios[2]'
    """
    text = ""
    for part in key:
        name = show(part)
        text += f"[{name}]" if isinstance(part, int) else f".{name}" if text else name
    return text


def suggest(name: str, names: Iterable[str]) -> str | None:
    """The one of ``names`` that looks most like ``name``, if any does."""
    return next(iter(difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)), None)


def read(path: Path, bases: Sequence[Path] = ()) -> Document:
    """Read a YAML mapping, following ``extends``.

    Args:
        path: the file.
        bases: folders where a file that it extends may be, if there is none beside it.

    Raises:
        InputError: the file is absent, is no YAML, is no mapping or gives a key twice.
    """
    return _read(Path(path), bases, seen=())


def _read(path: Path, bases: Sequence[Path], seen: tuple[Path, ...]) -> Document:
    if path.resolve() in seen:
        raise InputError(
            f"{path}: extends: expected a file that does not extend this one, "
            f"found a circle of {len(seen)}"
        )
    own = _parse(path)
    base_name = own.data.pop("extends", None)
    if base_name is None:
        return own
    places = [path.parent, *bases]
    base_path = next(
        (at for at in (place / str(base_name) for place in places) if at.is_file()), None
    )
    if base_path is None:
        near = suggest(str(base_name), (file.name for at in places for file in at.glob("*.yaml")))
        expected = "a file beside this one, or one of Ikusi's"
        raise own.error(("extends",), expected, show(base_name), near)
    return merge(_read(base_path, bases, (*seen, path.resolve())), own)


def _parse(path: Path) -> Document:
    content.expect_plain(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        near = suggest(path.name, (file.name for file in path.parent.glob("*.yaml")))
        hint = f" (did you mean {path.parent / near}?)" if near else ""
        raise InputError(f"{path}: expected a YAML file, found {_reason(error)}{hint}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: expected UTF-8 text, found byte {error.start}") from error
    marks: dict[Key, str] = {}
    try:
        node = yamltext.compose(text)
        marks[()] = f"{path}:1"
        data = {} if node is None else _construct(node, (), str(path), marks)
    except RecursionError as error:
        raise InputError(f"{path}: expected YAML, found too many levels") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        message = f"{path}:{line}: expected YAML, found a syntax error ({error.problem})"
        raise InputError(message) from error
    except yaml.YAMLError as error:
        raise InputError(f"{path}: expected YAML, found {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise InputError(f"{path}:1: expected keys and values, found {show(data)}")
    return Document(data, marks, str(path))


def _reason(error: OSError) -> str:
    return "no such file" if isinstance(error, FileNotFoundError) else str(error.strerror)


def _construct(node: yaml.Node, key: Key, name: str, marks: dict[Key, str]) -> Any:
    """Turn a YAML node into Python values and note the line of every key."""
    marks.setdefault(key, f"{name}:{node.start_mark.line + 1}")
    if isinstance(node, yaml.SequenceNode):
        return [_construct(item, (*key, i), name, marks) for i, item in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return _scalar(node, key, name)
    mapping: dict[str, Any] = {}
    for name_node, value_node in node.value:
        line = name_node.start_mark.line + 1
        if not isinstance(name_node, yaml.ScalarNode):
            raise InputError(f"{name}:{line}: expected a word as the key, found a list or mapping")
        child = (*key, str(name_node.value))
        if child[-1] in mapping:
            raise InputError(
                f"{name}:{line}: {spell(child)}: expected each key once, "
                f"found it again (first at {marks[child]})"
            )
        marks[child] = f"{name}:{line}"
        mapping[str(name_node.value)] = _construct(value_node, child, name, marks)
    return mapping


def _scalar(node: yaml.Node, key: Key, name: str) -> Any:
    value = yamltext.read_scalar(node)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    most, expected = LARGEST, "a finite number"
    if isinstance(value, int):
        most, expected = 2**63 - 1, "a whole number below 2^63"
    if number and not -most <= value <= most:  # nor is NaN
        place = f"{name}:{node.start_mark.line + 1}: {spell(key)}"
        raise InputError(f"{place}: expected {expected}, found {show(value)}")
    return value


def merge(base: Document, changes: Document) -> Document:
    """Lay ``changes`` over ``base``: mappings are joined, all else is replaced."""
    data = dict(base.data)
    marks = base.marks | {(): changes.where(())}

    def lay(into: dict[str, Any], new: Mapping[str, Any], key: Key) -> None:
        for name, value in new.items():
            child = (*key, name)
            if isinstance(value, dict) and isinstance(into.get(name), dict):
                # The mapping stays where it was, so that what it lacks is reported there.
                into[name] = dict(into[name])
                lay(into[name], value, child)
                continue
            into[name] = value
            for old in [mark for mark in marks if mark[: len(child)] == child]:
                del marks[old]
            marks[child] = changes.where(child)
            marks.update({k: m for k, m in changes.marks.items() if k[: len(child)] == child})

    lay(data, changes.data, ())
    return Document(data, marks, changes.name)


def overlay(document: Document, overrides: Sequence[str], known: Iterable[str]) -> Document:
    """Apply ``a.b=value`` overrides, their values read as YAML.

    Args:
        document: what the overrides change.
        overrides: as given on the command line.
        known: every dotted key there is, to name the nearest one to a wrong key.

    Raises:
        InputError: an override is no key=value, names a key twice or one inside a value.
    """
    names, given = sorted(known), set[Key]()
    for text in overrides:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise InputError(f"command line: expected key=value, found {show(text)}")
        key: Key = tuple(part.strip() for part in name.split("."))
        if key in given:
            raise InputError(f"command line: {spell(key)}: expected each key once, found it again")
        given.add(key)
        data = parse_value(value, key)
        for depth in range(1, len(key)):
            held = _get(document.data, key[:depth])
            if held is not None and not isinstance(held, dict):
                key = key[: depth + 1]
                raise InputError(_unknown("command line", key, names))
        change = Document(_nest(key, data), {(): "command line"}, "command line")
        document = merge(document, change)
    return document


def parse_value(text: str, key: Key, name: str = "command line") -> Any:
    """Read the YAML of one value that was given on the command line for `key`.

    Raises:
        InputError: it is no YAML, gives a key twice, or holds a number that is not finite.
    """
    try:
        node = yamltext.compose(text)
        return None if node is None else _construct(node, key, name, {})
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{name}: {spell(key)}: expected YAML, found {show(text)}") from error


def _get(data: Any, key: Key) -> Any:
    for part in key:
        data = data.get(part) if isinstance(data, dict) else None
    return data


def _nest(key: Key, value: Any) -> dict[str, Any]:
    for part in reversed(key):
        value = {part: value}
    return dict(value)


def _unknown(where: str, key: Key, names: Iterable[str]) -> str:
    """The line for a key that does not exist; the whole name counts, then its last part."""
    names = sorted(names)
    full, last = spell(key), show(key[-1])
    near = suggest(full, names) or next(
        (name for name in names if name.rsplit(".", 1)[-1] == last), None
    )
    hint = f" (did you mean {near}?)" if near else ""
    return f"{where}: {full}: expected a known key, found {last}{hint}"


def validate(model: type[AnyModel], document: Document, known: Iterable[str]) -> AnyModel:
    """Build ``model`` from a document.

    Raises:
        InputError: the first mistake, in one line.
    """
    try:
        return model.model_validate(document.data)
    except ValidationError as problem:
        errors = problem.errors()
        # A wrong key explains a missing one, so it is reported first.
        first = min(errors, key=lambda error: error["type"] != "extra_forbidden")
        raise explain(first, document, known) from problem


_EXPECTED = {
    "string_type": "text",
    "string_too_short": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
}


def explain(error: Any, document: Document, known: Iterable[str]) -> InputError:
    """Turn pydantic's account of a mistake into one line of file, key, expected and found."""
    context = error.get("ctx", {})
    # Between brackets stands what pydantic adds: "[key]", and which of several types it tried.
    loc = tuple(part for part in error["loc"] if not str(part).startswith("["))
    key: Key = _without_kinds(loc, document.data) + context.get("key", ())
    kind, actual = error["type"], show(context.get("found", error["input"]))
    if kind == "extra_forbidden":
        return InputError(_unknown(document.where(key), key, known))
    if kind == "missing":
        return document.error(key, "a value", "nothing")
    if kind == "expected":
        return document.error(key, context["expected"], actual, context.get("near"))
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        choices = re.findall(r"'([^']*)'", context.get("expected_tags", "'a kind'"))
        actual = show(context.get("tag"))
        return document.error(
            (*key, "kind"), " or ".join(choices), actual, suggest(actual, choices)
        )
    if kind == "literal_error":
        choices = re.findall(r"'([^']*)'", context["expected"])
        return document.error(key, " or ".join(choices), actual, suggest(actual, choices))
    return document.error(key, _EXPECTED.get(kind) or _bound(kind, context, error), actual)


def _without_kinds(loc: Key, data: Any) -> Key:
    """A place without the kinds that pydantic writes between where one of several models fits."""
    key: list[str | int] = []
    kind_read = False
    for part in loc:
        if isinstance(data, dict) and data.get("kind") == part and not kind_read:
            kind_read = True
            continue
        key.append(part)
        data, kind_read = _inside(data, part), False
    return tuple(key)


def _inside(data: Any, part: str | int) -> Any:
    if isinstance(data, list) and isinstance(part, int) and part < len(data):
        return data[part]
    return data.get(part) if isinstance(data, dict) else None


def _bound(kind: str, context: Mapping[str, Any], error: Mapping[str, Any]) -> str:
    """Say a numeric or length limit in words."""
    limits = {
        "greater_than": f"more than {context.get('gt', 0):g}",
        "greater_than_equal": f"at least {context.get('ge', 0):g}",
        "less_than": f"less than {context.get('lt', 0):g}",
        "less_than_equal": f"at most {context.get('le', 0):g}",
        "too_short": f"at least {context.get('min_length')} in the list",
        "string_pattern_mismatch": f"text like {context.get('pattern')}",
    }
    return limits.get(kind, str(error["msg"]))


def show(value: Any) -> str:
    """Show a value in an error line, on one line and never long."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | dict):
        name = "a list" if isinstance(value, list) else "keys and values"
        return f"{name} of {len(value)}" if isinstance(value, list) else name
    text = " ".join(str(value).split())
    if not text:
        return "empty text"
    return text if len(text) <= 60 else text[:57] + "..."


def list_field_names(model: type[BaseModel], prefix: str = "") -> set[str]:
    """Every dotted key of a model, nested models included."""
    names = set()
    for name, info in model.model_fields.items():
        names.add(prefix + name)
        for inner in _list_models(info.annotation):
            names |= list_field_names(inner, f"{prefix}{name}.")
    return names


def _list_models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in a type, however deep."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _list_models(inner)
