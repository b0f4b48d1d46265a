"""Cost of a translation job beside its engine's: rows a second, memory, and that of kills.

    python bench/translate_job.py [--rows 10000 1000000] [--kills 20]

The engine answers at once (it looks words up), so that what is timed is the job: reading the
corpus, finding repeated rows, checking, writing shards, putting the new corpus together. Every
size runs in a process of its own, for its peak of memory. Then a job with a journal is killed at
random moments again and again, and its corpus compared with an undisturbed run's.
"""

import argparse
import json
import platform
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ikusi import artifact
from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.translate.contract import Attempt, Check, Outcome, Row
from ikusi.translate.engines.command import Command
from ikusi.translate.gather import gather
from ikusi.translate.job import Job
from ikusi.translate.settings import Checks, Translation

# Nouns and places, English and Galician, of which captions are made.
WORDS = {
    "a man": "un home", "a woman": "unha muller", "a child": "un neno", "a dog": "un can",
    "a cat": "un gato", "a horse": "un cabalo", "a bird": "un paxaro", "a boat": "un barco",
    "walks": "camiña", "sleeps": "dorme", "waits": "agarda", "plays": "xoga", "looks": "mira",
    "in the street": "na rúa", "on the beach": "na praia", "in the kitchen": "na cociña",
    "near the river": "preto do río", "under the tree": "baixo a árbore",
    "in the morning": "pola mañá", "in the evening": "pola tarde", "at night": "de noite",
}  # fmt: skip
THINGS, ACTS, PLACES, TIMES = (list(WORDS)[a:b] for a, b in ((0, 8), (8, 13), (13, 18), (18, 21)))


class Instant:
    """An engine that takes no time: it knows the captions' parts."""

    name = "instant"

    def __init__(self, costly: bool, wait: float = 0.0) -> None:
        self.costly, self.wait = costly, wait

    def list_learnt(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def settings(self) -> dict[str, Any]:
        """Nothing that changes."""
        return {"kind": "instant"}

    def tokens(self, row: Row) -> tuple[int, int]:
        """Nothing is estimated."""
        return 0, 0

    def translate(self, rows: Iterable[Row], check: Check) -> Iterator[Outcome]:
        """Look every part up; every hundredth caption is refused."""
        for row in rows:
            time.sleep(self.wait) if self.wait else None
            parts = row.texts[0].split(", ")
            translated = ", ".join([WORDS.get(part, part) for part in parts])
            verdict = check(row, [translated])
            if verdict.refused or row.place % 100 == 99:
                attempt = Attempt(
                    translated, verdict.refused or "engine: expected words, found none"
                )
                yield Outcome(row.place, None, attempts=(attempt,))
            else:
                yield Outcome(row.place, [translated], flags=verdict.flags)

    def close(self) -> None:
        """Nothing is held."""


def corpus(folder: Path, rows: int) -> None:
    """Captions, all different."""
    chance = random.Random(0)
    kinds = (THINGS, ACTS, PLACES, TIMES)
    with CorpusWriter(folder, "caption", ["en"]) as writer:
        for number in range(rows):
            text = ", ".join([*(chance.choice(kind) for kind in kinds), f"number {number}"])
            writer.add_row(f"row-{number}", None, {"en": {"text": text}})


def settings(language_check: bool, shard_rows: int) -> Translation:
    """Default checks, with or without language identification."""
    return Translation(
        name="bench",
        language="gl",
        engine=Command(kind="command", command=["none"]),
        checks=Checks(language="refuse" if language_check else "off", distractors=["es", "pt"]),
        shard_rows=shard_rows,
    )


def job(folder: Path, engine: Instant, language_check: bool = True, shard_rows: int = 4096) -> Job:
    """The job of a bench folder."""
    made = settings(language_check, shard_rows)
    return Job(made, Corpus.open(folder / "corpus"), folder / "work", engine)


def measured(folder: Path, language_check: bool) -> dict[str, float]:
    """Rows a second and peak memory of a whole job."""
    started = time.perf_counter()
    made = job(folder, Instant(costly=False), language_check)
    made.run()
    counts = gather(made, folder / "out")
    seconds = time.perf_counter() - started
    assert counts["rows_in"] == counts["rows"] + counts["quarantined"], counts
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"rows": counts["rows_in"], "rows_per_second": counts["rows_in"] / seconds, "mib": peak}


def in_own_process(*arguments: object) -> dict[str, float]:
    """Run this script for one measurement."""
    command = [sys.executable, __file__, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def killed(folder: Path, kills: int) -> tuple[int, bool]:
    """Kill a slow job at random moments; returns its kills and whether the outcome is the same."""
    corpus(folder / "corpus", 4000)
    happened = 0
    for _ in range(kills):
        worker = subprocess.Popen([sys.executable, __file__, "--slow", str(folder)])
        try:
            worker.wait(1.5 + random.random())
        except subprocess.TimeoutExpired:
            worker.send_signal(signal.SIGKILL)
            worker.wait()
            happened += 1
    made = job(folder, Instant(costly=True), shard_rows=64)
    made.run()
    gather(made, folder / "out")
    calm = Job(made.settings, made.plan.corpus, folder / "calm", Instant(costly=True))
    calm.run()
    gather(calm, folder / "calm-out")
    return happened, all(
        _table(folder / "out", name).equals(_table(folder / "calm-out", name))
        for name in ("en", "gl", "quarantine")
    )


def _table(folder: Path, name: str) -> pa.Table:
    return pq.read_table(folder / f"{name}.parquet")


def main() -> None:
    """Print the tables of docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--slow", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.slow:
        job(asked.slow, Instant(costly=True, wait=0.005), shard_rows=64).run()
    elif asked.measure:
        print(json.dumps(measured(Path(asked.measure[0]), asked.measure[1] == "True")))
    else:
        _tables(asked.rows, asked.kills)


def _tables(sizes: list[int], kills: int) -> None:
    print("| rows | language identified | rows/s | peak memory, MiB |\n|--:|---|--:|--:|")
    for rows in sizes:
        with tempfile.TemporaryDirectory() as folder:
            corpus(Path(folder) / "corpus", rows)
            for language_check in (False, True):
                measured = in_own_process("--measure", folder, language_check)
                cells = f"{measured['rows_per_second']:,.0f} | {measured['mib']:,.0f}"
                print(f"| {rows:,} | {'yes' if language_check else 'no'} | {cells} |", flush=True)
                for name in ("work", "out"):
                    subprocess.run(["rm", "-rf", f"{folder}/{name}"], check=True)
    with tempfile.TemporaryDirectory() as folder:
        happened, same = killed(Path(folder), kills)
        print(f"killed {happened} times: the corpus is {'the same' if same else 'ANOTHER'}")
    versions = artifact.list_versions()
    print(f"ikusi {versions['ikusi']}, pyarrow {versions['pyarrow']}, Python {versions['python']}")
    print(platform.platform(), platform.processor())
    sys.exit(not same)


if __name__ == "__main__":
    main()
