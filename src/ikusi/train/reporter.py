"""The line of metrics after each step, in a file, for the caller and for trackers."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ikusi import artifact
from ikusi.train.cost import Cost
from ikusi.train.progress import Metrics, Progress, ProgressCall

if TYPE_CHECKING:
    from ikusi.train.trainer import StageTrainer

PACE = 0.9  # share of the earlier pace in the running mean of seconds per step


class Reporter(TrainerCallback):
    """Writes the line of metrics and calls back after each step, in the first process.

    `peak`: operations a second that all devices together could make.
    """

    def __init__(
        self,
        trainer: StageTrainer,
        path: Path,
        progress: ProgressCall | None,
        cost: Cost,
        peak: float,
    ) -> None:
        self._trainer, self._path, self._progress = trainer, path, progress
        self._cost, self._peak = cost, peak
        self._metrics: Metrics | None = None
        self._clock, self._pace, self._rate = 0.0, float("nan"), float("nan")

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Open the file, without the steps that are about to be made again."""
        self._metrics = Metrics(self._path, state.global_step)
        self._clock = time.perf_counter()

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Note the learning rate of this step, before the schedule moves on."""
        schedule: Any = self._trainer.lr_scheduler
        self._rate = schedule.get_last_lr()[0]

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Tell of the step that was just made."""
        now = time.perf_counter()
        seconds, self._clock = max(now - self._clock, 1e-9), now
        first = self._pace != self._pace
        self._pace = seconds if first else PACE * self._pace + (1 - PACE) * seconds
        line = self._line(state, seconds)
        assert self._metrics is not None, "training has begun"
        self._metrics.write(**line)
        if control.should_save:
            self._metrics.keep()
        if args.report_to:
            told = {name: value for name, value in line.items() if name != "languages"}
            shares = {f"rows/{code}": rows for code, rows in line["languages"].items()}
            handler: Any = self._trainer.callback_handler
            handler.on_log(args, state, control, told | shares)
        if self._progress:
            left = (state.max_steps - state.global_step) * self._pace
            speed, mfu = line["tokens"] / seconds, line["mfu"]
            loss = self._trainer.loss
            self._progress(Progress(state.global_step, state.max_steps, loss, speed, left, mfu))

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Close the file."""
        if self._metrics:
            self._metrics.close()

    def _line(self, state: TrainerState, seconds: float) -> dict[str, Any]:
        portion = self._trainer.portion
        counts = portion.counts
        operations = self._cost.step(portion.lengths, portion.supervised, counts.images)
        return {
            "step": state.global_step,
            "steps": state.max_steps,
            "loss": self._trainer.loss,
            "learning_rate": self._rate,
            "gradient_norm": self._trainer.gradient_norm,
            "tokens": counts.tokens,
            "tokens_per_second": round(counts.tokens / seconds, 1),
            "samples_per_second": round(counts.rows / seconds, 2),
            "mfu": round(operations / seconds / self._peak, 4),
            "data_wait_seconds": round(self._trainer.waited, 4),
            "peak_memory_mb": peak_memory_mb(),
            "supervised_share": round(counts.supervised_tokens / counts.tokens, 4),
            "languages": counts.told()["languages"],
        }


def run_name(output: Path) -> str:
    """What a training is called in trackers: its folder, with the two that it lies in.

    >>> run_name(Path("studies/emoji-eu/instruct/english-eu020.partial"))
    'emoji-eu/instruct/english-eu020'
    """
    return "/".join(output.absolute().parts[-3:]).removesuffix(artifact.PARTIAL)


def peak_memory_mb() -> float | None:
    """Most memory that was held at once: on the GPU, else by this process; MiB."""
    if torch.cuda.is_available():
        return round(torch.cuda.max_memory_allocated() / 2**20, 1)
    return artifact.peak_memory_mb()
