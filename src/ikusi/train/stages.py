"""One stage of training, from a model and a mixture to a checkpoint (paper, section 3.2).

*Align* and *instruct* are this one function with other settings, and so is the training of a bare
LLM on text.
"""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import LlavaForConditionalGeneration, PreTrainedModel, TrainingArguments

from ikusi import artifact
from ikusi.errors import IkusiError
from ikusi.model import fusion
from ikusi.recipe import Stage
from ikusi.train import checkpoints
from ikusi.train.attention import packed_attention
from ikusi.train.features import FeatureCache
from ikusi.train.progress import Progress
from ikusi.train.progress import ProgressCall as ProgressCall
from ikusi.train.steps import Encoder, Samples, Steps
from ikusi.train.trainer import Images, PackedModel, StageTrainer

__all__ = ["CHECKPOINT", "METRICS", "SUMMARY", "Progress", "train_stage"]

logger = logging.getLogger(__name__)

CHECKPOINT, METRICS, SUMMARY, RESUME = "checkpoint", "metrics.jsonl", "summary.json", "resume"
MOST_TOKENS_ON_CPU = 16_384  # in one forward; about 1 GB of activations for the miniature's LLMs


def train_stage(
    model: PreTrainedModel,
    processor: Any,
    mixture: Samples,
    stage: Stage,
    *,
    output: Path,
    seed: int,
    progress: ProgressCall | None = None,
    micro_tokens: int | None = None,
) -> dict[str, Any]:
    """Train `model` on `mixture` as `stage` says.

    Writes `output/checkpoint/` (a stock LLaVA, or a bare LLM, in fp32), `output/metrics.jsonl` (a
    line per step) and, last of all, `output/summary.json`. `output/resume/` holds what a killed
    stage goes on from when it is called again with the same arguments; the weights it ends with
    are those of an undisturbed one, bit for bit on the same machine with as many threads.

    Args:
        model: trained in place; computed in `stage.precision`, weights and optimiser in fp32.
        processor: a `LlavaProcessor`; for a bare LLM, its tokenizer.
        mixture: the samples; for a bare LLM, without pictures.
        progress: called after each step.
        micro_tokens: most tokens in one forward; a step with more is computed in parts, which
            changes nothing but memory and the last bits. No limit on a GPU by default.

    Returns:
        What was trained and on what: also in `summary.json`. Where that is already there for the
        same settings it is returned at once; the trained model is then in `output/checkpoint/`.

    Raises:
        InputError: a row that cannot be trained on, by its id.
        IkusiError: a loss that is not a number, with the step and its samples.
    """
    output = Path(output)
    started = time.perf_counter()
    learns = fusion.trainable(model, stage.trainable)
    identity = artifact.fingerprint(stage, seed, len(mixture), learns, micro_tokens)
    if (done := _done(output, identity)) is not None:
        return done
    model.float()
    encoder = Encoder(mixture, model, processor, stage.max_length)
    steps = Steps(mixture, encoder, stage.batch_size, stage.epochs)
    arguments = _arguments(stage, output / RESUME, seed, len(steps))
    if arguments.world_size > 1:
        raise IkusiError(f"expected a single process, found {arguments.world_size}")
    trainer = StageTrainer(
        PackedModel(model, bf16=stage.precision == "bf16"),
        arguments,
        steps,
        _images(model, encoder, stage),
        muon=stage.optimizer == "muon",
        most_tokens=micro_tokens
        or (MOST_TOKENS_ON_CPU if arguments.device.type == "cpu" else None),
        identity=identity,
        metrics=output / METRICS,
        progress=progress,
    )
    with packed_attention(model), _checkpointing(model, stage.gradient_checkpointing):
        _run(trainer, output / RESUME, identity)
    return _finish(trainer, model, processor, output, started)


def _done(output: Path, identity: str) -> dict[str, Any] | None:
    """The summary of a stage that was already trained so; what is of other settings goes."""
    if not (output / SUMMARY).exists():
        return None
    summary: dict[str, Any] = json.loads((output / SUMMARY).read_text(encoding="utf-8"))
    if summary["identity"] == identity:
        return summary
    (output / SUMMARY).unlink()
    return None


def _arguments(stage: Stage, folder: Path, seed: int, steps: int) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=1,  # an item is a whole step's samples
        max_steps=steps,
        learning_rate=stage.learning_rate,
        weight_decay=stage.weight_decay,
        lr_scheduler_type=stage.scheduler,
        warmup_steps=math.ceil(steps * stage.warmup_ratio),
        optim="adamw_torch_fused",
        seed=seed,
        save_strategy="steps",
        save_steps=stage.save_every,
        logging_strategy="no",
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
    )


def _images(model: Any, encoder: Encoder, stage: Stage) -> Images:
    if not isinstance(model, LlavaForConditionalGeneration) or "vision" in stage.trainable:
        return Images(None, encoder.pixels)
    bf16 = stage.precision == "bf16"
    return Images(
        FeatureCache(model, encoder.pictures(), encoder.pixels, bf16=bf16), encoder.pixels
    )


def _run(trainer: StageTrainer, folder: Path, identity: str) -> None:
    path = checkpoints.latest(folder)
    if path and checkpoints.state(path)["identity"] != identity:
        logger.warning("%s: of other settings or data; starting afresh", path)
        path = None
    if path:
        logger.info("going on from %s", path)
        trainer.resume(path)
    else:
        shutil.rmtree(folder, ignore_errors=True)
        trainer.train()


@contextmanager
def _checkpointing(model: PreTrainedModel, wanted: bool) -> Iterator[None]:
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


def _finish(
    trainer: StageTrainer, model: PreTrainedModel, processor: Any, output: Path, started: float
) -> dict[str, Any]:
    """Write the checkpoint aside, rename it, say that it is whole, and only then tidy up."""
    staging = output / (CHECKPOINT + ".partial")
    shutil.rmtree(staging, ignore_errors=True)
    fusion.save(model.eval(), processor, staging)
    shutil.rmtree(output / CHECKPOINT, ignore_errors=True)
    os.rename(staging, output / CHECKPOINT)
    cache = trainer.images.cache
    summary = {
        "identity": trainer.identity,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "trained": sum(parameter.numel() for parameter in trainer.learning().values()),
        "steps": trainer.state.global_step,
        "final_loss": trainer.loss,
        "counts": trainer.counts.told(),
        "images_encoded": cache.encoded if cache else 0,
        "seconds": round(time.perf_counter() - started, 1),
        "threads": torch.get_num_threads(),
        "device": str(trainer.args.device),
    }
    artifact.write_json(output / SUMMARY, summary)
    shutil.rmtree(output / RESUME, ignore_errors=True)
    return summary
