"""Share of a step that is spent waiting for pictures to be read.

    python bench/train_waiting.py [--workers 0 2] [--steps 30] [--batch 16] [--threads 1]
        [--width 640] [--height 480]

The miniature's own model (connector and LLM learn, the encoder looks at every picture) is trained
on JPEGs of 640 x 480, a new one in each row, decoded and brought to the encoder's size as the steps
go on. Waiting is what the trainer writes into `metrics.jsonl` (`data_wait_seconds`), as a share of
the steps' seconds: of all of them, and without the first one, in which the processes that read
start. `--workers` are `compute.data_workers`; each number is tried in a process of its own. The
same pictures are also read by themselves, in one process, to say what there is to wait for.
"""

import argparse
import json
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch
from train_miniature import machine, mixture, model

from ikusi.recipe import Compute, Stage
from ikusi.train.stages import train_stage
from ikusi.train.steps import Encoder

TARGET = 0.02  # of a step


def train(folder: Path, workers: int, asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Train in this process; the line of metrics of each step."""
    torch.set_num_threads(asked.threads)
    llava, processor = model()
    rows = mixture(folder / "corpus", asked.steps * asked.batch, asked.width, asked.height)
    stage = Stage(
        corpus="given",
        trainable=["connector", "llm"],
        learning_rate=1e-3,
        batch_size=asked.batch,
        epochs=1,
        max_length=512,
        save_every=asked.steps + 1,
    )
    output = folder / f"workers-{workers}"
    runs_on = Compute(data_workers=workers)
    train_stage(llava, processor, rows, stage, output=output, seed=0, compute=runs_on)
    lines = (output / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def reading(folder: Path, asked: argparse.Namespace) -> float:
    """Seconds of processor time that reading one batch of pictures takes."""
    torch.set_num_threads(1)
    llava, processor = model()
    rows = mixture(folder / "corpus", asked.steps * asked.batch, asked.width, asked.height)
    encoder = Encoder(rows, llava, processor, max_length=512)
    samples = encoder.encode(range(2 * asked.batch))
    pictures = [sample.picture for sample in samples if sample.picture]
    encoder.pixels(pictures[: asked.batch])
    began = time.process_time()
    encoder.pixels(pictures[asked.batch :])
    return time.process_time() - began


def seconds(line: dict[str, Any]) -> float:
    """Of a step, from its line of metrics."""
    return float(line["tokens"] / line["tokens_per_second"])


def main() -> None:
    """Print the share of waiting for each number of workers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2])
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=480)
    asked = parser.parse_args()
    print("workers  ms a step  ms of it waiting  share  share with the first step")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mixture(folder / "corpus", asked.steps * asked.batch, asked.width, asked.height)
        for workers in asked.workers:
            lines = alone(train, folder, workers, asked)
            whole = [sum(map(seconds, part)) for part in (lines[1:], lines)]
            waited = [sum(x["data_wait_seconds"] for x in part) for part in (lines[1:], lines)]
            each = 1000 / len(lines[1:])
            print(f"{workers:7} {whole[0] * each:10.0f} {waited[0] * each:17.1f} "
                  f"{waited[0] / whole[0]:6.1%} {waited[1] / whole[1]:26.1%}")  # fmt: skip
        spent = alone(reading, folder, asked)
    print(f"target: under {TARGET:.0%}")
    pictures = f"{asked.width} x {asked.height} JPEGs, {asked.batch} in a step"
    print(f"{pictures}: reading a step's takes {1000 * spent:.0f} ms of processor time")
    print(f"{machine()}, {asked.threads} thread(s)")


def alone(function: Any, *words: Any) -> Any:
    """Result of a function in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *words).result()


if __name__ == "__main__":
    main()
