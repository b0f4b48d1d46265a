"""transformers' `Trainer` on batches without padding.

Its loop, optimiser, schedule, clipping and trackers are used as they are. Ours are the batches,
the loss, how a model is divided, what a checkpoint holds, and the line of metrics of each step.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from operator import itemgetter
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, SequentialSampler
from transformers import PrinterCallback, Trainer, TrainingArguments

from ikusi.errors import IkusiError, InputError
from ikusi.train import checkpoints, parallel
from ikusi.train.batches import Batch
from ikusi.train.optimizer import MuonAdamW
from ikusi.train.packed import PackedModel
from ikusi.train.progress import Counts
from ikusi.train.steps import Portion, Steps

Encode = Callable[[Tensor], Tensor]
"""Pixels [I, 3, H, W] -> features [I, N, D] of a frozen encoder."""

AHEAD = 4  # steps that a process reads ahead


class StageTrainer(Trainer):
    """Trains a `PackedModel`; an item of its data is this process's portion of one step.

    `strategy`: how the model is divided (`parallel.strategy`). `encode`: the frozen encoder; None
    where it learns inside the model. The loss is normalised by the supervised tokens of the whole
    step, over all its parts and processes, so neither changes it.
    """

    def __init__(
        self,
        model: PackedModel,
        args: TrainingArguments,
        steps: Steps,
        *,
        encode: Encode | None,
        strategy: str,
        bf16: bool,
        muon: bool,
        identity: str,
        resume_folder: Path,
        workers: int = 0,
    ) -> None:
        self.counts, self.loss, self.gradient_norm = Counts(), float("nan"), float("nan")
        self.waited, self.portion = 0.0, Portion([], 0, Counts(), (), ())
        self.identity, self.strategy, self.resume_folder = identity, strategy, resume_folder
        self._encode, self._muon, self._workers = encode, muon, workers
        self._holder = parallel.holder(strategy)
        self.trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
        if strategy == "fsdp":
            parallel.shard(model, bf16=bf16)
            model._is_accelerate_prepared = True  # type: ignore[assignment]
        if not strategy.startswith("zero"):  # DeepSpeed keeps fp32 weights of its own
            in_fp32(model)
        super().__init__(model=model, args=args, train_dataset=steps)
        self.remove_callback(PrinterCallback)

    def get_train_dataloader(self) -> DataLoader[Portion]:
        """Steps in their order. (They are shuffled already; skipping some of them reads none.)"""
        steps: Any = self.train_dataset
        return DataLoader(
            steps,
            batch_size=1,
            sampler=SequentialSampler(steps),
            collate_fn=itemgetter(0),
            num_workers=self._workers,
            prefetch_factor=AHEAD if self._workers else None,
            pin_memory=self.args.device.type == "cuda",
        )

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[Any], None]:
        """The next portion, and how long it was waited for."""
        began = time.perf_counter()
        found = next(epoch_iterator)
        self.waited = time.perf_counter() - began
        if isinstance(found, InputError):
            raise found
        return [found], None

    def training_step(
        self, model: nn.Module, inputs: Portion, num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """Gradients of one step; returns its loss, the mean over its supervised tokens."""
        model.train()
        self.portion = inputs
        # What processes add up they also divide by their number.
        scale = self.args.world_size / inputs.supervised
        total = torch.zeros((), device=self.args.device)
        for number, part in enumerate(inputs.parts):
            last = number == len(inputs.parts) - 1
            with self._alone(model, last):
                loss = model(self._prepared(part))
                total += loss.detach()
                if last:
                    self._note(parallel.all_reduced(total.clone()) / inputs.supervised)
                self.accelerator.backward(loss * scale)
        self.counts.update(inputs.counts)
        return torch.tensor(self.loss, device=self.args.device)

    def _alone(self, model: nn.Module, last: bool) -> AbstractContextManager[Any]:
        """Gradients of parts before the last one need not be shared yet. (Where they are divided,
        they must be: nobody has room for all of them.)"""
        self.accelerator.gradient_state._set_sync_gradients(last)
        if last or self.strategy != "ddp":
            return nullcontext()
        return self.accelerator.no_sync(model)

    def _prepared(self, part: Batch) -> Batch:
        batch = part.to(self.args.device)
        if batch.images is None or self._encode is None or batch.images.dim() == 3:
            return batch
        return replace(batch, images=self._encode(batch.images))

    def _note(self, loss: Tensor) -> None:
        """Keep a step's loss; refuse one that would spoil the weights."""
        self.loss = loss.item()
        self._expect_finite("loss", self.loss)

    def _expect_finite(self, what: str, found: float) -> None:
        if not math.isfinite(found):
            kept = checkpoints.latest(self.resume_folder)
            raise IkusiError(
                f"step {self.state.global_step + 1}: expected a finite {what}, found {found}; "
                f"the last checkpoint is {kept.name if kept else 'none'}; "
                f"its samples: {' '.join(self.portion.ids)}"
            )

    def _clip_grad_norm(self, model: nn.Module) -> Any:
        norm = super()._clip_grad_norm(model)
        whole = norm.full_tensor() if hasattr(norm, "full_tensor") else norm
        self.gradient_norm = float(whole)
        self._expect_finite("gradient", self.gradient_norm)
        return whole

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """AdamW as `Trainer` makes it, or Muon beside AdamW."""
        if not self._muon:
            return super().create_optimizer(model)
        made = MuonAdamW(self.learning(), self.args.learning_rate, self.args.weight_decay)
        self.optimizer = made
        return made

    def learning(self) -> dict[str, nn.Parameter]:
        """The parameters that learn, by name."""
        return {name: p for name, p in self.model.named_parameters() if p.requires_grad}

    def whole_state(self) -> dict[str, Tensor]:
        """All weights, put together in the memory of the first process; for others, nothing."""
        found = {}
        for name, parameter in self.model.named_parameters(remove_duplicate=False):
            whole = self._holder.weight(parameter)
            if self.args.process_index == 0:
                found[name.removeprefix("model.")] = whole.detach().cpu()
        return found

    def _move_model_to_device(self, model: nn.Module, device: torch.device) -> None:
        if self.strategy != "fsdp":  # its shards are where they belong
            super()._move_model_to_device(model, device)

    def floating_point_ops(self, inputs: Any) -> int:
        """Nothing: `ikusi.train.cost` counts them."""
        return 0

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Nothing: metrics are written step by step."""

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        path = checkpoints.path_of(self.resume_folder, self.state.global_step)
        own = {
            "step": self.state.global_step,
            "identity": self.identity,
            "counts": self.counts.told(),
            "loss": self.loss,
        }
        checkpoints.save(
            path,
            self.learning(),
            self.optimizer,
            self.lr_scheduler,
            self.state,
            own,
            holder=self._holder,
            process=self.args.process_index,
        )

    def resume(self, path: Path) -> None:
        """Train on from a checkpoint to the end; nothing is left to train where it is the last."""
        kept = checkpoints.state(path)
        self.counts, self.loss = Counts.read(kept["counts"]), kept["loss"]
        self.train(resume_from_checkpoint=str(path))

    def _load_from_checkpoint(
        self, resume_from_checkpoint: str, model: nn.Module | None = None
    ) -> None:
        """Nothing yet: weights are put in place once they are divided."""

    def _prepare_for_training(
        self, max_steps: int, train_dataloader: Any, resume_from_checkpoint: str | None
    ) -> Any:
        """Divide the model and make optimiser and schedule; then put what was kept in place.
        (The `Trainer` would look for a checkpoint in DeepSpeed's own form.)"""
        prepared = super()._prepare_for_training(max_steps, train_dataloader, None)
        if resume_from_checkpoint is not None:
            path, learning = Path(resume_from_checkpoint), self.learning()
            checkpoints.load_weights(path, learning, self._holder)
            checkpoints.load_optimizer(
                path, learning, self.optimizer, self.lr_scheduler, self._holder
            )
        return prepared

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            checkpoints.load_random(Path(checkpoint), self.args.process_index)


def in_fp32(model: nn.Module) -> None:
    """Hold what learns in fp32, whatever it is computed in."""
    model._apply(lambda tensor: tensor.float() if tensor.requires_grad else tensor)
