"""Vary drawings as other artists might, so that concepts are learnt and not their drawings.

A batch at a time, on premultiplied RGBA in [0, 1]: blends of two drawings, tints of one on the
shapes of another, turns and stretches, missing parts, contours, line drawings, other colours.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from ikusi.miniature.pictures.drawings import Drawings
from ikusi.miniature.pictures.splits import Splits

PIXELS = 64
GREY = torch.tensor([0.299, 0.587, 0.114])


class Thumbnails:
    """Small copies of the drawings that may be trained on, in one tensor.

    Concepts are numbered as a study's come, and then the catalogue's others.
    """

    def __init__(self, drawings: Drawings, further: Drawings, splits: Splits) -> None:
        lessons = [
            [drawings[concept.id, style] for style in splits.trained[concept.id]]
            + [further[key] for key in further if splits.learnable(concept, key)]
            for concept in (*splits.concepts, *splits.others)
        ]
        self._pixels = torch.stack(
            [_thumbnail(drawing) for own in lessons for drawing in own]
        )  # [drawings, 4, 64, 64]
        counts = torch.tensor([len(own) for own in lessons])
        self._counts, self._starts = counts, counts.cumsum(0) - counts

    def __len__(self) -> int:
        """Number of concepts."""
        return len(self._counts)

    def pick(self, concepts: Tensor, random: torch.Generator) -> Tensor:
        """A drawing of each of the concepts [N], premultiplied RGBA [N, 4, 64, 64] in [0, 1]."""
        share = torch.rand(len(concepts), generator=random)
        place = (share * self._counts[concepts]).long()
        return self._pixels[self._starts[concepts] + place]


def _thumbnail(drawing: np.ndarray) -> Tensor:
    small = Image.fromarray(drawing).resize((PIXELS, PIXELS), Image.Resampling.BOX)
    pixels = torch.from_numpy(np.array(small)).permute(2, 0, 1).float() / 255
    return torch.cat([pixels[:3] * pixels[3:], pixels[3:]])


def vary(
    first: Tensor, second: Tensor, side: int, random: torch.Generator, smallest: float = 0.6
) -> Tensor:
    """One variation of each drawing, with something of a second one in half of them.

    Args:
        first: drawings, premultiplied RGBA [N, 4, S, S] in [0, 1].
        second: another drawing for each, of the same concept or not.
        side: of the result, in pixels.
        smallest: share of the square that a drawing fills at least.

    Returns:
        Premultiplied RGBA [N, 4, side, side].
    """
    varied = _mix(first, second, random)
    varied = _move(varied, side, random, smallest)
    varied = _erase(varied, random)
    varied = _contour(varied, random)
    varied = _as_lines(varied, random)
    return _recolour(varied, random)


def _uniform(count: int, low: float, high: float, random: torch.Generator) -> Tensor:
    """Random numbers, [count]."""
    return low + (high - low) * torch.rand(count, generator=random)


def _choose(count: int, chance: float, random: torch.Generator) -> Tensor:
    return torch.rand(count, generator=random) < chance


def _lightness(premultiplied: Tensor) -> Tensor:
    return (premultiplied[:, :3] * GREY[:, None, None]).sum(1, keepdim=True)


def _mix(first: Tensor, second: Tensor, random: torch.Generator) -> Tensor:
    """Three in ten blended with the second drawing, a quarter tinted as it is."""
    count = len(first)
    chance = torch.rand(count, generator=random)
    share = torch.where(chance < 0.3, _uniform(count, 0.2, 0.5, random), torch.zeros(count))
    blended = torch.lerp(first, second, share[:, None, None, None])
    tint = (second[:, :3] - _lightness(second)) * (first[:, 3:] > 0.3) * (second[:, 3:] > 0.3)
    tinted = torch.cat([(_lightness(first) + tint).clamp(0, 1), first[:, 3:]], 1)
    return torch.where((chance > 0.75)[:, None, None, None], tinted, blended)


def _move(drawings: Tensor, side: int, random: torch.Generator, smallest: float) -> Tensor:
    """Each turned, stretched, sheared, mirrored and set somewhere into the square."""
    count = len(drawings)
    zoom = 1 / _uniform(count, smallest, 1.0, random)
    stretch = _uniform(count, -0.18, 0.18, random).exp()
    angle = _uniform(count, -0.35, 0.35, random) * _choose(count, 0.7, random)
    mirror = 1 - 2 * _choose(count, 0.5, random).float()
    shear = _uniform(count, -0.15, 0.15, random)
    matrix = torch.zeros(count, 2, 3)  # from places in the result to places in the drawing
    matrix[:, 0, 0] = mirror * zoom * stretch * angle.cos()
    matrix[:, 0, 1] = mirror * (shear - zoom * stretch * angle.sin())
    matrix[:, 1, 0] = zoom / stretch * angle.sin()
    matrix[:, 1, 1] = zoom / stretch * angle.cos()
    shift = (2 * torch.rand(count, 2, 1, generator=random) - 1) * (1 - 1 / zoom)[:, None, None]
    matrix[:, :, 2:] = -matrix[:, :, :2] @ shift
    grid = functional.affine_grid(matrix, [count, 4, side, side], align_corners=False)
    return functional.grid_sample(drawings, grid, align_corners=False)


def _erase(drawings: Tensor, random: torch.Generator) -> Tensor:
    """A third lose a rectangle of up to two fifths of each side."""
    count, side = len(drawings), drawings.shape[-1]
    extent = 0.12 + 0.28 * torch.rand(count, 2, 1, generator=random)
    start = torch.rand(count, 2, 1, generator=random) * (1 - extent)
    centres = (torch.arange(side) + 0.5) / side
    within = (centres > start) & (centres < start + extent)  # [N, 2, side]
    hole = within[:, 0, :, None] & within[:, 1, None, :]
    gone = hole & _choose(count, 0.35, random)[:, None, None]
    return drawings * ~gone[:, None]


def _contour(drawings: Tensor, random: torch.Generator) -> Tensor:
    """A quarter get a dark or, now and then, a light contour."""
    count, side = len(drawings), drawings.shape[-1]
    width = 2 * max(1, round(side / 64)) + 1
    chosen = _choose(count, 0.25, random)[:, None, None, None]
    shade = torch.where(_choose(count, 0.75, random), 0.05, 1.0)[:, None, None, None]
    alpha = drawings[:, 3:]
    wide = functional.max_pool2d(alpha, width, 1, width // 2)
    contoured = torch.cat([drawings[:, :3] + shade * (wide - alpha), wide], 1)
    return torch.where(chosen, contoured, drawings)


def _as_lines(drawings: Tensor, random: torch.Generator) -> Tensor:
    """One in twelve become pale shapes with dark edges."""
    chosen = _choose(len(drawings), 0.08, random)[:, None, None, None]
    light = _lightness(drawings)
    edges = functional.max_pool2d(light, 3, 1, 1) + functional.max_pool2d(-light, 3, 1, 1)
    alpha = drawings[:, 3:]
    pale = (0.6 * drawings[:, :3] + 0.4 * alpha) * (1 - (4 * edges).clamp(0, 1))
    return torch.where(chosen, torch.cat([pale, alpha], 1), drawings)


def _recolour(drawings: Tensor, random: torch.Generator) -> Tensor:
    """Saturation, hue, contrast, gain of each channel and brightness."""
    count = len(drawings)
    full = _uniform(count, 0.3, 1.5, random)
    saturation = torch.where(_choose(count, 0.1, random), 0.0, full)[:, None, None]
    far = _choose(count, 0.3, random)
    turn = torch.where(
        far, _uniform(count, -0.9, 0.9, random), _uniform(count, -0.12, 0.12, random)
    )
    matrix = saturation * torch.eye(3) + (1 - saturation) * GREY.expand(3, 3)
    contrast = _uniform(count, 0.6, 1.4, random)
    gain = contrast[:, None] * _uniform(3 * count, 0.8, 1.2, random).view(count, 3)
    matrix = gain[:, :, None] * (_hue_turn(turn) @ matrix)
    offset = 0.5 * (1 - contrast) + _uniform(count, -0.18, 0.18, random)
    colours, alpha = drawings[:, :3], drawings[:, 3:]
    colours = torch.einsum("nij,njhw->nihw", matrix, colours) + offset[:, None, None, None] * alpha
    return torch.cat([torch.minimum(colours.clamp(min=0), alpha), alpha], 1)


def _hue_turn(angle: Tensor) -> Tensor:
    """Rotations of colours about the grey axis by angles [N] in radians, [N, 3, 3]."""
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    axis = 1 / math.sqrt(3)
    cross = torch.tensor([[0, -axis, axis], [axis, 0, -axis], [-axis, axis, 0]])
    return cosine * torch.eye(3) + sine * cross + (1 - cosine) / 3
