"""Training at the size of Llama-3.1-8B with CLIP-L/336 and of Qwen2.5-VL-7B: speed and memory.

    python bench/train_gpu.py                      # align and instruct: samples/s, MFU, peak memory
    python bench/train_gpu.py --parity             # packed against padded, and whether samples leak
    python bench/train_gpu.py --plan               # what fits on 24, 48 and 80 GB (no GPU needed)
    python bench/train_gpu.py --check              # that estimate against a tally of all tensors
    python bench/train_gpu.py --shape qwen2.5-vl-7b   # a model that sees: adapters, and its LLM
    python bench/train_gpu.py --device cpu --shape tiny [--parity]      # all of it in small
    python bench/train_gpu.py --device cpu --shape qwen-tiny

Weights are random, in bf16, made on the device from configurations; they are assembled, packed,
stepped and measured by what a stage is trained with. Align: the LLM is frozen, a sample is a
picture and 30 tokens of text. Instruct: connector and LLM learn by AdamW, 1,000 tokens a sample,
`--layers` of the LLM's layers, by default as many as are estimated to fit. Qwen2.5-VL has rows of
424 tokens of text and a picture of 320x240, 640x480 or 960x720 pixels in turn, its encoder within
the model and frozen; only its LLM learns, by adapters of rank 64 ("adapters") or itself ("llm").
Beside samples a second, MFU and peak memory stands what `ikusi plan` reckons with: the share of
the peak that such a card is assumed to reach, and the memory. Peak memory is torch's on a GPU; on a
CPU, a tally of every tensor's bytes.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset
from train_miniature import machine
from train_parity import parity
from train_seeing import SEEING
from train_shapes import SHAPES
from train_tally import Tally
from transformers import LlavaForConditionalGeneration

from ikusi.model.learning import set_trainable
from ikusi.model.vision import take_out_encoder
from ikusi.plan import card, pace
from ikusi.recipe import Lora, Stage
from ikusi.train import lora, packed
from ikusi.train.attention import describe_kernel, use_packed_attention
from ikusi.train.batches import EncodedSample, collate
from ikusi.train.cost import find_peak, measure_cost
from ikusi.train.estimates import Memory
from ikusi.train.features import encode_images
from ikusi.train.loop import Loop
from ikusi.train.packed import PackedModel
from ikusi.train.parallel import Place
from ikusi.train.progress import Counts
from ikusi.train.reporter import Reporter
from ikusi.train.stages import recompute_activations
from ikusi.train.steps import Portion
from ikusi.train.trackers import Trackers

GB = 1e9
ALL = {**SHAPES, **SEEING}
TARGETS = {"align": "25 samples/s, MFU 50 %"}
NEAR = "memory within 10 % of the estimate"
PARTS = {"align": ["connector"], "adapters": ["llm"], "llm": ["llm"]}
LORA = Lora(rank=64, alpha=128, dropout=0.05)
LONG = 480  # tokens of a sample in --check: a CPU then attends as a GPU does, and pads nothing
LARGE = ("8b", "qwen2.5-vl-7b")
SPARE = 0.92  # of a GPU's memory, at most: the rest is its context and what lies between tensors


def stage(name: str, again: bool = False, **changed: Any) -> Stage:
    """Settings of one stage; `again`: activations are computed again."""
    parts = PARTS.get(name, ["connector", "llm"])
    given = {"corpus": "given", "trainable": parts, "learning_rate": 1e-4, "batch_size": 1}
    given["lora"] = LORA if name == "adapters" else None
    return Stage(**{**given, "epochs": 1, "gradient_checkpointing": again, **changed})


class Portions(Dataset[Portion]):
    """The steps of a stage: each one part, of new samples."""

    def __init__(self, model: Any, shape: Any, steps: Sequence[list[EncodedSample]]) -> None:
        self._shape, self._layout, self._steps = shape, shape.lay(model), steps

    def __len__(self) -> int:
        return len(self._steps)

    def __getitem__(self, step: int) -> Portion:
        rows = self._steps[step]
        counts = Counts()
        counts.add(rows)
        batch = collate(rows, self._shape.look(rows, step), layout=self._layout)
        lengths, ids = tuple(map(len, rows)), tuple(row.id for row in rows)
        return Portion([batch], counts.supervised_tokens, counts, ids, lengths)


class Unsaved(Loop):
    """The steps of a stage, without a checkpoint: a model of this size is written for minutes."""

    def _save(self) -> None:
        pass


def draw(shape: Any, model: Any, asked: tuple[int, int, int]) -> list[list[EncodedSample]]:
    """Rows for some steps. `asked`: rows of a step, their tokens of text, steps."""
    rows, text, steps = asked
    return [shape.draw(model, rows, text, step) for step in range(steps)]


def train(
    model: Any, shape: Any, settings: Stage, steps: Sequence[list[EncodedSample]], device: str
) -> list[Any]:
    """Train on the rows of some steps by the stage's own loop; the line of metrics of each, and the
    peak of memory in bytes as the last element."""
    set_trainable(model, settings.trainable)
    bf16 = settings.precision == "bf16"
    if not bf16:
        model.float()
    tokens, patches = shape.count_places([row for rows in steps for row in rows])
    apart = (
        take_out_encoder(model)
        if isinstance(model, LlavaForConditionalGeneration)
        else nullcontext()
    )
    with apart as tower, tempfile.TemporaryDirectory() as name, use_packed_attention(model):
        cost = measure_cost(model, tower, tokens, patches=patches)
        if settings.lora:
            lora.add(model, settings.lora, model.device)
        loop = Unsaved(
            PackedModel(model, bf16=bf16),
            Portions(model, shape, steps),  # type: ignore[arg-type]
            settings,
            Place(0, 1, torch.device(device)),
            strategy="single",
            seed=42,
            encode=_encode(model, tower, bf16),
            identity="",
            folder=Path(name) / "resume",
        )
        metrics = Path(name) / "metrics.jsonl"
        dtype = torch.bfloat16 if bf16 and device != "cpu" else torch.float32
        speed = find_peak(torch.device(device), dtype)
        trackers = Trackers([], loop, Path(name), 42)
        reporter = Reporter(loop, metrics, None, cost, speed, trackers)
        with recompute_activations(model, settings.gradient_checkpointing):
            held = watched(loop, reporter, [model, *([tower] if tower else [])], device)
        lines = metrics.read_text(encoding="utf-8").splitlines()
    return [*map(json.loads, lines), held]


def _encode(model: Any, tower: Any, bf16: bool) -> Any:
    """The function that encodes pictures, for an encoder that stands apart; else none."""
    if tower is None:
        return None
    layers, strategy = (
        model.config.vision_feature_layer,
        model.config.vision_feature_select_strategy,
    )
    return partial(encode_images, tower.eval(), layers=layers, strategy=strategy, bf16=bf16)


def watched(loop: Loop, reporter: Reporter, models: Sequence[Any], device: str) -> int:
    """Train, and return the most bytes of tensors that were there at once."""
    with reporter.running() as after_step:
        if device != "cpu":
            torch.cuda.reset_peak_memory_stats()
            loop.run(after_step)
            return torch.cuda.max_memory_allocated()
        packed.CPU_LOGITS = packed.MOST_LOGITS  # as many logits at once as on a GPU
        with Tally(*models) as tally:
            loop.run(after_step)
        return tally.most


def estimate(
    model: Any, shape: Any, settings: Stage, steps: Sequence[list[EncodedSample]]
) -> Memory:
    """Memory that the stage should hold, by its longest step."""
    rows = max(steps, key=lambda rows: sum(map(len, rows)))
    return Memory.of(
        shape.size_up(model, rows),
        settings,
        half=model.dtype == torch.bfloat16,
        tokens=sum(map(len, rows)),
        supervised=sum(len(row.supervised) for row in rows),
        images=len(rows),
    )


def fitting(shape: Any, settings: Stage, wanted: tuple[int, int, int], device: str) -> int:
    """Number of layers that fit on the device; all of them where it is a CPU."""
    if device == "cpu":
        return int(shape.layers)
    room = SPARE * torch.cuda.get_device_properties(0).total_memory
    for layers in range(shape.layers, 0, -1):
        model = shape.build(layers, "meta")
        if estimate(model, shape, settings, draw(shape, model, wanted)).peak <= room:
            return layers
    sys.exit(
        f"--batch: expected fewer than {wanted[0]} samples, found no layer that fits {room:.3g}"
    )


def measure(asked: argparse.Namespace) -> None:
    """Print speed and memory of both stages."""
    shape: Any = ALL[asked.shape]
    print(f"attention: {describe_kernel(torch.device(asked.device), True)}")
    print(f"planned: {assume(card.find_machine().card)}")
    for name, text in shape.stages:
        settings = stage(name, asked.checkpointing)
        if settings.lora and asked.device == "cpu":
            settings = settings.model_copy(update={"lora": LORA.model_copy(update=UNDROPPED)})
        wanted = asked.batch, text, asked.steps
        layers = asked.layers or fitting(shape, settings, wanted, asked.device)
        model = shape.build(layers, asked.device)
        steps = draw(shape, model, wanted)
        memory = estimate(model, shape, settings, steps)
        *lines, held = train(model, shape, settings, steps, asked.device)
        timed = lines[len(lines) // 3 :]
        rate = np.median([line["samples_per_second"] for line in timed])
        mfu = np.median([line["mfu"] for line in timed])
        tokens = sum(len(row) for rows in steps for row in rows) / len(steps) / asked.batch
        print(
            f"{name}: {layers} layers, {asked.batch} x {tokens:.0f} tokens: {rate:.2f} samples/s, "
            f"MFU {mfu:.1%}, peak {held / GB:.3f} GB, estimated {memory.peak / GB:.3f} GB "
            f"({memory.peak / held - 1:+.1%}); target: {TARGETS.get(name, NEAR)}"
        )
        del model


def assume(hardware: card.Card) -> str:
    """Share of a card's peak that `ikusi plan` assumes, in words."""
    known = pace.read_table().training
    share = known.get(hardware.generation, known[pace.OTHER])
    return f"{hardware.name}, MFU {share.low:.0%} to {share.high:.0%} of {hardware.peak:.3g}"


UNDROPPED = {"rank": 8, "dropout": 0.0}  # a CPU keeps four bytes of mask where a GPU keeps one
CHECKED = (
    ("align", stage("align")),
    ("adapters", stage("instruct", lora=LORA.model_copy(update=UNDROPPED))),
    ("instruct", stage("instruct")),
    ("instruct", stage("instruct", precision="fp32")),
)


def check(shapes: tuple[str, ...]) -> None:
    """Print the estimate beside what a tally of all tensors finds, at sizes for a CPU."""
    print("shape  stage     format  again  tokens  tallied MB  estimated MB  error")
    for shape_name in shapes:
        shape, rows = SHAPES[shape_name], 4
        text = LONG - shape.tokens
        for name, settings in CHECKED:
            for again in (False, True):
                chosen = settings.model_copy(update={"gradient_checkpointing": again})
                model = shape.build(shape.layers, "cpu")
                steps = draw(shape, model, (rows, text, 2))
                memory = estimate(model, shape, chosen, steps).peak
                held = train(model, shape, chosen, steps, "cpu")[-1]
                print(
                    f"{shape_name:6} {name:9} {settings.precision:7} {'yes' if again else 'no':6} "
                    f"{rows * LONG:6} {held / 1e6:11.1f} {memory / 1e6:12.1f} "
                    f"{memory / held - 1:+6.1%}",
                    flush=True,
                )


PLANS = (  # name, card, settings, most tokens in a pass, processes
    ("align", 24, stage("align", True), 4096, 1),
    ("align", 48, stage("align", True), 8192, 1),
    ("align", 80, stage("align", True), 32768, 1),
    ("QLoRA", 24, stage("instruct", True, optimizer="adamw8bit",
     lora=LORA.model_copy(update={"quantize": "nf4"})), 4096, 1),
    ("LoRA", 24, stage("instruct", True, optimizer="adamw8bit", lora=LORA), 2048, 1),
    ("LoRA", 48, stage("instruct", True, lora=LORA), 8192, 1),
    ("LoRA", 80, stage("instruct", True, lora=LORA), 32768, 1),
    *(("full, zero3", 80, stage("instruct", True), 16384, n) for n in (2, 4, 8)),
)  # fmt: skip


def plan() -> None:
    """Print, as Markdown, what the paper's 8B takes on cards of 24, 48 and 80 GB."""
    shape = SHAPES["8b"]
    model = shape.build(shape.layers, "meta")
    sizes = shape.size_up(model, [])
    names = (
        "weights",
        "encoder",
        "learning",
        "optimiser",
        "copies",
        "activations",
        "logits",
        "gathered",
    )
    print("| | card | tokens in a pass | " + " | ".join(names) + " | peak, GB | |")
    print("|---|--:|--:|" + "--:|" * (len(names) + 1) + "---|")
    for name, room, settings, tokens, processes in PLANS:
        images = tokens // 1000
        memory = Memory.of(sizes, settings, half=True, tokens=tokens, supervised=tokens // 4,
                           images=images, processes=processes)  # fmt: skip
        of = asdict(memory)
        work = memory.saved + memory.layer
        parts = (of["frozen"], of["encoder"], of["learning"] + of["gradients"], of["optimizer"],
                 of["copies"], work, of["logits"], of["gathered"])  # fmt: skip
        figures = " | ".join(f"{part / GB:.1f}" for part in parts)
        held = memory.peak_in_parts / GB
        where = f"{processes} x {room}" if processes > 1 else str(room)
        fits = "fits" if held <= SPARE * room else "too much"
        print(f"| {name} | {where} | {tokens:,} | {figures} | {held:.1f} | {fits} |")


def main() -> None:
    """Do what is asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    gpu = torch.cuda.is_available()
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda" if gpu else "cpu")
    parser.add_argument("--shape", choices=ALL, default="8b")
    parser.add_argument("--layers", type=int, help="of the LLM; default: as many as fit")
    parser.add_argument("--batch", type=int, default=8, help="samples in a step")
    parser.add_argument("--steps", type=int, default=12, help="the first third is not timed")
    parser.add_argument("--checkpointing", action="store_true", help="activations twice")
    for name in ("parity", "plan", "check"):
        parser.add_argument(f"--{name}", action="store_true")
    asked = parser.parse_args()
    if asked.plan:
        plan()
    elif asked.check:
        check(("tiny", "small", "wide") if asked.shape == "8b" else (asked.shape,))
    elif asked.device == "cpu" and asked.shape in LARGE:
        small = ", ".join(name for name in ALL if name not in LARGE)
        parser.error(f"--shape: expected one of {small} on a CPU, found {asked.shape}")
    elif asked.parity:
        if asked.shape not in SHAPES:
            parser.error(
                "--parity: expected a LLaVA (tests/train/test_families.py compares others)"
            )
        parity(SHAPES[asked.shape], asked)
    else:
        measure(asked)
    print(machine())


if __name__ == "__main__":
    main()
