"""Cost of computing every figure of a large table of judgements.

    python bench/judgements.py --judgements 100000

Makes a table in which four people and a judge compare three models and validate rows (with changed
minds, ties, skipped items, both orders), then computes all figures in a process of its own, as
`ikusi judgements report` does. Printed are its processor time and peak memory, of several
runs the quickest: other work on a machine only adds to it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import numpy as np

from ikusi.judgements import Judgement, append

PEOPLE = ("a", "b", "c", "d")
PAIRS = list(permutations(("first", "second", "third"), 2))

MEASURED = """
import json, os, sys
sys.path.insert(0, sys.argv[2])
import memory
from pathlib import Path
from ikusi.judgements import read
from ikusi.judgements.figures import compute
from ikusi.report import judgements
started = os.times()
found = compute(read(Path(sys.argv[1])))
tables = judgements.make_tables(found)
ended = os.times()
print(json.dumps({
    "rows": found.rows, "replaced": found.replaced,
    "cells": sum(len(table.rows) for table in tables),
    "seconds": ended.user + ended.system - started.user - started.system,
    "mib": memory.peak_mib(),
}))
"""


def made_up(count: int) -> Iterator[Judgement]:
    """So many judgements, of which one in ten changes an earlier one."""
    draw = np.random.default_rng(0)
    verdicts = {"compare": ("A", "tie", "B"), "validate": ("accept", "reject")}
    for number in range(count):
        item, rater = divmod(number % (count * 9 // 10), 5)
        task = "validate" if item % 3 == 0 else "compare"
        chances = [0.85, 0.15] if task == "validate" else [0.25, 0.5, 0.25]
        verdict = str(draw.choice(verdicts[task], p=chances))
        left, right = PAIRS[item % 6] if task == "compare" else ("", "")
        yield Judgement(
            benchmark="wildvision" if task == "compare" else "vqav2",
            language="eu",
            id=f"row-{item}",
            task=task,
            rater="judge" if rater == 4 else PEOPLE[rater],
            kind="model" if rater == 4 else "simulated",
            left=left,
            right=right,
            verdict="skipped" if draw.random() < 0.01 else verdict,
            criteria={"relevance": verdict, "quality": verdict, "language": verdict},
            seconds=float(round(draw.exponential(20), 1)),
            made=f"2026-11-28T10:00:00.{number:06}Z",
        )


def main() -> None:
    """Print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--judgements", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder, "table")
        append(table, made_up(asked.judgements))
        size = (table / "judgements.jsonl").stat().st_size
        command = [sys.executable, "-c", MEASURED, str(table), str(Path(__file__).parent)]
        runs = []
        for _ in range(asked.runs):
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            runs.append(json.loads(done.stdout))
    fastest = min(runs, key=lambda run: run["seconds"])
    print(json.dumps({"judgements": asked.judgements, "table_mb": round(size / 1e6, 1), **fastest}))


if __name__ == "__main__":
    main()
