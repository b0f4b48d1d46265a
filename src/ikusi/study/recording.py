"""Records which code the steps of a study are made by: `python -m ikusi.study.recording`.

After a change that keeps every number as it was, `same-numbers` records its code beside that of
before; after one that does not, `raise-version` has results made anew.
"""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from ikusi import artifact
from ikusi.errors import InputError
from ikusi.study import code, source
from ikusi.study.code import Known, Record
from ikusi.terminal import say

COMMAND = "python -m ikusi.study.recording"
WORDS = ("same-numbers", "raise-version")


def find_changes(package: source.Package, record: Record) -> dict[str, list[str]]:
    """Functions whose code is not the recorded one, each with the modules that changed."""
    before, now = record.modules, hash_modules(package, record.functions)
    new = {name for name, digest in now.items() if digest not in before.values()}
    gone = {name for name, digest in before.items() if digest not in now.values()}
    return {
        function: sorted(new.intersection(source.find_reached(function, package)) or gone)
        for function, known in record.functions.items()
        if source.fingerprint(function, package) != known.code
    }


def hash_modules(package: source.Package, functions: Iterable[str]) -> dict[str, str]:
    """The modules that functions reach, each with a digest of what they use of it."""
    reached: dict[str, set[str]] = {}
    for function in functions:
        for name, digests in source.find_reached(function, package).items():
            reached.setdefault(name, set()).update(digests)
    return {name: source.join_digests(digests) for name, digests in sorted(reached.items())}


def describe_changes(changes: dict[str, list[str]]) -> str:
    """One line about code that changed, with the command that records it."""
    places = sorted({name for names in changes.values() for name in names})
    return (
        f"the code of {', '.join(changes)} changed in {', '.join(places)}:"
        f" run `{COMMAND} same-numbers`, or, if it gives others, `{COMMAND} raise-version`"
    )


def record(path: Path, package: source.Package, functions: Sequence[str], *, same: bool) -> None:
    """Write down the code of functions as it is now, with the same or a raised version."""
    known = dict(code.read_record(path).functions)
    for function in functions:
        then, now = known.get(function), source.fingerprint(function, package)
        if then is None:
            known[function] = Known(version=1, code=now, same_numbers=[])
        elif same:
            known[function] = Known(
                version=then.version, code=now, same_numbers=[*then.same_numbers, then.code]
            )
        else:
            known[function] = Known(version=then.version + 1, code=now, same_numbers=[])
    artifact.write_json(path, Record(functions=known, modules=hash_modules(package, known)))


def main(words: Sequence[str]) -> None:
    """Record the code of functions, `module:name`; by default of all whose code has changed."""
    if not words or words[0] not in WORDS:
        expected, actual = " or ".join(WORDS), " ".join(words) or "nothing"
        raise InputError(f"{COMMAND}: expected {expected}, found {actual}")
    package = source.find_installed("ikusi")
    assert package is not None  # it runs
    functions = words[1:] or list(find_changes(package, code.read_record()))
    record(code.RECORD, package, functions, same=words[0] == WORDS[0])
    say(f"recorded: {', '.join(functions) or 'nothing, as no code has changed'}")


if __name__ == "__main__":
    main(sys.argv[1:])
