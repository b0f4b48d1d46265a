"""The steps of a stage, one after the other, from its start or its last checkpoint to its end."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from operator import itemgetter
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import set_seed
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader

from ikusi.errors import IkusiError, InputError
from ikusi.recipe import Stage
from ikusi.train import checkpoints
from ikusi.train.batches import Batch
from ikusi.train.divisions import divide
from ikusi.train.optimizer import list_learning_weights
from ikusi.train.packed import PackedModel
from ikusi.train.parallel import Place, meet, sum_over_processes
from ikusi.train.progress import Counts
from ikusi.train.steps import Portion, Steps

Encode = Callable[[Tensor], Tensor]
"""Pixels [I, 3, H, W] -> features [I, N, D] of a frozen encoder."""

AfterStep = Callable[[bool], None]
"""Called when a step was made; it is given whether a checkpoint is written next."""

AHEAD = 4  # steps that a process reads ahead


class Loop:
    """Trains a `PackedModel` on this process's portion of each step.

    The loss is normalised by the supervised tokens of the whole step, over all its parts and
    processes, so neither changes it.

    Args:
        strategy: how the model is divided among processes (`parallel.choose_strategy`).
        encode: the frozen encoder; None where it learns inside the model.
        identity: of the stage; a checkpoint of another is not gone on from.
        folder: where checkpoints are kept meanwhile.
        workers: processes that read pictures ahead.
    """

    def __init__(
        self,
        model: PackedModel,
        steps: Steps,
        stage: Stage,
        place: Place,
        *,
        strategy: str,
        seed: int,
        encode: Encode | None,
        identity: str,
        folder: Path,
        workers: int = 0,
    ) -> None:
        self.model, self.steps, self.stage, self.place = model, steps, stage, place
        self.identity, self.folder, self._encode, self._workers = identity, folder, encode, workers
        self.trained = sum(p.numel() for p in list_learning_weights(model).values())
        self.step, self.total = 0, len(steps)
        self.counts, self.loss, self.gradient_norm = Counts(), float("nan"), float("nan")
        self.rate, self.waited, self.portion = 0.0, 0.0, Portion([], 0, Counts(), (), ())
        self._kept: Path | None = None
        set_seed(seed)
        self.division = divide(strategy, model, stage, place)
        self.warm = math.ceil(self.total * stage.warmup_ratio)
        self.schedule: Any = LambdaLR(self.division.optimizer, self._share_of_rate)

    def _share_of_rate(self, step: int) -> float:
        """The share of the highest learning rate in a step: a line up, then half a cosine down."""
        if step < self.warm:
            return step / self.warm
        return 0.5 * (1 + math.cos(math.pi * (step - self.warm) / max(1, self.total - self.warm)))

    def resume(self) -> None:
        """Put in place what a run of this very stage kept before it was killed, if one was."""
        self._kept = checkpoints.find(self.folder, self.identity)
        meet()  # all have looked before anything is removed
        if self._kept:
            state = checkpoints.read_state(self._kept)
            self.step, self.loss = state["step"], state["loss"]
            self.counts = Counts.read(state["counts"])
            checkpoints.load(
                self._kept, list_learning_weights(self.model), self.division, self.schedule
            )
        elif self.place.first:
            shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, after_step: AfterStep | None = None) -> None:
        """Make the steps that are left, with a checkpoint every so many and after the last.

        Raises:
            InputError: a row that cannot be read.
            IkusiError: a loss or gradient that is not finite; a checkpoint that cannot be written.
        """
        portions = self._portions()
        while self.step < self.total:
            # 1. Take this process's portion of the next step.
            self.step += 1
            self.portion = self._next(portions)
            # 2. Add up the gradients of its parts, and limit their norm over all processes.
            self._backward()
            self.gradient_norm = self._finite("gradient", self.division.clip())
            # 3. Change the weights, and go on in the schedule.
            self.rate = self.schedule.get_last_lr()[0]
            self.division.step()
            self.schedule.step()
            # 4. Report it, and write a checkpoint where one is due.
            self.counts.update(self.portion.counts)
            saves = self.step % self.stage.save_every == 0 or self.step == self.total
            if after_step:
                after_step(saves)
            if saves:
                self._save()

    def whole_state(self) -> dict[str, Tensor]:
        """All weights, put together in the memory of the first process; for others, nothing."""
        weights = {}
        for name, parameter in self.model.named_parameters(remove_duplicate=False):
            whole = self.division.weight(parameter)
            if self.place.first:
                weights[name.removeprefix("model.")] = whole.detach().cpu()
        return weights

    def _portions(self) -> Iterator[Portion | InputError]:
        """Steps in their order. (They are shuffled already; skipping some of them reads none.)"""
        steps: Any = self.steps
        return iter(
            DataLoader(
                steps,
                batch_size=1,
                sampler=range(self.step, self.total),
                collate_fn=itemgetter(0),
                num_workers=self._workers,
                prefetch_factor=AHEAD if self._workers else None,
                pin_memory=self.place.device.type == "cuda",
            )
        )

    def _next(self, portions: Iterator[Portion | InputError]) -> Portion:
        began = time.perf_counter()
        portion = next(portions)
        self.waited = time.perf_counter() - began
        if isinstance(portion, InputError):
            raise portion
        if self._kept:  # only now: to begin reading draws a random number as well
            checkpoints.load_random(self._kept, self.place.process)
            self._kept = None
        return portion

    def _backward(self) -> None:
        """Gradients of a step, and its loss: the mean over its supervised tokens."""
        self.division.model.train()
        supervised, parts = self.portion.supervised, self.portion.parts
        # What processes add up they also divide by their number.
        scale = self.place.processes / supervised
        total = torch.zeros((), device=self.place.device)
        for number, part in enumerate(parts, 1):
            last = number == len(parts)
            with self.division.part(last):
                loss = self.division.model(self._prepare(part))
                total += loss.detach()
                if last:  # before its gradients could spoil the weights
                    whole = sum_over_processes(total.clone()) / supervised
                    self.loss = self._finite("loss", whole.item())
                self.division.backward(loss * scale, last)

    def _prepare(self, part: Batch) -> Batch:
        batch = part.to(self.place.device)
        if batch.images is None or self._encode is None or batch.images.dim() == 3:
            return batch
        return replace(batch, images=self._encode(batch.images))

    def _finite(self, what: str, value: float) -> float:
        if math.isfinite(value):
            return value
        kept = checkpoints.find_latest(self.folder)
        raise IkusiError(
            f"step {self.step}: expected a finite {what}, found {value}; "
            f"the last checkpoint is {kept.name if kept else 'none'}; "
            f"its samples: {' '.join(self.portion.ids)}"
        )

    def _save(self) -> None:
        own = {
            "step": self.step,
            "identity": self.identity,
            "counts": self.counts.to_json(),
            "loss": self.loss,
        }
        path, learning = (
            checkpoints.locate(self.folder, self.step),
            list_learning_weights(self.model),
        )
        checkpoints.save(path, learning, self.division, self.schedule, own, self.place)
