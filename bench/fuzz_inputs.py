"""Spoil every kind of input and see what becomes of it: refused in one line, or as if whole.

    python bench/fuzz_inputs.py [--cases 5000] [--seed 0] [--kind NAME ...]

Takes every shipped YAML file, a corpus of every row type, an evaluation's and a translation's
folder, manifests, features and small models; changes each in one way drawn from a seed (cut,
emptied, deleted, bytes flipped, keys and columns of other kinds, ids twice ...); and reads it by
the public functions that the commands call. A case holds if the outcome is one line that names
the file, or the same to the letter as without the change. It fails with a traceback, with several
lines, or where a change that is known to do harm is accepted. Prints a table, and each failure.
"""

import argparse
import tempfile
import time
from pathlib import Path

from fuzz_cases import Kind, run, table
from fuzz_corpora import CORPORA
from fuzz_folders import FOLDERS
from fuzz_yaml import FILES


def kinds() -> dict[str, Kind]:
    """All kinds of input by name."""
    return {**FILES, **CORPORA, **FOLDERS}


def main() -> None:
    """Try as many cases as asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cases", type=int, default=5000, help="how many in all")
    parser.add_argument("--seed", type=int, default=0, help="of what is done to them")
    parser.add_argument("--kind", nargs="+", choices=kinds(), default=list(kinds()))
    asked = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        chosen = {name: kinds()[name] for name in asked.kind}
        counts = run(
            chosen, asked.cases, asked.seed, Path(folder), lambda line: print(line, flush=True)
        )
    print(table(counts))
    print(f"\nseed {asked.seed}, {time.perf_counter() - started:.0f} s")
    raise SystemExit(any(count.failures for count in counts.values()))


if __name__ == "__main__":
    main()
