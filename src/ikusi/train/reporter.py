"""The line of metrics after each step, in a file, for the caller and for trackers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ikusi import artifact
from ikusi.train.estimates import Cost
from ikusi.train.loop import AfterStep, Loop
from ikusi.train.progress import Metrics, Progress, ProgressCall
from ikusi.train.trackers import Trackers

PACE = 0.9  # share of the earlier pace in the running mean of seconds per step


class Reporter:
    """Writes the line of metrics and calls back after each step, in the first process.

    `peak`: operations a second that all devices together could make.
    """

    def __init__(
        self,
        loop: Loop,
        path: Path,
        progress: ProgressCall | None,
        cost: Cost,
        peak: float,
        trackers: Trackers,
    ) -> None:
        self._loop, self._path, self._progress = loop, path, progress
        self._cost, self._peak, self._trackers = cost, peak, trackers
        self._clock, self._pace = 0.0, float("nan")

    @contextmanager
    def running(self) -> Iterator[AfterStep]:
        """Keep file and trackers open while steps are made; gives what to call after each.

        Lines of steps that are about to be made again are removed.
        """
        self._metrics = Metrics(self._path, self._loop.step)
        self._trackers.send("on_train_begin")
        self._clock = time.perf_counter()
        try:
            yield self._report
        finally:
            self._metrics.close()
        self._trackers.send("on_train_end")

    def _report(self, saves: bool) -> None:
        now = time.perf_counter()
        seconds, self._clock = max(now - self._clock, 1e-9), now
        first = self._pace != self._pace
        self._pace = seconds if first else PACE * self._pace + (1 - PACE) * seconds
        line, loop = self._line(seconds), self._loop
        self._metrics.write(**line)
        if saves:
            self._metrics.keep()
        numbers = {name: value for name, value in line.items() if name != "languages"}
        shares = {f"rows/{code}": rows for code, rows in line["languages"].items()}
        self._trackers.send("on_step_end")
        self._trackers.send("on_log", logs=numbers | shares)
        if self._progress:
            left = (loop.total - loop.step) * self._pace
            speed, mfu = line["tokens"] / seconds, line["mfu"]
            self._progress(Progress(loop.step, loop.total, loop.loss, speed, left, mfu))

    def _line(self, seconds: float) -> dict[str, Any]:
        loop, portion = self._loop, self._loop.portion
        counts = portion.counts
        operations = self._cost.step(portion.lengths, portion.supervised, counts.images)
        return {
            "step": loop.step,
            "steps": loop.total,
            "loss": loop.loss,
            "learning_rate": loop.rate,
            "gradient_norm": loop.gradient_norm,
            "tokens": counts.tokens,
            "tokens_per_second": round(counts.tokens / seconds, 1),
            "samples_per_second": round(counts.rows / seconds, 2),
            "operations": operations,
            "mfu": round(operations / seconds / self._peak, 4),
            "data_wait_seconds": round(loop.waited, 4),
            "peak_memory_mb": measure_peak_memory(),
            "supervised_share": round(counts.supervised_tokens / counts.tokens, 4),
            "languages": counts.to_json()["languages"],
        }


def measure_peak_memory() -> float | None:
    """Most memory that was held at once: on the GPU, else by this process; MiB."""
    if torch.cuda.is_available():
        return round(torch.cuda.max_memory_allocated() / 2**20, 1)
    return artifact.measure_peak_memory()
