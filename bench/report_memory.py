"""Peak memory and processor time of `ikusi report` on a large study.

    .venv/bin/python bench/report_memory.py --rows 60000

The study never ran: the default recipe's 16 runs are written with answers of chosen quality by the
writers that a real study uses (tests/compare/studies.py), `--rows` a run. `--source` names the
`src` of another checkout, for a comparison in turns on the same folder.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from compare.studies import Folder  # noqa: E402
from ikusi.recipe import Run  # noqa: E402

MEASURED = """
import os, sys
import memory
from ikusi import cli
try:
    cli.main(sys.argv[1:])
finally:
    took = os.times()
    print(memory.peak_mib(), took.user + took.system)
"""


def skill(run: Run | None, bench: str, code: str) -> float:
    """More of a language in training, more right answers in it; a bare backbone has half."""
    if run is None:
        return 0.5
    share = run.ratio if code == "eu" else 1 - run.ratio
    return 0.4 + 0.4 * share


def write(folder: Path, rows: int) -> int:
    """Write a study with about ``rows`` rows a run; return how many a run has."""
    made = Folder(folder, pictures=1)
    each = 3 * len(made.packs) * len(made.recipe.benchmarks)  # of one picture
    made.pictures = max(1, round(rows / each))
    made.measure(skill, noise=0.3)
    made.train()
    return made.pictures * each


def report(folder: Path, output: Path, source: Path) -> tuple[float, float]:
    """Peak memory in MiB and processor seconds of one report."""
    command = [sys.executable, "-c", MEASURED, "report", str(folder), "--output", str(output)]
    places = os.pathsep.join([str(source), str(Path(__file__).parent)])
    environment = {**os.environ, "PYTHONPATH": places, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    mib, seconds = done.stdout.splitlines()[-1].split()
    return float(mib), float(seconds)


def main() -> None:
    """Write the study, report on it, print what that took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=60_000, help="of each run")
    parser.add_argument("--source", type=Path, default=ROOT / "src", help="the code that reports")
    parser.add_argument("--keep", type=Path, help="the study: made here, or used if it is there")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as aside:
        folder = asked.keep or Path(aside) / "study"
        if not folder.exists():
            print(f"{write(folder, asked.rows):,} rows a run")
        memory, seconds = report(folder, Path(aside) / "report", asked.source.resolve())
        print(f"{memory:,.0f} MiB at most, {seconds:,.0f} s of processor time")


if __name__ == "__main__":
    main()
