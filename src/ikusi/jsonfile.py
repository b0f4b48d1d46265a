"""JSON files read with what they must hold: a wrong one is one line of file, key and value."""

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from ikusi import yamlfile
from ikusi.content import expect_plain
from ikusi.errors import InputError

Shape = TypeVar("Shape")


class Record(BaseModel):
    """Keys that a JSON object must have; further keys are ignored."""

    model_config = ConfigDict(frozen=True, strict=True)


def read(path: Path, shape: type[Shape], expected: str = "a JSON file") -> Shape:
    """Read a JSON file whose content is of a type, such as ``dict[str, int]`` or a ``Record``.

    Values are taken as they stand: ``"1"`` is no number.

    Raises:
        InputError: the file is absent, cut or no JSON, or its content is of another type.
    """
    held: Shape = _validate(path, shape, _content(path, expected))
    return held


def read_plain(path: Path, shape: Any, expected: str = "a JSON file") -> Any:
    """The same, as plain values with all their keys."""
    content = _content(path, expected)
    _validate(path, shape, content)
    return content


def _content(path: Path, expected: str) -> Any:
    expect_plain(path)
    try:
        return json.loads(path.read_bytes(), parse_constant=_refuse)
    except FileNotFoundError:
        raise InputError(f"{path}: expected {expected}, found no such file") from None
    except OSError as error:
        raise InputError(f"{path}: expected {expected}, found {error.strerror}") from None
    except RecursionError:
        raise InputError(f"{path}: expected {expected}, found too many levels") from None
    except ValueError as error:
        actual = "an empty file" if not path.stat().st_size else f"no JSON: {error}"
        raise InputError(f"{path}: expected {expected}, found {actual}") from None


def _validate(path: Path, shape: Any, content: Any) -> Any:
    try:
        return TypeAdapter(shape).validate_python(content, strict=True)
    except ValidationError as problem:
        mapping = content if isinstance(content, dict) else {}
        document = yamlfile.Document(mapping, {}, str(path))
        raise yamlfile.explain(problem.errors()[0], document, ()) from None


def read_object(path: Path, expected: str = "a JSON file") -> dict[str, Any]:
    """Read a JSON file that holds an object."""
    return read(path, dict[str, Any], expected)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")
