"""Time and memory of a release of a corpus, beside a plain copy of its files on the same disk.

    python bench/publish.py --rows 100000 --pictures 10000

Makes a corpus of made-up rows in two languages and of pictures that are random bytes (nothing
decodes them), then, one after the other, copies its folder and flushes the copy to the disk, makes
the release, and makes the corpus again of that. The last two run in processes of their own. Of
several runs the quickest counts: other work on a machine only adds to it.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ikusi import disk
from ikusi.data.corpus import CorpusWriter

MEASURED = """
import json, os, sys, time
sys.path.insert(0, sys.argv[4])
import memory
from pathlib import Path
from ikusi.data import restoring
from ikusi.publish import data
make = {"publish": lambda a, b: data.publish_corpus(Path(a), Path(b), licence="CC0"),
        "restore": lambda a, b: restoring.restore(a, Path(b))}[sys.argv[1]]
began, started = time.perf_counter(), os.times()
make(*sys.argv[2:4])
ended = os.times()
print(json.dumps({"seconds": time.perf_counter() - began, "mib": memory.peak_mib(),
                  "cpu": ended.user + ended.system - started.user - started.system}))
"""


def write_corpus(folder: Path, rows: int, pictures: int, size: int) -> None:
    """Write a corpus whose rows show its pictures in turn."""
    draw = random.Random(0)
    with CorpusWriter(folder, "vqa", ["en", "eu"]) as writer:
        for number in range(pictures):
            data = draw.randbytes(size)
            writer.add_image(f"image-{number}", data, "jpeg", 640, 480, f"photos/{number}.jpg")
        for number in range(rows):
            texts = {
                code: {
                    "question": f"{word} {number}? {draw.random()}",
                    "answers": [f"{draw.randrange(99)} {code}"] * 10,
                }
                for code, word in (("en", "how many"), ("eu", "zenbat"))
            }
            writer.add_row(f"row-{number}", f"image-{number % pictures}", texts)


def copy_plainly(corpus: Path, target: Path) -> float:
    """Copy a folder, and flush the copy; returns seconds."""
    began = time.perf_counter()
    shutil.copytree(corpus, target)
    disk.flush_tree(target)
    return time.perf_counter() - began


def measure(what: str, source: Path, target: Path) -> dict[str, float]:
    """Seconds, processor time and peak memory of a process that does one thing."""
    places = map(str, (source, target, Path(__file__).parent))
    words = [sys.executable, "-c", MEASURED, what, *places]
    taken: dict[str, float] = json.loads(subprocess.check_output(words, text=True))
    return taken


def main() -> None:
    """Print what the runs took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--picture-bytes", type=int, default=150_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="on the disk that is measured")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as place:
        corpus, copy, made, back = (Path(place) / n for n in ("corpus", "copy", "made", "back"))
        write_corpus(corpus, asked.rows, asked.pictures, asked.picture_bytes)
        disk.flush_tree(corpus)
        size = asked.pictures * asked.picture_bytes / 1e6
        print(f"{asked.rows:,} rows in 2 languages, {asked.pictures:,} pictures, {size:,.0f} MB")
        best: dict[str, dict[str, float]] = {}
        for _ in range(asked.runs):
            taken = {"copy": {"seconds": copy_plainly(corpus, copy)}}
            shutil.rmtree(copy)
            taken["publish"] = measure("publish", corpus, made)
            taken["restore"] = measure("restore", made, back)
            for folder in (made, back):
                shutil.rmtree(folder)
            for name, took in taken.items():
                if name not in best or took["seconds"] < best[name]["seconds"]:
                    best[name] = took
        plain = best["copy"]["seconds"]
        for name, took in best.items():
            line = (
                f"{name}: {took['seconds']:.1f} s, {size / took['seconds']:,.0f} MB/s of pictures"
            )
            if name != "copy":
                line += f", {took['seconds'] / plain:.2f} times the copy"
                line += f", {took['cpu']:.1f} s of processors, {took['mib']:,.0f} MiB at most"
            print(line)


if __name__ == "__main__":
    main()
