"""The encoder's teacher: a small convolutional network that names single drawings.

Convolutions need far fewer drawings than attention does to recognise a thing another artist drew.
The encoder, a plain ViT, learns the teacher's predictions for drawings varied without end (function
matching: Beyer et al. 2022, "Knowledge distillation: a good teacher is patient and consistent").
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from ikusi.miniature.bases.training import load_state, save_state, schedule, set_rate
from ikusi.miniature.pictures.augment import Thumbnails, vary

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class TeacherSettings:
    """Sizes and schedule; the defaults are those of the shipped encoder's teacher."""

    side: int = 40
    widths: tuple[int, ...] = (16, 32, 64, 160)
    steps: int = 8000
    batch_size: int = 96
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    warmup: int = 100
    seed: int = 7
    save_every: int = 500


class Teacher(nn.Module):
    """A residual network (He et al. 2016) over one drawing on a plain ground."""

    def __init__(self, classes: int, settings: TeacherSettings) -> None:
        super().__init__()
        self.side = settings.side
        first, *widths = settings.widths
        layers: list[nn.Module] = [_Convolution(3, first, size=5, stride=2), nn.ReLU()]
        for number, (before, width) in enumerate(pairwise([first, *widths])):
            stride = 1 if number == 0 else 2
            layers += [_Convolution(before, width, stride=stride), nn.ReLU(), _Residual(width)]
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], classes)]
        self.layers = nn.Sequential(*layers)

    def forward(self, drawings: Tensor, grounds: Tensor) -> Tensor:
        """Premultiplied RGBA [N, 4, S, S] on colours [N, 3], all in [0, 1] -> logits [N, C]."""
        if drawings.shape[-1] != self.side:
            size = (self.side, self.side)
            drawings = functional.interpolate(drawings, size, mode="bilinear", antialias=True)
        pixels = drawings[:, :3] + (1 - drawings[:, 3:]) * grounds[:, :, None, None]
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.layers((2 * pixels - 1).to(memory_format=torch.channels_last))
        return logits.float()


class _Convolution(nn.Sequential):
    def __init__(self, before: int, width: int, size: int = 3, stride: int = 1) -> None:
        convolution = nn.Conv2d(before, width, size, stride, size // 2, bias=False)
        super().__init__(convolution, nn.BatchNorm2d(width))


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = _Convolution(width, width), _Convolution(width, width)

    def forward(self, features: Tensor) -> Tensor:
        return functional.relu(features + self.second(functional.relu(self.first(features))))


def train(
    thumbnails: Thumbnails,
    settings: TeacherSettings,
    output: Path,
    progress: Progress | None = None,
) -> Teacher:
    """Train the teacher to name varied drawings; goes on from `output` where it stopped."""
    torch.manual_seed(settings.seed)
    teacher = Teacher(len(thumbnails), settings)
    optimiser = torch.optim.AdamW(
        teacher.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    start = load_state(output, teacher, optimiser)
    began, running = time.monotonic(), 0.0
    for step in range(start, settings.steps):
        share = schedule(step, settings.steps, settings.warmup)
        set_rate(optimiser, settings.learning_rate * share)
        loss = _step(teacher, optimiser, thumbnails, settings, step)
        running = loss if step == start else 0.98 * running + 0.02 * loss
        if (step + 1) % settings.save_every == 0 or step + 1 == settings.steps:
            save_state(output, teacher, optimiser, step + 1)
        if progress and (step + 1) % 20 == 0:
            rate = (step + 1 - start) / (time.monotonic() - began)
            progress(step + 1, settings.steps, f"teacher: loss {running:.3f}, {rate:.2f} steps/s")
    return teacher.eval()


def _step(
    teacher: Teacher,
    optimiser: torch.optim.Optimizer,
    thumbnails: Thumbnails,
    settings: TeacherSettings,
    step: int,
) -> float:
    random = torch.Generator().manual_seed(settings.seed * 1_000_003 + step)
    concepts = torch.randint(len(thumbnails), (settings.batch_size,), generator=random)
    first, second = thumbnails.pick(concepts, random), thumbnails.pick(concepts, random)
    drawings = vary(first, second, settings.side, random)
    grounds = torch.rand(settings.batch_size, 3, generator=random)
    logits = teacher(drawings, grounds)
    loss = functional.cross_entropy(logits, concepts, label_smoothing=settings.label_smoothing)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()
