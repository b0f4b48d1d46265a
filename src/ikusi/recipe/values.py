"""Types of single values of a recipe, and the errors that report wrong ones."""

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from ikusi import yamlfile
from ikusi.errors import InputError


def make_error(expected: str, key: yamlfile.Key = (), **context: Any) -> PydanticCustomError:
    """A mistake that is reported as ``expected ..., found ...``; ``key`` is below the field at
    hand."""
    return PydanticCustomError(
        "expected", "{expected}", {"expected": expected, "key": key, **context}
    )


def _share(value: float) -> float:
    if not 0 <= value <= 1:
        raise make_error("a share between 0 and 1")
    return value


def check_worker_count(value: object) -> object:
    """Check a number of workers; `auto` is one."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if value == "auto" or (whole and int(str(value)) >= 1):
        return value
    raise make_error("auto or a whole number of at least 1")


def _model(value: str) -> str:
    name, at, revision = value.partition("@")
    pinned = re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name) and re.fullmatch(r"[\w./-]+", revision)
    if at and not pinned and not Path(value).is_dir():
        raise make_error("a folder, or a hub id as NAME or NAME@REVISION")
    return value


def _corpus(value: str) -> str:
    if value.startswith("hub:") and not re.fullmatch(r"hub:[\w.-]+/[\w.-]+@[\w./-]+", value):
        raise make_error("hub:ORG/NAME@REVISION, so that it stays the same")
    return value


NAME = "a name of letters, digits, dots and dashes"
LONGEST_NAME = 100  # bytes, so that every file system takes it with an ending


def is_name(value: object) -> bool:
    """Whether a value can become the name of a file or folder, and of nothing outside its place."""
    return (
        isinstance(value, str)
        and re.fullmatch(r"\w[\w.-]*", value) is not None
        and len(value.encode()) <= LONGEST_NAME
    )


def check_name(value: object, what: str) -> None:
    """Refuse what is no name (`is_name`); `what` says what it was given as.

    Raises:
        InputError: it is no name.
    """
    if not is_name(value):
        raise InputError(f"{what}: expected {NAME}, found {yamlfile.show(value)}")


def _plain_name(value: str) -> str:
    if not is_name(value):
        raise make_error(NAME)
    return value


def check_path_of_names(value: str) -> str:
    """Check that a value is one name or several with slashes between, such as `miniature/vqa`."""
    if not all(map(is_name, value.split("/"))):
        raise make_error(f"{NAME}, or several with slashes between")
    return value


def check_no_repeats(values: list[Any]) -> list[Any]:
    """Check that no entry is there twice."""
    for i, value in enumerate(values):
        if value in values[:i]:
            raise make_error("each entry once", (i,), found=value)
    return values


Share = Annotated[float, AfterValidator(_share)]
Name = Annotated[str, AfterValidator(_plain_name)]
Text = Annotated[str, Field(min_length=1)]
Model = Annotated[Text, AfterValidator(_model)]
Corpus = Annotated[Text, AfterValidator(_corpus)]
Positive = Annotated[float, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]  # NumPy takes no other
