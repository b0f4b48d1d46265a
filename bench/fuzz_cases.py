"""A case of an input that is spoiled, how it is judged, and what can be done to any file."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ikusi.errors import InputError

Harm = Literal["refuse", "same", "either", "any"]
"""What must become of a case. refuse: an error; same: the outcome as without; either of both; any:
an error or another good input, such as a recipe cut after a whole line."""


@dataclass(frozen=True)
class Case:
    """An input spoiled in one way: what was done, where, and how it is read."""

    done: str
    where: Path
    read: Callable[[], Any]
    harm: Harm


Cases = Iterator[Case]
Kind = Callable[[Path, random.Random], Cases]
"""Makes cases without end in a folder of its own; each is read before the next is made."""


def judge(case: Case, whole: Any) -> str | None:
    """Read a case; say how it failed, or None if it held."""
    try:
        value = case.read()
    except InputError as error:
        return _refused(case, str(error))
    except Exception as error:
        return f"a traceback: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
    if case.harm == "refuse":
        return "accepted"
    if case.harm in ("same", "either") and value != whole:
        return "accepted, and read otherwise"
    return None


def _refused(case: Case, line: str) -> str | None:
    if "\n" in line:
        return f"an error of several lines: {line[:200]!r}"
    if not {case.where.name, case.where.parent.name, case.where.stem} & set(_words(line)):
        return f"an error that does not name {case.where.name}: {line[:200]}"
    return f"refused: {line[:200]}" if case.harm == "same" else None


def _words(line: str) -> Iterator[str]:
    for word in line.replace("\\", "/").replace(":", " ").replace(",", " ").split():
        yield from word.split("/")
        yield word.rsplit("/", 1)[-1].rsplit(".", 1)[0]


@dataclass
class Count:
    """Outcomes of the cases of one kind."""

    tried: int = 0
    failures: Counter[str] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self.failures = Counter()


def run(
    kinds: Mapping[str, Kind], cases: int, seed: int, folder: Path, report: Callable[[str], None]
) -> dict[str, Count]:
    """Try so many cases in all, as many of each kind; returns what became of them."""
    counts = {}
    share, more = divmod(cases, len(kinds))
    for place, (name, kind) in enumerate(kinds.items()):
        rng = random.Random(f"{seed} {name}")
        own = folder / name.replace(" ", "-")
        own.mkdir()
        made = kind(own, rng)
        whole = next(made).read()
        count = counts[name] = Count()
        for _ in range(share + (place < more)):
            case = next(made)
            count.tried += 1
            if problem := judge(case, whole):
                count.failures[problem.split(":")[0]] += 1
                report(f"{name}: {case.where.name}: {case.done} ({case.harm}): {problem}")
    return counts


# What can be done to the bytes of any file.


def bytes_spoiled(data: bytes, rng: random.Random) -> tuple[str, bytes | None]:
    """A way of damaging a file, and what is left of it; None where it is deleted."""
    at = rng.randrange(max(len(data), 1))
    done = rng.choice(["delete", "empty", "cut", "flip", "zeros", "text"])
    if done == "delete":
        return done, None
    if done == "cut":
        return f"cut at {at} of {len(data)}", data[:at]
    if done == "flip":
        return f"flip a bit of byte {at}", flipped(data, at, rng)
    if done == "zeros":
        return f"zeros from {at}", data[:at] + bytes(len(data) - at)
    return done, b"" if done == "empty" else b"not what it was"


def flipped(data: bytes, at: int, rng: random.Random) -> bytes:
    """The same bytes with one bit of one of them turned."""
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


def put(path: Path, data: bytes | None) -> None:
    """Write a file, or delete it; `path` may be a link to what must stay as it is."""
    path.unlink(missing_ok=True)
    if data is not None:
        path.write_bytes(data)


def table(counts: Mapping[str, Count]) -> str:
    """The counts, as Markdown."""
    lines = ["| kind of input | tried | held | failed |", "|---|---:|---:|---:|"]
    rows = [(name, count.tried, count.failures.total()) for name, count in counts.items()]
    rows.append(("all", sum(row[1] for row in rows), sum(row[2] for row in rows)))
    lines += [f"| {name} | {n:,} | {n - failed:,} | {failed} |" for name, n, failed in rows]
    return "\n".join(lines)
