"""The code that made a result, and whether the code of today gives the same numbers.

`code.json` beside this file holds, for each function of a step, its version, the fingerprint of
its code (`ikusi.study.source`) and those of earlier code that gave the same numbers. A test holds
it to the code as it is; `ikusi.study.recording` writes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from ikusi import content, jsonfile
from ikusi.study import source
from ikusi.study.graph import State, Step

RECORD = Path(__file__).with_name("code.json")
NAMED = 3  # steps of a kind that a line names one by one


class Known(jsonfile.Record):
    """The record of a step's function.

    Attributes:
        version: part of the fingerprint of all that it makes.
        code: fingerprint of its code.
        same_numbers: those of earlier code that gave the same numbers, at this version.
    """

    version: int
    code: str
    same_numbers: list[str]


class Record(jsonfile.Record):
    """The content of `code.json`: functions, `module:name`, and digests of modules they reach."""

    functions: dict[str, Known]
    modules: dict[str, str]


def read_record(path: Path | None = None) -> Record:
    """The content of `code.json`, or of another file like it."""
    return jsonfile.read(path or RECORD, Record, "the record of the code of steps")


def list_versions() -> dict[str, int]:
    """The version of each step's function, `module:name`."""
    return {function: known.version for function, known in read_record().functions.items()}


def hash_functions(functions: Iterable[str]) -> dict[str, str]:
    """Fingerprint of the code of each function, `module:name`, that can be found.

    To read the code takes a second or two; what comes out is kept until a file of it changes.
    """
    packages: dict[str, list[str]] = {}
    for function in sorted(set(functions)):
        packages.setdefault(function.partition(".")[0].partition(":")[0], []).append(function)
    digests: dict[str, str] = {}
    for name, group in packages.items():
        if package := source.find_installed(name):
            there = [function for function in group if function in package]
            read = partial(_read, there, package)
            made = content.hash_derived(package.files(), package.root, " ".join(there), read)
            digests |= zip(there, made.split(), strict=True)
    return digests


def _read(functions: Sequence[str], package: source.Package) -> str:
    return " ".join(source.fingerprint(function, package) for function in functions)


def compare(steps: Sequence[Step], states: Mapping[str, State]) -> None:
    """Note of each finished step whether other code made it; what has no record stays unknown."""
    finished = [step for step in steps if states[step.name].made_by]
    if not finished:
        return
    now, known = hash_functions(step.function for step in finished), read_record().functions
    for step in finished:
        alike = {now.get(step.function)}
        if (about := known.get(step.function)) and about.code in alike:
            alike.update(about.same_numbers)
        states[step.name].other_code = not alike.issuperset(states[step.name].made_by)


def describe_changed(names: Sequence[str]) -> str:
    """One line about steps that other code made.

    >>> describe_changed(["data", "align/english"])
    'made by other code, and kept: data, align/english (--redo makes them anew)'
    """
    kinds: dict[str, list[str]] = {}
    for name in names:
        kinds.setdefault(name.split("/")[0], []).append(name)
    parts = [
        ", ".join(group) if len(group) <= NAMED else f"{len(group)} of {kind}/*"
        for kind, group in kinds.items()
    ]
    return f"made by other code, and kept: {', '.join(parts)} (--redo makes them anew)"
