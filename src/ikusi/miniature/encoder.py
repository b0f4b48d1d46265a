"""Train the miniature's CLIP vision encoder on drawings and their English names, and measure it."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from transformers import CLIPImageProcessor, CLIPVisionModel

from ikusi.miniature.augment import thumbnail, vary
from ikusi.miniature.cldr import locale
from ikusi.miniature.contrastive import Contrastive, EncoderSettings, loss_of, pool
from ikusi.miniature.drawings import Drawings
from ikusi.miniature.scenes import GROUNDS, Box, compose, ground_colour, places
from ikusi.miniature.splits import Splits, generator

log = logging.getLogger(__name__)
MEAN = STD = (0.5, 0.5, 0.5)
NOTHING = -1


@dataclass(frozen=True)
class Picture:
    """One training picture: pixels [S, S, 3] uint8, the label of each patch and its region."""

    pixels: np.ndarray
    labels: np.ndarray  # [P] index into the names (concepts, then grounds)
    regions: np.ndarray  # [P] 0 is the ground, then one number per drawing


class Pictures(Dataset[dict[str, Tensor]]):
    """Batch number `i` of the endless stream of composed pictures; the same for the same seed."""

    def __init__(self, drawings: Drawings, splits: Splits, settings: EncoderSettings) -> None:
        self.settings = settings
        self.choices = [
            [thumbnail(drawings[concept.id, style]) for style in splits.trained[concept.id]]
            for concept in splits.concepts
        ]

    def __len__(self) -> int:
        return self.settings.steps

    def __getitem__(self, step: int) -> dict[str, Tensor]:
        random = generator(self.settings.seed, step)
        pictures = [self._picture(random) for _ in range(self.settings.batch_size)]
        return batch(pictures)

    def _picture(self, random: np.random.Generator) -> Picture:
        boxes = (
            crowd(random) if random.random() < 0.6 else places(int(random.integers(1, 4)), random)
        )
        concepts = random.choice(len(self.choices), len(boxes), replace=False)
        drawn = [vary(self.choices[concept], random) for concept in concepts]
        return picture(drawn, list(concepts), boxes, self.settings, len(self.choices), random)


def crowd(random: np.random.Generator) -> list[Box]:
    """Four to six jittered boxes: more drawings for the same work than in a scene."""
    columns, rows = (2, 2) if random.random() < 0.6 else (3, 2)
    boxes = []
    for index in range(columns * rows):
        side = float(random.uniform(0.26, 0.34 if columns == 3 else 0.48))
        slack_x, slack_y = max(0, 1 / columns - side) / 2, max(0, 1 / rows - side) / 2
        x = (index % columns + 0.5) / columns + random.uniform(-slack_x, slack_x)
        y = (index // columns + 0.5) / rows + random.uniform(-slack_y, slack_y)
        boxes.append((float(x), float(y), side))
    return boxes


def picture(
    drawn: list[np.ndarray],
    concepts: list[int],
    boxes: list[Box],
    settings: EncoderSettings,
    ground_offset: int,
    random: np.random.Generator,
    strength: float = 1.0,
) -> Picture:
    """Compose one picture and say, for every patch, what its centre shows."""
    name = int(random.integers(len(GROUNDS)))
    colour = ground_colour(list(GROUNDS)[name], random)
    image = compose(drawn, boxes, colour, settings.image_size, random, strength)
    grid = settings.image_size // settings.patch_size
    centres = (np.arange(grid) + 0.5) / grid
    x, y = np.meshgrid(centres, centres)
    labels = np.full(grid * grid, ground_offset + name)
    regions = np.zeros(grid * grid, dtype=np.int64)
    for number, (concept, (left, top, side)) in enumerate(
        zip(concepts, boxes, strict=True), start=1
    ):
        inside = (np.maximum(abs(x - left), abs(y - top)) < side / 2).ravel()
        labels[inside], regions[inside] = concept, number
    return Picture(np.asarray(image), labels, regions)


def batch(pictures: list[Picture]) -> dict[str, Tensor]:
    """Stack pictures: pixels [B, 3, S, S] uint8, labels and regions [B, P]."""
    pixels = np.stack([item.pixels for item in pictures]).transpose(0, 3, 1, 2)
    return {
        "pixels": torch.from_numpy(np.ascontiguousarray(pixels)),
        "labels": torch.from_numpy(np.stack([item.labels for item in pictures])),
        "regions": torch.from_numpy(np.stack([item.regions for item in pictures])),
    }


def names_of(splits: Splits) -> list[str]:
    """What pictures are matched with: the English names of the concepts, then of the grounds."""
    words = locale("en")
    return [concept.name(words) for concept in splits.concepts] + list(GROUNDS)


def train(
    drawings: Drawings,
    splits: Splits,
    settings: EncoderSettings,
    output: Path,
    progress: Callable[[int, int, str], None] | None = None,
) -> Contrastive:
    """Train in bf16 with fp32 master weights; goes on from `output/resume` where that exists."""
    torch.manual_seed(settings.seed)
    master = Contrastive(names_of(splits), settings)
    working = Contrastive(names_of(splits), settings).to(torch.bfloat16)
    optimisers = make_optimisers(master, settings)
    resume = output / "resume"
    start = load_state(resume, master, optimisers)
    output.mkdir(parents=True, exist_ok=True)
    pictures = Pictures(drawings, splits, settings)
    steps = range(start, settings.steps)
    loader = DataLoader(pictures, batch_size=None, sampler=steps, num_workers=1, prefetch_factor=4)
    began, running = time.monotonic(), 0.0
    for step, data in zip(steps, loader, strict=True):
        for group in (group for optimiser in optimisers for group in optimiser.param_groups):
            group["lr"] = settings.learning_rate * schedule(step, settings)
        loss = step_of(master, working, optimisers, data)
        running = loss if step == start else 0.98 * running + 0.02 * loss
        if (step + 1) % settings.save_every == 0:
            save_state(resume, master, optimisers, step + 1)
        if progress and (step + 1) % 20 == 0:
            rate = (step + 1 - start) / (time.monotonic() - began)
            progress(step + 1, settings.steps, f"loss {running:.3f}, {rate:.2f} steps/s")
    return master


def step_of(
    master: Contrastive,
    working: Contrastive,
    optimisers: list[torch.optim.Optimizer],
    data: dict[str, Tensor],
) -> float:
    """One optimiser step: forward and backward in the bf16 copy, update in the fp32 master."""
    with torch.no_grad():
        for low, high in zip(working.parameters(), master.parameters(), strict=True):
            low.copy_(high)
    loss = loss_of(working, data)
    loss.backward()
    for low, high in zip(working.parameters(), master.parameters(), strict=True):
        high.grad = low.grad.float() if low.grad is not None else None
        low.grad = None
    nn.utils.clip_grad_norm_(master.parameters(), 1.0)
    for optimiser in optimisers:
        optimiser.step()
    return loss.item()


def make_optimisers(model: nn.Module, settings: EncoderSettings) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the transformer (Jordan 2024), AdamW for everything else."""
    rate, decay = settings.learning_rate, settings.weight_decay
    inner = [p for name, p in model.named_parameters() if "layers" in name and p.ndim == 2]
    outer = [p for name, p in model.named_parameters() if "layers" not in name and p.ndim > 1]
    flat = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": outer, "weight_decay": decay}, {"params": flat, "weight_decay": 0.0}]
    return [
        torch.optim.Muon(inner, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98)),
    ]


def schedule(step: int, settings: EncoderSettings) -> float:
    """Linear warm-up, then cosine to zero."""
    if step < settings.warmup:
        return (step + 1) / settings.warmup
    done = (step - settings.warmup) / max(1, settings.steps - settings.warmup)
    return 0.5 * (1 + math.cos(math.pi * done))


@torch.inference_mode()
def retrieval(
    model: Contrastive,
    drawings: Drawings,
    splits: Splits,
    settings: EncoderSettings,
    unseen: str | None,
    count: int = 1,
    repeats: int = 1,
) -> float:
    """Top-1 accuracy of naming a drawing's region among all names, `count` drawings a scene."""
    random = generator(settings.seed, 99, count)
    ids = [concept.id for concept in splits.concepts]
    cases = [
        (index, style)
        for index, concept in enumerate(splits.concepts)
        for style in splits.styles(concept, unseen)
        for _ in range(repeats)
    ]
    random.shuffle(cases)
    right = total = 0
    for start in range(0, len(cases), 64 * count):
        chunk = cases[start : start + 64 * count]
        groups = [chunk[i : i + count] for i in range(0, len(chunk), count)]
        pictures = [
            picture(
                [drawings[ids[index], style] for index, style in group],
                [index for index, _ in group],
                places(len(group), random),
                settings,
                len(ids),
                random,
                strength=0.35,
            )
            for group in groups
        ]
        data = batch(pictures)
        _, patches = model(data["pixels"])
        vectors, labels = pool(patches, data["labels"], data["regions"])
        drawn = labels < len(ids)
        picked = model.scores(vectors[drawn])[:, : len(ids)].argmax(1)
        right += int((picked == labels[drawn]).sum())
        total += int(drawn.sum())
    return right / total


def measure(
    model: Contrastive, drawings: Drawings, splits: Splits, settings: EncoderSettings
) -> dict[str, dict[str, float]]:
    """Retrieval by kind of drawing (trained, drawing, style) and drawings in the scene (1 to 3)."""
    model.eval()
    return {
        unseen or "trained": {
            str(count): round(retrieval(model, drawings, splits, settings, unseen, count), 4)
            for count in (1, 2, 3)
        }
        for unseen in (None, "drawing", "style")
    }


def save_encoder(model: CLIPVisionModel, settings: EncoderSettings, folder: Path) -> None:
    """A stock CLIP vision checkpoint in fp16, with its image processor and settings."""
    model.to(torch.float16).save_pretrained(folder)
    size = {"height": settings.image_size, "width": settings.image_size}
    processor = CLIPImageProcessor(
        do_resize=True,
        size=size,
        do_center_crop=False,
        crop_size=size,
        image_mean=list(MEAN),
        image_std=list(STD),
    )
    processor.save_pretrained(folder)
    (folder / "training.json").write_text(json.dumps(asdict(settings), indent=2) + "\n")


def save_state(
    folder: Path, model: nn.Module, optimisers: list[torch.optim.Optimizer], step: int
) -> None:
    """Write weights, moments and step aside, then rename: the last good state always stands."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    for number, optimiser in enumerate(optimisers):
        for index, entry in optimiser.state_dict()["state"].items():
            tensors |= {f"{number}.{index}.{key}": value for key, value in entry.items()}
    tensors["step"] = torch.tensor(step)
    save_file(tensors, folder / "state.partial")
    (folder / "state.partial").replace(folder / "state.safetensors")


def load_state(folder: Path, model: nn.Module, optimisers: list[torch.optim.Optimizer]) -> int:
    """Restore what `save_state` wrote; returns the step to go on from, 0 where there is none."""
    path = folder / "state.safetensors"
    if not path.exists():
        return 0
    tensors = load_file(path)
    step = int(tensors.pop("step"))
    model.load_state_dict(
        {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
    )
    for number, optimiser in enumerate(optimisers):
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            owner, _, rest = key.partition(".")
            if owner == str(number):
                index, name = rest.split(".")
                state.setdefault(int(index), {})[name] = value
        optimiser.load_state_dict(optimiser.state_dict() | {"state": state})
    log.info("going on from step %d", step)
    return step
