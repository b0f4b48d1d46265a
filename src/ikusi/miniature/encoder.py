"""Train the miniature's CLIP vision encoder on drawings and their English names.

Contrastive in three places at once: every patch, every region (the patches of one drawing, or of
the ground) and the whole picture are each scored against the names of all concepts. The text
tower is a bag of words. Only the vision tower is kept (Radford et al. 2021; region-text pairs as
in Zhong et al. 2022, RegionCLIP).
"""

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
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModel

from ikusi.miniature.augment import thumbnail, vary
from ikusi.miniature.cldr import locale
from ikusi.miniature.drawings import Drawings
from ikusi.miniature.scenes import GROUNDS, Box, compose, ground_colour, places
from ikusi.miniature.splits import Splits, generator

log = logging.getLogger(__name__)
MEAN = STD = (0.5, 0.5, 0.5)
NOTHING = -1


@dataclass(frozen=True)
class EncoderSettings:
    """Sizes and schedule; the defaults are those of the shipped encoder."""

    image_size: int = 96
    patch_size: int = 12
    width: int = 128
    layers: int = 4
    heads: int = 4
    steps: int = 6000
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup: int = 100
    temperature: float = 0.07
    seed: int = 7
    save_every: int = 200


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


class BagOfWords(nn.Module):
    """Text tower: a name is the mean of its words' vectors, projected."""

    def __init__(self, names: list[str], width: int) -> None:
        super().__init__()
        words = sorted({word for name in names for word in name.split()})
        table = torch.zeros(len(names), len(words))
        for row, name in enumerate(names):
            for word in name.split():
                table[row, words.index(word)] += 1 / len(name.split())
        self.register_buffer("table", table)
        self.words = nn.Parameter(torch.randn(len(words), width) * width**-0.5)

    def forward(self) -> Tensor:
        """Unit vectors of all names, [N, width]."""
        table = self.get_buffer("table")
        return functional.normalize((table.to(self.words.dtype) @ self.words).float(), dim=-1)


class Contrastive(nn.Module):
    """Vision tower, text tower, and the heads that bring both to one space."""

    def __init__(self, names: list[str], settings: EncoderSettings) -> None:
        super().__init__()
        width = settings.width
        self.vision = CLIPVisionModel._from_config(
            vision_config(settings), attn_implementation="eager"
        )
        self.text = BagOfWords(names, width)
        self.patch_norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, width, bias=False)
        self.scale = nn.Parameter(torch.tensor(math.log(1 / settings.temperature)))

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels [B, 3, S, S] uint8 -> picture vectors [B, width], patch vectors [B, P, width]."""
        dtype = self.head.weight.dtype
        output = self.vision(((pixels.to(torch.float32) / 127.5) - 1).to(dtype))
        patches = self.head(self.patch_norm(output.last_hidden_state[:, 1:]))
        return self.head(output.pooler_output), patches

    def scores(self, vectors: Tensor) -> Tensor:
        """Log-odds of every name for each vector."""
        scale = self.scale.float().exp().clamp(max=50)
        unit = functional.normalize(vectors.float(), dim=-1).to(vectors.dtype)
        return scale * (unit @ self.text().to(vectors.dtype).T).float()


def vision_config(settings: EncoderSettings) -> CLIPVisionConfig:
    """The stock CLIP vision tower at the miniature's size."""
    return CLIPVisionConfig(
        hidden_size=settings.width,
        intermediate_size=4 * settings.width,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        image_size=settings.image_size,
        patch_size=settings.patch_size,
        hidden_act="gelu",
    )


def names_of(splits: Splits) -> list[str]:
    """What pictures are matched with: the English names of the concepts, then of the grounds."""
    words = locale("en")
    return [concept.name(words) for concept in splits.concepts] + list(GROUNDS)


def loss_of(model: Contrastive, data: dict[str, Tensor]) -> Tensor:
    """Sum of the patch, region and picture losses."""
    whole, patches = model(data["pixels"])
    labels, regions = data["labels"], data["regions"]
    patch_loss = functional.cross_entropy(model.scores(patches).flatten(0, 1), labels.flatten())
    vectors, region_labels = pool(patches, labels, regions)
    region_scores = model.scores(vectors)
    region_loss = functional.cross_entropy(region_scores, region_labels)
    present = torch.zeros(len(labels), region_scores.shape[1])
    present.scatter_(1, labels, 1.0)
    target = present / present.sum(1, keepdim=True)
    picture_loss = functional.cross_entropy(model.scores(whole), target)
    return patch_loss + region_loss + 0.3 * picture_loss


def pool(patches: Tensor, labels: Tensor, regions: Tensor) -> tuple[Tensor, Tensor]:
    """Mean patch vector of each region and its label: [R, width], [R]."""
    slots = int(regions.max()) + 1
    member = functional.one_hot(regions, slots).to(patches.dtype)  # [B, P, slots]
    sums = torch.einsum("bps,bpd->bsd", member, patches)
    counts = member.sum(1)  # [B, slots]
    region_labels = torch.zeros_like(counts, dtype=torch.long)
    region_labels.scatter_(1, regions, labels)
    there = counts > 0
    return (sums / counts.clamp(min=1).unsqueeze(-1))[there], region_labels[there]


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


@torch.no_grad()
def standardise(vision: CLIPVisionModel, pixels: Tensor) -> None:
    """Centre the patch features on zero and bring them to unit deviation, in the weights alone.

    A tower that was trained through a LayerNorm is free to give all its patches one large common
    part, on which a linear connector's first steps would be spent. The residual stream is scaled
    by scaling all that is added to it, which the LayerNorms that read it do not notice, and its
    mean is taken off the last bias. The class token moves along.

    Args:
        pixels: pictures to measure mean and deviation on, [B, 3, S, S] uint8.
    """
    vision.float().eval()
    shown = pixels.float() / 127.5 - 1
    features = vision(shown).last_hidden_state[:, 1:].flatten(0, 1)  # [B * P, width]
    scale = 1 / (features - features.mean(0)).std()
    tower = vision.vision_model if hasattr(vision, "vision_model") else vision
    writers = [tower.pre_layrnorm]
    for layer in tower.encoder.layers:
        writers += [layer.self_attn.out_proj, layer.mlp.fc2]
    for writer in writers:
        writer.weight *= scale
        writer.bias *= scale
    tower.encoder.layers[-1].mlp.fc2.bias -= scale * features.mean(0)


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
