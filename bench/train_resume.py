"""Time of a killed stage until its first resumed step, early and late.

    python bench/train_resume.py [--steps 20 200 2000] [--times 2] [--threads 1]

The miniature's own model (connector and LLM learn) is trained in a process of its own, one sample
a step so that late steps come soon. For each of `--steps` a new stage saves a checkpoint there, is
killed (SIGKILL) right after the step behind it, and is started again, `--times` times, each time
killed at its first step. Measured is everything from starting the process to the end of that step,
Python and torch, model and corpus, checkpoint, data, step: by the clock, and in seconds of
processor time, which other work on the machine changes less.
"""

import argparse
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

PATIENCE = 900  # seconds that a process may print nothing: minutes, where others work as well
TARGET = 10.0  # seconds to the first resumed step
ROWS, SIDE = 256, 96
MARK = "benchmark:"


def train(folder: Path, save_at: int, threads: int) -> None:
    """Train in this process, and say each step that is done."""
    import torch
    from train_miniature import mixture, model

    from ikusi.recipe import Stage
    from ikusi.train.stages import Progress, train_stage

    def show(what: object) -> None:
        print(MARK, what, time.process_time(), flush=True)

    torch.set_num_threads(threads)
    show("imported")
    llava, processor = model()
    rows = mixture(folder / "corpus", ROWS, SIDE, SIDE)
    show("opened")
    stage = Stage(
        corpus="given",
        trainable=["connector", "llm"],
        learning_rate=1e-3,
        batch_size=1,
        epochs=-(-2 * save_at // ROWS),
        max_steps=2 * save_at,
        max_length=512,
        save_every=save_at,
    )

    def report(progress: Progress) -> None:
        show(progress.step)

    output = folder / f"stage-{save_at}"
    train_stage(llava, processor, rows, stage, output=output, seed=0, progress=report)


class Child:
    """A process that trains, and what it says: a word, its processor time, the seconds since it
    was started."""

    def __init__(self, words: list[str]) -> None:
        self._started = time.perf_counter()
        self._complaints = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, __file__, *words],
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
        )
        self._lines: queue.Queue[tuple[str, float, float] | None] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(MARK):  # DeepSpeed talks too
                _, word, spent = line.split()
                self._lines.put((word, float(spent), time.perf_counter() - self._started))
        self._lines.put(None)

    def lines(self) -> Iterator[tuple[str, float, float]]:
        """Each line of its output; ends this script if it dies or is silent for too long."""
        while True:
            try:
                line = self._lines.get(timeout=PATIENCE)
            except queue.Empty:
                sys.exit(f"expected a line within {PATIENCE} seconds, found none")
            if line is None:
                self._complaints.seek(0)
                sys.exit(f"{self._complaints.read()}\nexpected a step, found the end")
            yield line

    def kill(self) -> None:
        """Kill it unasked (SIGKILL), and wait until it is gone."""
        self._process.kill()
        self._process.wait()


def run(words: list[str], until: int | None) -> tuple[int, dict[str, float]]:
    """Train until a step is done (None: the first one), then kill; the first step, and how long
    everything until its end took."""
    child, first, seconds = Child(words), 0, {}
    try:
        for word, spent, at in child.lines():
            if not word.isdigit():
                seconds[word] = spent
                continue
            if not first:
                first, seconds["clock"], seconds["processor"] = int(word), at, spent
            if until is None or int(word) >= until:
                break
    finally:
        child.kill()
    return first, seconds


def write_line(name: object, seconds: dict[str, float]) -> str:
    """A line of the table."""
    opened = seconds["opened"] - seconds["imported"]
    rest = seconds["processor"] - seconds["opened"]
    return (
        f"{name:>10} {seconds['clock']:9.1f} {seconds['processor']:12.1f} "
        f"{seconds['imported']:11.1f} {opened:13.1f} {rest:16.1f}"
    )


def main() -> None:
    """Print a line per step that was resumed from."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, nargs="+", default=[20, 200, 2000])
    parser.add_argument("--times", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    steps = sorted(asked.steps)
    if asked.child:
        train(asked.child, steps[0], asked.threads)
        return
    print("                    seconds of processor time:")
    print("after step  by clock       in all     imports  model, corpus  checkpoint, step")
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        words = ["--child", folder, "--threads", str(asked.threads)]
        for step in steps:
            at = [*words, "--steps", str(step)]
            print(write_line("fresh", run(at, step + 1)[1]), flush=True)
            for _ in range(asked.times):
                first, seconds = run(at, None)
                if first != step + 1:
                    sys.exit(f"expected to go on with step {step + 1}, found {first}")
                slowest = max(slowest, seconds["clock"])
                print(write_line(step, seconds), flush=True)
    print(f"slowest {slowest:.1f} s by the clock; target: under {TARGET:.0f} s")
    from train_miniature import machine

    print(f"{machine()}, {asked.threads} thread(s)")


if __name__ == "__main__":
    main()
