"""transformers' `Trainer` on batches without padding.

Its loop, optimiser, schedule and clipping are used as they are. Ours are the batches, the loss,
what a checkpoint holds, and the line of metrics after each step.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, SequentialSampler
from transformers import (
    LlavaForConditionalGeneration,
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from ikusi.errors import IkusiError
from ikusi.model import fusion
from ikusi.train import checkpoints
from ikusi.train.batches import Batch, EncodedSample, collate, split
from ikusi.train.features import FeatureCache, Pixels
from ikusi.train.optimizer import MuonAdamW
from ikusi.train.progress import Counts, Metrics, Progress, ProgressCall
from ikusi.train.steps import Steps

PACE = 0.9  # share of the earlier pace in the running mean of seconds per step


class PackedModel(nn.Module):
    """A multimodal model, or a bare LLM, that reads a `Batch` and answers with its loss.

    `bf16`: compute in bf16 by autocast; the weights keep their dtype (fp32 in training).
    """

    def __init__(self, model: PreTrainedModel, *, bf16: bool) -> None:
        super().__init__()
        self.model: Any = model
        self._bf16 = bf16

    def forward(self, batch: Batch, images: Tensor | None = None) -> Tensor:
        """Sum of the cross entropies of the batch's supervised tokens (nats).

        `images`: of the batch's distinct pictures, the features [I, N, D] of a frozen encoder, or
        the pixels [I, 3, H, W] for one that learns; None without pictures. Call it inside
        `packed_attention`.
        """
        logits = self.logits(batch, images)
        return F.cross_entropy(logits.float(), batch.targets, reduction="sum")

    def logits(self, batch: Batch, images: Tensor | None = None) -> Tensor:
        """Logits [S, V] at the supervised positions, for what comes next."""
        kind = batch.input_ids.device.type
        with torch.autocast(kind, torch.bfloat16, enabled=self._bf16):
            output = self.model(
                **self._inputs(batch, images),
                position_ids=batch.position_ids,
                packing=batch.packing,
                use_cache=False,
                logits_to_keep=batch.sources,
            )
        logits: Tensor = output.logits[0, : len(batch.targets)]
        return logits

    def _inputs(self, batch: Batch, images: Tensor | None) -> dict[str, Tensor]:
        if not isinstance(self.model, LlavaForConditionalGeneration):
            return {"input_ids": batch.input_ids}
        if images is None:
            embeddings = fusion.embed(self.model, batch.input_ids, None)
            # A batch of text alone trains what a mixed one does, with gradients of zero: else a
            # stage that trains the connector alone would have nothing to differentiate.
            learns = [p for p in fusion.connector_parameters(self.model) if p.requires_grad]
            touched = sum((parameter.sum() for parameter in learns), start=embeddings.new_zeros(()))
            return {"inputs_embeds": embeddings + 0.0 * touched}
        features = fusion.image_features(self.model, images) if images.dim() == 4 else images
        weight = self.model.model.multi_modal_projector.linear_1.weight
        projected = fusion.project(self.model, features.to(weight.dtype))
        shown = projected.index_select(0, batch.image_index)
        return {"inputs_embeds": fusion.embed(self.model, batch.input_ids, shown)}


@dataclass
class Images:
    """Where the trainer gets its pictures from: a cache, or pixels where the encoder learns."""

    cache: FeatureCache | None
    pixels: Pixels

    def of(self, batch: Batch) -> Tensor | None:
        """What `PackedModel` wants for a batch."""
        if not batch.pictures:
            return None
        found = self.cache.get(batch.pictures) if self.cache else self.pixels(batch.pictures)
        return found.to(batch.input_ids.device)


class StageTrainer(Trainer):
    """Trains a `PackedModel`; an item of its data is all the samples of one optimiser step.

    `most_tokens`: a step's samples are computed in parts of at most so many tokens; the loss is
    normalised by the supervised tokens of the whole step, so parts do not change it.
    """

    def __init__(
        self,
        model: PackedModel,
        args: TrainingArguments,
        steps: Steps,
        images: Images,
        *,
        muon: bool,
        most_tokens: int | None,
        identity: str,
        metrics: Path,
        progress: ProgressCall | None,
    ) -> None:
        self.counts, self.loss, self.gradient_norm = Counts(), float("nan"), float("nan")
        self.images, self._most_tokens, self.identity = images, most_tokens, identity
        self._muon = muon
        super().__init__(model=model, args=args, train_dataset=steps)
        self.remove_callback(PrinterCallback)
        self.reporter = Reporter(self, metrics, progress)
        self.add_callback(self.reporter)

    def get_train_dataloader(self) -> DataLoader[list[EncodedSample]]:
        """Steps in their order. (They are shuffled already; skipping some of them reads none.)"""
        steps: Any = self.train_dataset
        return DataLoader(
            steps, batch_size=1, sampler=SequentialSampler(steps), collate_fn=itemgetter(0)
        )

    def training_step(
        self,
        model: nn.Module,
        inputs: Sequence[EncodedSample],
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """Gradients of one step; returns its loss, the mean over its supervised tokens."""
        model.train()
        supervised = sum(len(sample.supervised) for sample in inputs)
        total = torch.zeros((), device=self.args.device)
        for part in split(inputs, self._most_tokens):
            batch = collate(part).to(self.args.device)
            loss = model(batch, self.images.of(batch)) / supervised
            self.accelerator.backward(loss)
            total += loss.detach()
        self.loss = total.item()
        if not torch.isfinite(total):
            self._refuse(inputs)
        self.counts.add(inputs)
        self.reporter.step_samples = inputs
        return total

    def _refuse(self, samples: Sequence[EncodedSample]) -> None:
        named = " ".join(sample.id for sample in samples)
        raise IkusiError(
            f"step {self.state.global_step + 1}: expected a finite loss, found {self.loss}; "
            f"its samples: {named}"
        )

    def _clip_grad_norm(self, model: nn.Module) -> Any:
        norm = super()._clip_grad_norm(model)
        self.gradient_norm = float(norm)
        return norm

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

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Nothing: metrics are written step by step."""

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        path = checkpoints.path_of(Path(self.args.output_dir), self.state.global_step)
        own = {
            "step": self.state.global_step,
            "identity": self.identity,
            "counts": self.counts.told(),
        }
        checkpoints.save(path, self.learning(), self.optimizer, self.lr_scheduler, self.state, own)

    def resume(self, path: Path) -> None:
        """Train on from a checkpoint to the end."""
        self.counts = Counts.read(checkpoints.state(path)["counts"])
        self.train(resume_from_checkpoint=str(path))

    def _load_from_checkpoint(
        self, resume_from_checkpoint: str, model: nn.Module | None = None
    ) -> None:
        checkpoints.load_weights(Path(resume_from_checkpoint), self.learning())

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            checkpoints.load_optimizer(Path(checkpoint), self.optimizer, self.lr_scheduler)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            checkpoints.load_random(Path(checkpoint))


class Reporter(TrainerCallback):
    """Writes the line of metrics and calls back after each step."""

    def __init__(self, trainer: StageTrainer, path: Path, progress: ProgressCall | None) -> None:
        self._trainer, self._path, self._progress = trainer, path, progress
        self._metrics: Metrics | None = None
        self._clock, self._pace, self._rate = 0.0, float("nan"), float("nan")
        self.step_samples: Sequence[EncodedSample] = ()

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
        of_step = Counts()
        of_step.add(self.step_samples)
        self._write(state.global_step, seconds, of_step)
        if self._progress:
            left = (state.max_steps - state.global_step) * self._pace
            speed = of_step.tokens / seconds
            loss = self._trainer.loss
            self._progress(Progress(state.global_step, state.max_steps, loss, speed, left))

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Close the file."""
        if self._metrics:
            self._metrics.close()

    def _write(self, step: int, seconds: float, counts: Counts) -> None:
        assert self._metrics is not None, "training has begun"
        self._metrics.write(
            step=step,
            loss=self._trainer.loss,
            learning_rate=self._rate,
            gradient_norm=self._trainer.gradient_norm,
            tokens=counts.tokens,
            tokens_per_second=round(counts.tokens / seconds, 1),
            samples_per_second=round(counts.rows / seconds, 2),
            supervised_share=round(counts.supervised_tokens / counts.tokens, 4),
            languages=counts.told()["languages"],
        )
