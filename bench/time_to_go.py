"""The time to go that a study prints, beside the time that then went.

    python bench/time_to_go.py [RECIPE] [KEY=VALUE ...] [--cache FOLDER] [--studies FOLDER]

Makes the study and reads the lines that it prints; it stays where `--studies` is given. With
`--cache` it goes by the speeds that earlier studies left there; by default there are none. An error
is the share by which the time it says is above (or below) the one that went; the last half minute
is left out, where seconds are large shares.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RECIPE = Path(__file__).parents[1] / "recipes" / "emoji-eu-quick.yaml"
KNOWN = re.compile(r"about ([\d:]+) to go")
UNKNOWN = re.compile(r"to go: .*what (.*?) will take")
FIRST, LAST = 60.0, 30.0  # seconds that are left out at the beginning and at the end

Line = tuple[float, float | None]
"""Seconds from the beginning, and those said to be left; None where not all are known."""


def read_clock(text: str) -> float:
    """Seconds of a clock such as `2:03:07`."""
    seconds = 0
    for part in text.split(":"):
        seconds = 60 * seconds + int(part)
    return float(seconds)


def follow(command: list[str], environment: dict[str, str]) -> tuple[list[Line], float]:
    """The lines of a study about the time to go, and the seconds that it took."""
    began, lines = time.monotonic(), list[Line]()
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        assert running.stdout
        for line in running.stdout:
            print(line, end="", file=sys.stderr)
            gone = time.monotonic() - began
            if known := KNOWN.search(line):
                lines.append((gone, read_clock(known[1])))
            elif UNKNOWN.search(line):
                lines.append((gone, None))
    if running.returncode:
        sys.exit(f"the study ended with {running.returncode}")
    return lines, time.monotonic() - began


def show(lines: list[Line], whole: float) -> None:
    """Print how far the lines were from what came."""
    counted = [line for line in lines if FIRST <= line[0] <= whole - LAST]
    errors = [(gone, left / (whole - gone) - 1) for gone, left in counted if left is not None]
    print(f"took {whole:.0f} s; {len(counted)} lines after the first {FIRST:.0f} s, of which "
          f"{len(counted) - len(errors)} did not know all")  # fmt: skip
    if not errors:
        return
    print("| part of the time | lines | middle error | largest error |")
    print("|---|--:|--:|--:|")
    parts = [(f"{n} of 4", n - 1, n) for n in range(1, 5)] + [("all", 0, 4)]
    for name, low, high in parts:
        some = [error for gone, error in errors if low <= 4 * gone / whole < high]
        if some:
            middle, most = statistics.median(some), max(some, key=abs)
            print(f"| {name} | {len(some)} | {middle:+.0%} | {most:+.0%} |")
    within = sum(abs(error) <= 0.2 for _, error in errors)
    print(f"{within} of {len(errors)} are within 20 %")


def main() -> None:
    """Make a study and print how near its times to go came."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", nargs="?", type=Path, default=RECIPE)
    parser.add_argument("changes", nargs="*", help="KEY=VALUE, as of `ikusi study`")
    parser.add_argument("--cache", type=Path, help="user's cache, with speeds")
    parser.add_argument("--studies", type=Path, help="folder that it is made in, and stays in")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cache = (asked.cache or Path(folder, "cache")).resolve()
        place = str(asked.studies or folder)
        command = ["ikusi", "study", str(asked.recipe), *asked.changes, "--studies", place]
        show(*follow(command, os.environ | {"XDG_CACHE_HOME": str(cache)}))


if __name__ == "__main__":
    main()
