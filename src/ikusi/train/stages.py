"""One stage of training, from a model and a mixture to a checkpoint (paper, section 3.2).

*Align* and *instruct* are this one function with other settings, and so is the training of a bare
LLM on text.
"""

from __future__ import annotations

import logging
import math
import shutil
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

import torch
from accelerate.utils import get_cpu_distributed_information
from torch import nn
from transformers import LlavaForConditionalGeneration, PreTrainedModel, TrainingArguments

from ikusi import artifact, claim
from ikusi.model import fusion
from ikusi.model.steady import steady
from ikusi.model.vision import without_encoder
from ikusi.recipe import Compute, Stage
from ikusi.recipe.folder import CHECKPOINT, METRICS, SUMMARY
from ikusi.train import attention, checkpoints, lora, parallel, saving
from ikusi.train.attention import packed_attention
from ikusi.train.cost import Cost, peak
from ikusi.train.features import StoredFeatures, encode_images
from ikusi.train.packed import PackedModel
from ikusi.train.progress import CountsRecord, Progress
from ikusi.train.progress import ProgressCall as ProgressCall
from ikusi.train.reporter import Reporter, peak_memory_mb, run_name
from ikusi.train.steps import Encoder, Samples, Steps
from ikusi.train.trainer import Encode, StageTrainer

__all__ = ["CHECKPOINT", "METRICS", "SUMMARY", "Progress", "train_stage"]

logger = logging.getLogger(__name__)

RESUME = "resume"
REFUSED = "refused.jsonl"
MOST_TOKENS = 16_384  # in one forward pass, where `compute.micro_tokens` says nothing
OPTIMIZERS = {"adamw": "adamw_torch_fused", "adamw8bit": "adamw_bnb_8bit", "muon": "adamw_torch"}


def train_stage(
    model: PreTrainedModel,
    processor: Any,
    mixture: Samples,
    stage: Stage,
    *,
    output: Path,
    seed: int,
    compute: Compute | None = None,
    features: StoredFeatures | None = None,
    progress: ProgressCall | None = None,
) -> Summary:
    """Train `model` on `mixture` as `stage` says.

    Writes `output/checkpoint/` (a stock LLaVA, or a bare LLM; in bf16 if it came in bf16, else in
    fp32), `output/metrics.jsonl` (a line per step) and, last of all, `output/summary.json`; with
    adapters also `output/adapter/`, and the checkpoint then has them merged. `output/resume/` holds
    what a killed stage goes on from when it is called again with the same arguments; the weights it
    ends with are those of an undisturbed one, bit for bit on the same machine with as many threads.

    Under torchrun every process calls it with the same arguments; `compute.parallel` says what
    they share, and only the first one writes.

    Args:
        model: trained in place (unless divided among processes, or with adapters: then open the
            checkpoint); computed in `stage.precision`, what learns in fp32.
        processor: a `LlavaProcessor`; for a bare LLM, its tokenizer.
        mixture: the samples; for a bare LLM, without pictures.
        compute: what it runs on; one process by default.
        features: what the frozen encoder says of all pictures, if it was stored.
        progress: called after each step, in the first process.

    Returns:
        What was trained and on what: also in `summary.json`. Where that is already there for the
        same settings it is returned at once; the trained model is then in `output/checkpoint/`.

    Raises:
        InputError: rows that cannot be trained on, before the first step: the first of them by
            their ids, and all in `output/refused.jsonl`; a model that cannot be saved, or a
            folder that cannot be written to, before the first step.
        IkusiError: a loss or a gradient that is not a number, with the step and its samples; a
            checkpoint that cannot be written.
    """
    output, compute, started = Path(output), compute or Compute(), time.perf_counter()
    learns = fusion.trainable(model, stage.trainable)
    identity = artifact.fingerprint(stage, seed, len(mixture), learns)
    if (done := _done(output, identity)) is not None:
        return done
    if not isinstance(model, LlavaForConditionalGeneration):
        steady(processor)  # a tokenizer from wherever; a LLaVA's is so since it was opened
    if get_cpu_distributed_information().rank == 0:
        saving.try_out(model, processor, output)
    work = _Work(model, processor, mixture, stage, compute, output, seed, features)
    if work.arguments.process_index == 0:
        work.steps.check(output / REFUSED)
    with work.encoder_apart() as tower, packed_attention(model):
        trainer = work.trainer(tower, identity, progress)
        with checkpointing(model, stage.gradient_checkpointing):
            _run(trainer, output / RESUME, identity)
        saving.write(trainer, model, processor, tower, work.adapters, work.dtype, output)
    return _finish(trainer, output, work.summary(trainer), started)


class Summary(TypedDict):
    """What a stage was trained on, and what came of it: also `summary.json`."""

    identity: str
    parameters: int
    trained: int
    steps: int
    final_loss: float
    counts: CountsRecord
    peak_memory_mb: float | None
    processes: int
    parallel: str
    threads: int
    device: str
    seconds: NotRequired[float]


@dataclass
class _Work:
    """What `train_stage` was given, and what it makes of it."""

    model: PreTrainedModel
    processor: Any
    mixture: Samples
    stage: Stage
    compute: Compute
    output: Path
    seed: int
    features: StoredFeatures | None
    adapters: lora.Adapters | None = None

    def __post_init__(self) -> None:
        self.bf16 = self.stage.precision == "bf16"
        came_in_bf16 = self.model.dtype == torch.bfloat16
        self.dtype = torch.bfloat16 if came_in_bf16 else torch.float32
        self.parameters = saving.size(self.model)
        self.encoder = Encoder(self.mixture, self.model, self.processor, self.stage.max_length)
        launched = get_cpu_distributed_information()  # as torchrun told every process
        self.strategy = parallel.strategy(self.compute, launched.world_size)
        parallel.check(self.stage, self.strategy)
        self.steps = self._steps(launched.rank, launched.world_size)
        self.arguments = self._arguments(len(self.steps))
        if not (self.bf16 and came_in_bf16):
            self.model.float()

    @contextmanager
    def encoder_apart(self) -> Iterator[nn.Module | None]:
        """The frozen encoder, out of the model; None where it learns or there is none."""
        multimodal = isinstance(self.model, LlavaForConditionalGeneration)
        if not multimodal or "vision" in self.stage.trainable:
            yield None
            return
        model: Any = self.model
        with without_encoder(model) as tower:
            # With stored features it is needed for nothing but the checkpoint.
            yield tower.eval() if self.features else tower.eval().to(self.arguments.device)

    def trainer(self, tower: Any, identity: str, progress: Any) -> StageTrainer:
        """The trainer, ready to start or to go on."""
        if self.stage.lora:
            self.adapters = lora.add(self.model, self.stage.lora, self.arguments.device)
        trainer = StageTrainer(
            PackedModel(self.model, bf16=self.bf16),
            self.arguments,
            self.steps,
            encode=self._encode(tower),
            strategy=self.strategy,
            bf16=self.bf16,
            muon=self.stage.optimizer == "muon",
            identity=identity,
            resume_folder=self.output / RESUME,
            workers=self.compute.readers(beside_gpu=self.arguments.device.type == "cuda"),
        )
        if self.arguments.process_index == 0:
            trainer.add_callback(self._reporter(trainer, tower, progress))
        device = self.arguments.device
        logger.info("attention: %s", attention.told(device, self.bf16))
        told = f"{self.arguments.world_size} processes, {self.strategy}, on {device}"
        logger.info("training in %s", told)
        return trainer

    def summary(self, trainer: StageTrainer) -> Summary:
        """What was trained and on what."""
        return {
            "identity": trainer.identity,
            "parameters": self.parameters,
            "trained": trainer.trained,
            "steps": trainer.state.global_step,
            "final_loss": trainer.loss,
            "counts": trainer.counts.told(),
            "peak_memory_mb": peak_memory_mb(),
            "processes": self.arguments.world_size,
            "parallel": self.strategy,
            "threads": torch.get_num_threads(),
            "device": str(self.arguments.device),
        }

    def _steps(self, process: int, processes: int) -> Steps:
        stage = self.stage
        return Steps(
            self.mixture,
            self.encoder,
            batch_size=stage.batch_size,
            epochs=stage.epochs,
            max_steps=stage.max_steps,
            images=self.features,
            most_tokens=self.compute.micro_tokens or MOST_TOKENS,
            process=process,
            processes=processes,
        )

    def _encode(self, tower: Any) -> Encode | None:
        if tower is None:
            return None
        config: Any = self.model.config
        layers, strategy = config.vision_feature_layer, config.vision_feature_select_strategy
        return partial(encode_images, tower, layers=layers, strategy=strategy, bf16=self.bf16)

    def _reporter(self, trainer: StageTrainer, tower: Any, progress: Any) -> Reporter:
        device = self.arguments.device
        dtype = torch.bfloat16 if self.bf16 and device.type == "cuda" else torch.float32
        speed = peak(device, dtype) * self.arguments.world_size
        seen = tower if self.features is None else None
        cost = Cost.of(self.model, seen, self.encoder.image_tokens)
        return Reporter(trainer, self.output / METRICS, progress, cost, speed)

    def _arguments(self, steps: int) -> TrainingArguments:
        stage = self.stage
        arguments = TrainingArguments(
            output_dir=str(self.output),
            per_device_train_batch_size=1,  # an item is a process's portion of a step
            max_steps=steps,
            learning_rate=stage.learning_rate,
            weight_decay=stage.weight_decay,
            lr_scheduler_type=stage.scheduler,
            warmup_steps=math.ceil(steps * stage.warmup_ratio),
            optim=OPTIMIZERS[stage.optimizer],
            max_grad_norm=parallel.CLIP,
            seed=self.seed,
            save_strategy="steps",
            save_steps=stage.save_every,
            logging_strategy="no",
            logging_nan_inf_filter=False,
            report_to=self.compute.report_to or "none",
            run_name=run_name(self.output),
            disable_tqdm=True,
            remove_unused_columns=False,
            ddp_find_unused_parameters=False,
            use_cpu=not torch.accelerator.is_available(),
            # Casts nothing in training, which we do; DeepSpeed's settings must find it here too.
            bf16_full_eval=self.bf16,
            deepspeed=parallel.deepspeed_settings(self.strategy, bf16=self.bf16),
        )
        if arguments.world_size == 1:
            arguments._n_gpu = min(arguments.n_gpu, 1)  # one process, one GPU
        return arguments


def _done(output: Path, identity: str) -> Summary | None:
    """The summary of a stage that was already trained so; what is of other settings goes."""
    summary = claim.read(output / SUMMARY)
    if summary is not None and summary.get("identity") == identity:
        return cast(Summary, summary)
    if (output / SUMMARY).exists():
        (output / SUMMARY).unlink(missing_ok=True)
    return None


def _run(trainer: StageTrainer, folder: Path, identity: str) -> None:
    path = checkpoints.latest(folder)
    if path and checkpoints.state(path)["identity"] != identity:
        logger.warning("%s: of other settings or data; starting afresh", path)
        path = None
    parallel.meet()  # all have looked before anything is removed
    if path:
        logger.info("going on from %s", path)
        trainer.resume(path)
        return
    if trainer.args.process_index == 0:
        shutil.rmtree(folder, ignore_errors=True)
    trainer.train()


@contextmanager
def checkpointing(model: PreTrainedModel, wanted: bool) -> Iterator[None]:
    """Compute a model's activations twice meanwhile, instead of keeping them, if that is wanted."""
    if not wanted:
        yield
        return
    with warnings.catch_warnings():
        # Renamed in transformers 5.23; the oldest one we run on knows only this name.
        warnings.simplefilter("ignore", FutureWarning)
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        try:
            yield
        finally:
            model.gradient_checkpointing_disable()


def _finish(trainer: StageTrainer, output: Path, summary: Summary, started: float) -> Summary:
    """Say that the checkpoint is whole, and only then tidy up."""
    summary["seconds"] = round(time.perf_counter() - started, 1)
    if trainer.args.process_index == 0:
        artifact.write_json(output / SUMMARY, summary)
        shutil.rmtree(output / RESUME, ignore_errors=True)
    parallel.meet()
    return summary
