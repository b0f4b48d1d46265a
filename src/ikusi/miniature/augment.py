"""Vary a drawing as another artist might, so that a concept is learnt and not its drawings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageFilter

PIXELS = 80
GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def thumbnail(drawing: np.ndarray) -> np.ndarray:
    """A drawing at the size it is varied at, [80, 80, 4] uint8."""
    return np.asarray(Image.fromarray(drawing).resize((PIXELS, PIXELS), Image.Resampling.BOX))


def vary(drawings: Sequence[np.ndarray], random: np.random.Generator) -> np.ndarray:
    """One variation on the drawings of one concept, RGBA uint8.

    Each kind of change comes now and then: colours of one drawing on the shapes of another, a
    blend of two, flat colours, no colours, turned hues, an outline, a part missing.
    """
    first, second = (drawings[i] for i in random.integers(len(drawings), size=2))
    shape = first.astype(np.float32)
    chance = random.random(6)
    if chance[0] < 0.25:
        shape = _with_colours_of(shape, second.astype(np.float32))
    elif chance[0] < 0.5:
        shape = shape + float(random.uniform(0.2, 0.5)) * (second.astype(np.float32) - shape)
    if chance[1] < 0.15:
        shape[..., :3] = (shape[..., :3] @ GREY)[..., None]
    elif chance[1] < 0.35:
        shape[..., :3] = shape[..., :3] @ _hue_turn(float(random.uniform(-0.6, 0.6)))
    if chance[2] < 0.2:
        levels = int(random.integers(3, 6))
        shape[..., :3] = np.round(shape[..., :3] / 255 * levels) / levels * 255
    if chance[3] < 0.4:
        _erase(shape, random)
    varied = Image.fromarray(np.clip(shape, 0, 255).astype(np.uint8))
    if chance[4] < 0.25:
        varied = _outlined(varied, random)
    if chance[5] < 0.3:
        varied = _cropped(varied, random)
    return np.asarray(varied)


def _with_colours_of(shape: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Lightness and outline of one drawing, tint of the other."""
    light = shape[..., :3] @ GREY
    tint = other[..., :3] - (other[..., :3] @ GREY)[..., None]
    mixed = shape.copy()
    inside = other[..., 3:] > 128
    mixed[..., :3] = np.where(inside, light[..., None] + tint, shape[..., :3])
    return mixed


def _hue_turn(turns: float) -> np.ndarray:
    """Rotation of colours about the grey axis, [3, 3]."""
    cosine, sine = np.cos(turns), np.sin(turns)
    axis = np.full(3, 1 / np.sqrt(3))
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turn = cosine * np.eye(3) + sine * cross + (1 - cosine) * np.outer(axis, axis)
    return turn.T.astype(np.float32)


def _erase(shape: np.ndarray, random: np.random.Generator) -> None:
    """Make a rectangle of up to a third of each side transparent, in place."""
    height, width = (random.uniform(0.1, 0.35, 2) * PIXELS).astype(int)
    top, left = random.integers(PIXELS - height), random.integers(PIXELS - width)
    shape[top : top + height, left : left + width, 3] = 0


def _outlined(drawing: Image.Image, random: np.random.Generator) -> Image.Image:
    """The drawing inside a dark or light contour of a few pixels."""
    wide = drawing.getchannel("A").filter(ImageFilter.MaxFilter(int(random.choice([3, 5, 7]))))
    shade = int(random.choice([0, 0, 20, 255]))
    contour = Image.merge("RGBA", [*(Image.new("L", drawing.size, shade) for _ in range(3)), wide])
    return Image.alpha_composite(contour, drawing)


def _cropped(drawing: Image.Image, random: np.random.Generator) -> Image.Image:
    """A part of the drawing, three quarters of each side or more."""
    side = int(PIXELS * random.uniform(0.75, 1))
    left, top = (int(value) for value in random.integers(PIXELS - side + 1, size=2))
    return drawing.crop((left, top, left + side, top + side))
