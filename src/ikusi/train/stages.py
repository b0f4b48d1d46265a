"""One stage of training, from a model and a mixture to a checkpoint (paper, section 3.2).

*Align* and *instruct* are this one function with other settings, and so is the training of a bare
LLM on text.
"""

from __future__ import annotations

import logging
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
from accelerate.utils import set_seed
from torch import nn
from transformers import LlavaForConditionalGeneration, PreTrainedModel

from ikusi import artifact, claim
from ikusi.errors import InputError
from ikusi.model import families
from ikusi.model.learning import find_part, set_trainable
from ikusi.model.steady import make_steady
from ikusi.model.vision import take_out_encoder
from ikusi.recipe import Compute, Stage
from ikusi.recipe.folder import CHECKPOINT, METRICS, SUMMARY
from ikusi.train import attention, lora, parallel, saving
from ikusi.train.attention import use_packed_attention
from ikusi.train.cost import find_peak, measure_cost
from ikusi.train.estimates import Cost
from ikusi.train.features import StoredFeatures, encode_images
from ikusi.train.loop import AfterStep, Encode, Loop
from ikusi.train.packed import PackedModel
from ikusi.train.parallel import Place
from ikusi.train.precision import describe_emulated_bf16, has_bf16, settle
from ikusi.train.progress import CountsRecord, Progress
from ikusi.train.progress import ProgressCall as ProgressCall
from ikusi.train.reporter import Reporter, measure_peak_memory
from ikusi.train.steps import Encoder, Samples, Steps
from ikusi.train.trackers import Trackers

__all__ = ["CHECKPOINT", "METRICS", "SUMMARY", "Progress", "train_stage"]

logger = logging.getLogger(__name__)

RESUME = "resume"
REFUSED = "refused.jsonl"
MOST_TOKENS = 16_384  # in one forward pass, where `compute.micro_tokens` says nothing


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

    Writes `output/checkpoint/` (a model of the same kind, as transformers opens it; in bf16 if it
    came in bf16, else in fp32), `output/metrics.jsonl` (a line per step) and, last of all,
    `output/summary.json`; with adapters also `output/adapter/`, and the checkpoint then has them
    merged. `output/resume/` holds what a killed stage goes on from when it is called again with the
    same arguments; the weights it ends with are those of an undisturbed one, bit for bit on the
    same machine with as many threads.

    Under torchrun every process calls it with the same arguments; `compute.parallel` says what
    they share, and only the first one writes.

    Args:
        model: trained in place (unless divided among processes, or with adapters: then open the
            checkpoint); computed in `stage.precision`, what learns in fp32.
        processor: the model's own, as `fusion.load` and `Family.open_processor` give it; for a
            bare LLM, its tokenizer.
        mixture: the samples; for a bare LLM, without pictures.
        compute: what it runs on; one process by default.
        features: the frozen encoder's features of all pictures, if they were stored.
        progress: called after each step, in the first process.

    Returns:
        What was trained and on what: also in `summary.json`. Where that is already there for the
        same settings it is returned at once; the trained model is then in `output/checkpoint/`.

    Raises:
        InputError: rows that cannot be trained on, before the first step: the first of them by
            their ids, and all in `output/refused.jsonl`; with `group_by_task`, samples in an order
            for other batches (`Mixture` orders them by its `batch_size`); a model that cannot be
            saved, or a folder that cannot be written to, before the first step.
        IkusiError: a loss or a gradient that is not a number, with the step and its samples; a
            checkpoint that cannot be written.
    """
    given = _Given(
        *(model, processor, mixture, settle(stage), Path(output), seed),
        *(compute or Compute(), features, progress),
    )
    return _train(given)


class Summary(TypedDict):
    """Summary of a stage: what it was trained on, and what came of it; also `summary.json`."""

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


@dataclass(frozen=True)
class _Given:
    """Arguments of `train_stage`."""

    model: PreTrainedModel
    processor: Any
    mixture: Samples
    stage: Stage
    output: Path
    seed: int
    compute: Compute
    features: StoredFeatures | None
    progress: ProgressCall | None


def _train(given: _Given) -> Summary:
    """See `train_stage`."""
    started = time.perf_counter()
    model, processor, stage, output = given.model, given.processor, given.stage, given.output

    # 1. Nothing is left to do where this very stage was trained already.
    learns = set_trainable(model, stage.trainable, processor)
    identity = artifact.fingerprint(stage, given.seed, len(given.mixture), learns)
    if (done := _find_done(output / SUMMARY, identity)) is not None:
        return done

    # 2. Meet the other processes, and settle what each of them holds.
    place = parallel.join()
    strategy = parallel.choose_strategy(given.compute, place.processes)
    parallel.check(stage, strategy)
    if (
        stage.precision == "bf16"
        and place.device.type == "cpu"
        and (slow := describe_emulated_bf16())
    ):
        logger.warning(slow)

    # 3. Lay the rows out in steps; refuse now what would spoil hours of work later.
    if families.find_of(model) is None:
        make_steady(processor)  # a tokenizer from wherever; a processor's is so since it was opened
    encoder = Encoder(given.mixture, model, processor, stage.max_length)
    steps = _steps(given, encoder, place)
    if place.first:
        saving.try_out(model, processor, output)
        steps.check(output / REFUSED)

    # 4. Compute in the stage's precision; set a frozen encoder apart; put adapters in.
    dtype, parameters = _set_precision(model, stage), saving.count_parameters(model)
    with _encoder_apart(given, place) as tower, use_packed_attention(model):
        set_seed(given.seed)  # adapters draw weights: the same, whatever ran in this process before
        adapters = lora.add(model, stage.lora, place.device) if stage.lora else None
        tokens, patches = encoder.count_image_tokens()
        encodes = given.features is None
        cost = measure_cost(model, tower, tokens, encodes=encodes, patches=patches)

        # 5. Divide the model among the processes, with an optimiser and a schedule.
        loop = _loop(given, identity, steps, tower, place, strategy)

        # 6. Go on where this very stage was killed, if it was; make the steps that are left.
        loop.resume()
        with (
            recompute_activations(model, stage.gradient_checkpointing),
            _reports(given, loop, cost) as after_step,
        ):
            loop.run(after_step)

        # 7. Put the weights together again, and write them as a model that stands alone.
        saving.write(loop, model, processor, tower, adapters, dtype, output)

    # 8. Say last of all that it is whole, and only then tidy up.
    return _finish(loop, output, parameters, strategy, started)


def _find_done(path: Path, identity: str) -> Summary | None:
    """The summary of a stage that was already trained so; what is of other settings goes."""
    summary = claim.read(path)
    if summary is not None and summary.get("identity") == identity:
        return cast(Summary, summary)
    if path.exists():
        path.unlink(missing_ok=True)
    return None


def _steps(given: _Given, encoder: Encoder, place: Place) -> Steps:
    stage = given.stage
    ordered = getattr(given.mixture, "batch_size", None)
    if stage.grouped and ordered != stage.grouped:
        expected = f"a mixture with batch_size={stage.grouped}"
        raise InputError(f"group_by_task: expected {expected}, found batch_size={ordered}")
    return Steps(
        given.mixture,
        encoder,
        batch_size=stage.batch_size,
        epochs=stage.epochs,
        max_steps=stage.max_steps,
        images=given.features,
        most_tokens=given.compute.micro_tokens or MOST_TOKENS,
        process=place.process,
        processes=place.processes,
    )


def _set_precision(model: PreTrainedModel, stage: Stage) -> torch.dtype:
    """Hold a model as the stage computes with it; returns the format to write it in."""
    came = torch.bfloat16 if model.dtype == torch.bfloat16 else torch.float32
    if not (stage.precision == "bf16" and came == torch.bfloat16):
        model.float()
    # What learns is held in fp32, and beside it what of the same part never does: layers above the
    # one that is read are computed all the same, and some kernels want one format.
    whole = set(stage.trainable) - set(stage.lora.parts if stage.lora else ())
    for name, parameter in model.named_parameters():
        if find_part(model, name) in whole:
            parameter.data = parameter.data.float()
    return came


@contextmanager
def _encoder_apart(given: _Given, place: Place) -> Iterator[nn.Module | None]:
    """The frozen encoder, out of the model; None where it learns or there is none."""
    multimodal = isinstance(given.model, LlavaForConditionalGeneration)
    if not multimodal or "vision" in given.stage.trainable:
        yield None
        return
    model: Any = given.model
    with take_out_encoder(model) as tower:
        # With stored features it is needed for nothing but the checkpoint.
        yield tower.eval() if given.features else tower.eval().to(place.device)


def _loop(
    given: _Given, identity: str, steps: Steps, tower: Any, place: Place, strategy: str
) -> Loop:
    stage, bf16 = given.stage, given.stage.precision == "bf16"
    logger.info("attention: %s", attention.describe_kernel(place.device, bf16))
    logger.info("training in %s processes, %s, on %s", place.processes, strategy, place.device)
    return Loop(
        PackedModel(given.model, bf16=bf16),
        steps,
        stage,
        place,
        strategy=strategy,
        seed=given.seed,
        encode=_encode(given.model, tower, bf16),
        identity=identity,
        folder=given.output / RESUME,
        workers=given.compute.readers(beside_gpu=place.device.type == "cuda"),
    )


def _encode(model: PreTrainedModel, tower: Any, bf16: bool) -> Encode | None:
    if tower is None:
        return None
    config: Any = model.config
    layers, strategy = config.vision_feature_layer, config.vision_feature_select_strategy
    return partial(encode_images, tower, layers=layers, strategy=strategy, bf16=bf16)


@contextmanager
def _reports(given: _Given, loop: Loop, cost: Cost) -> Iterator[AfterStep | None]:
    """Provide the function that reports each step, in the first process; None in the others."""
    if not loop.place.first:
        yield None
        return
    device, bf16 = loop.place.device, given.stage.precision == "bf16"
    dtype = torch.bfloat16 if bf16 and has_bf16(device) else torch.float32
    speed = find_peak(device, dtype) * loop.place.processes
    trackers = Trackers(given.compute.report_to, loop, given.output, given.seed)
    reporter = Reporter(loop, given.output / METRICS, given.progress, cost, speed, trackers)
    with reporter.running() as after_step:
        yield after_step


@contextmanager
def recompute_activations(model: PreTrainedModel, wanted: bool) -> Iterator[None]:
    """Compute a model's activations twice meanwhile, instead of keeping them, if that is wanted."""
    if not wanted:
        yield
        return
    with warnings.catch_warnings():
        # Renamed in transformers 5.23; the oldest one we run on knows only this name.
        warnings.simplefilter("ignore", FutureWarning)
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        # It lets all embeddings ask for gradients, those of a frozen encoder too, which would then
        # keep its activations and compute them twice; this way of checkpointing needs none of it.
        model.disable_input_require_grads()
        try:
            yield
        finally:
            model.gradient_checkpointing_disable()


def _finish(loop: Loop, output: Path, parameters: int, strategy: str, started: float) -> Summary:
    summary: Summary = {
        "identity": loop.identity,
        "parameters": parameters,
        "trained": loop.trained,
        "steps": loop.step,
        "final_loss": loop.loss,
        "counts": loop.counts.to_json(),
        "peak_memory_mb": measure_peak_memory(),
        "processes": loop.place.processes,
        "parallel": strategy,
        "threads": torch.get_num_threads(),
        "device": str(loop.place.device),
        "seconds": round(time.perf_counter() - started, 1),
    }
    if loop.place.first:
        artifact.write_json(output / SUMMARY, summary)
        shutil.rmtree(output / RESUME, ignore_errors=True)
    parallel.meet()
    return summary
