"""Train the miniature's vision encoder on drawings and their English names, and measure it.

A varied drawing has the name of its concept, or the names that a teacher gives it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from transformers import CLIPImageProcessor, CLIPVisionModel

from ikusi.miniature.bases.contrastive import Contrastive, EncoderSettings, compute_loss, pool
from ikusi.miniature.bases.teacher import Teacher
from ikusi.miniature.bases.training import load_state, save_state, schedule, set_rate
from ikusi.miniature.pictures.augment import PIXELS, Thumbnails, vary
from ikusi.miniature.pictures.drawings import Drawings
from ikusi.miniature.pictures.scenes import (
    GROUNDS,
    Box,
    choose_colour,
    choose_places,
    compose,
    label_cells,
)
from ikusi.miniature.pictures.splits import Splits, make_generator
from ikusi.miniature.words.cldr import load_locale
from ikusi.train.optimizer import MuonAdamW

MEAN = STD = (0.5, 0.5, 0.5)
NOTHING = -1
BLOCK = 4  # batches that share their drawings
BLOCK_DRAWINGS = 384
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Picture:
    """A picture [S, S, 3] uint8 and, for each patch, its label and its region."""

    pixels: np.ndarray
    labels: np.ndarray  # [P]
    regions: np.ndarray  # [P] 0 is the ground, then one number per drawing


class Pictures(Dataset[dict[str, Tensor]]):
    """Batch number `i` of an endless stream of composed pictures; the same for the same seed.

    The drawings of a block of batches are varied, and shown to the teacher, only once.

    Args:
        thumbnails: the drawings that may be trained on.
        concepts: how many of their concepts, from the first, are drawn.
        settings: of the encoder.
        teacher: gives the names of a drawing; without one a drawing has its concept's.
    """

    def __init__(
        self,
        thumbnails: Thumbnails,
        concepts: int,
        settings: EncoderSettings,
        teacher: Teacher | None = None,
    ) -> None:
        self.thumbnails, self.concepts = thumbnails, concepts
        self.settings, self.teacher = settings, teacher
        self._block = NOTHING
        self._drawings, self._targets = torch.empty(0), torch.empty(0)

    def __len__(self) -> int:
        return self.settings.steps

    def __getitem__(self, step: int) -> dict[str, Tensor]:
        if step // BLOCK != self._block:
            self._vary(step // BLOCK)
        random = make_generator(self.settings.seed, step)
        pictures = [self._picture(random) for _ in range(self.settings.batch_size)]
        return stack_pictures(pictures) | {"targets": self._targets}

    @torch.inference_mode()
    def _vary(self, block: int) -> None:
        """Vary a block's drawings; a label then stands for a drawing, `targets` says its names."""
        self._block = block
        random = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + block)
        concepts = self._some(random)
        if self.teacher is None:
            self._drawings = self._vary_drawings(concepts, concepts, random)
            named = torch.eye(self.concepts)[concepts]
        else:  # a quarter with something of another concept's drawing
            strange = torch.rand(len(concepts), generator=random) < 0.25
            seconds = torch.where(strange, self._some(random), concepts)
            self._drawings = self._vary_drawings(concepts, seconds, random)
            grounds = torch.rand(len(concepts), 3, generator=random)
            named = self.teacher(self._drawings, grounds)[:, : self.concepts].softmax(-1)
        self._targets = torch.block_diag(named, torch.eye(len(GROUNDS)))

    def _some(self, random: torch.Generator) -> Tensor:
        return torch.randint(self.concepts, (BLOCK_DRAWINGS,), generator=random)

    def _vary_drawings(self, concepts: Tensor, seconds: Tensor, random: torch.Generator) -> Tensor:
        first, second = (self.thumbnails.pick(each, random) for each in (concepts, seconds))
        return vary(first, second, PIXELS, random, smallest=0.85)

    def _picture(self, random: np.random.Generator) -> Picture:
        boxes = (
            place_crowd(random)
            if random.random() < 0.5
            else choose_places(int(random.integers(1, 4)), random)
        )
        drawn = random.choice(len(self._drawings), len(boxes), replace=False)
        name = int(random.integers(len(GROUNDS)))
        colour = choose_colour(list(GROUNDS)[name], random)
        side = self.settings.image_size
        canvas = (torch.tensor(colour) / 255)[:, None, None].repeat(1, side, side)
        for drawing, box in zip(drawn, boxes, strict=True):
            _paste(canvas, self._drawings[drawing], box)
        regions = label_cells(boxes, side // self.settings.patch_size)
        labels = np.array([len(self._drawings) + name, *drawn])[regions]
        pixels = (canvas * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        return Picture(pixels, labels, regions)


def _paste(canvas: Tensor, drawing: Tensor, box: Box) -> None:
    """Lay a premultiplied drawing [4, S, S] over a picture [3, H, W], in place; it stays inside."""
    side = canvas.shape[-1]
    x, y, share = box
    size = round(share * side)
    small = functional.interpolate(drawing[None], (size, size), mode="bilinear", antialias=True)[0]
    left, top = (min(max(0, round(at * side - size / 2)), side - size) for at in (x, y))
    under = canvas[:, top : top + size, left : left + size]
    under.mul_(1 - small[3:]).add_(small[:3])


def place_crowd(random: np.random.Generator) -> list[Box]:
    """Four jittered boxes, two by two: more drawings for the same work than in a scene."""
    boxes = []
    for index in range(4):
        side = float(random.uniform(0.36, 0.48))
        slack = (0.5 - side) / 2
        x, y = (index % 2 + 0.5) / 2, (index // 2 + 0.5) / 2
        shift_x, shift_y = (float(value) for value in random.uniform(-slack, slack, 2))
        boxes.append((x + shift_x, y + shift_y, side))
    return boxes


def stack_pictures(pictures: list[Picture]) -> dict[str, Tensor]:
    """Stack pictures: pixels [B, 3, S, S] uint8, labels and regions [B, P]."""
    pixels = np.stack([item.pixels for item in pictures]).transpose(0, 3, 1, 2)
    return {
        "pixels": torch.from_numpy(np.ascontiguousarray(pixels)),
        "labels": torch.from_numpy(np.stack([item.labels for item in pictures])),
        "regions": torch.from_numpy(np.stack([item.regions for item in pictures])),
    }


def list_names(splits: Splits) -> list[str]:
    """Texts that pictures are matched with: English names of the concepts, then of the grounds."""
    words = load_locale("en")
    return [concept.name(words) for concept in splits.concepts] + list(GROUNDS)


def train(
    pictures: Pictures,
    names: list[str],
    output: Path,
    progress: Progress | None = None,
    start_from: Contrastive | None = None,
) -> Contrastive:
    """Train in bf16 with fp32 master weights; goes on from `output` where it stopped.

    Args:
        pictures: what to train on, and the settings.
        names: what pictures are matched with.
        output: folder of the states to resume from.
        progress: called with (done, total, what).
        start_from: an encoder to start from, else one with random weights.
    """
    settings = pictures.settings
    torch.manual_seed(settings.seed)
    master = start_from or Contrastive(names, settings)
    working = Contrastive(names, settings).to(torch.bfloat16)
    rate = settings.learning_rate
    optimiser = MuonAdamW(dict(master.named_parameters()), rate, settings.weight_decay)
    start = load_state(output, master, optimiser)
    steps = range(start, settings.steps)
    loader = DataLoader(pictures, batch_size=None, sampler=steps, num_workers=1, prefetch_factor=4)
    began, running = time.monotonic(), 0.0
    for step, data in zip(steps, loader, strict=True):
        share = schedule(step, settings.steps, settings.warmup)
        set_rate(optimiser, rate * share)
        loss = step_of(master, working, optimiser, data)
        running = loss if step == start else 0.98 * running + 0.02 * loss
        if (step + 1) % settings.save_every == 0 or step + 1 == settings.steps:
            save_state(output, master, optimiser, step + 1)
        if progress and (step + 1) % 20 == 0:
            pace = (step + 1 - start) / (time.monotonic() - began)
            progress(step + 1, settings.steps, f"encoder: loss {running:.3f}, {pace:.2f} steps/s")
    return master


def step_of(
    master: Contrastive,
    working: Contrastive,
    optimiser: torch.optim.Optimizer,
    data: dict[str, Tensor],
) -> float:
    """One optimiser step: forward and backward in the bf16 copy, update in the fp32 master.

    Args:
        master: the weights in fp32.
        working: the copy in bf16.
        optimiser: of the master's weights.
        data: as `compute_loss` takes it.

    Returns:
        The loss.
    """
    with torch.no_grad():
        for low, high in zip(working.parameters(), master.parameters(), strict=True):
            low.copy_(high)
    loss = compute_loss(working, data)
    loss.backward()
    for low, high in zip(working.parameters(), master.parameters(), strict=True):
        high.grad = low.grad.float() if low.grad is not None else None
        low.grad = None
    nn.utils.clip_grad_norm_(master.parameters(), 1.0)
    optimiser.step()
    return loss.item()


@torch.inference_mode()
def measure_retrieval(
    model: Contrastive,
    drawings: Drawings,
    splits: Splits,
    settings: EncoderSettings,
    unseen: str | None,
    count: int = 1,
    repeats: int = 1,
) -> float:
    """Top-1 accuracy of naming a drawing's region among the names of all concepts.

    Args:
        model: the encoder with its text tower.
        drawings: of all concepts and styles.
        splits: which of them were trained on.
        settings: of the encoder.
        unseen: the kind of drawings to name; None for those that were trained on.
        count: drawings in a scene.
        repeats: scenes for each drawing.
    """
    random = make_generator(settings.seed, 99, count)
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
            _compose_test(
                [drawings[ids[index], style] for index, style in group],
                [index for index, _ in group],
                settings,
                random,
            )
            for group in groups
        ]
        data = stack_pictures(pictures)
        _, patches = model(data["pixels"])
        vectors, labels = pool(patches, data["labels"], data["regions"])
        drawn = labels != NOTHING
        picked = model.scores(vectors[drawn])[:, : len(ids)].argmax(1)
        right += int((picked == labels[drawn]).sum())
        total += int(drawn.sum())
    return right / total


def _compose_test(
    drawn: list[np.ndarray],
    concepts: list[int],
    settings: EncoderSettings,
    random: np.random.Generator,
) -> Picture:
    """A scene as a study composes it; the label of its ground is NOTHING."""
    boxes = choose_places(len(drawn), random)
    colour = choose_colour(list(GROUNDS)[random.integers(len(GROUNDS))], random)
    image = compose(drawn, boxes, colour, settings.image_size, random)
    regions = label_cells(boxes, settings.image_size // settings.patch_size)
    return Picture(np.asarray(image), np.array([NOTHING, *concepts])[regions], regions)


def measure(
    model: Contrastive, drawings: Drawings, splits: Splits, settings: EncoderSettings
) -> dict[str, dict[str, float]]:
    """Retrieval by kind of drawing (trained, drawing, style) and drawings in the scene (1 to 3)."""
    model.eval()
    return {
        unseen or "trained": {
            str(count): round(
                measure_retrieval(model, drawings, splits, settings, unseen, count), 4
            )
            for count in (1, 2, 3)
        }
        for unseen in (None, "drawing", "style")
    }


def save_encoder(model: CLIPVisionModel, settings: EncoderSettings, folder: Path) -> None:
    """A stock CLIP vision checkpoint in fp16, with its image processor."""
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
