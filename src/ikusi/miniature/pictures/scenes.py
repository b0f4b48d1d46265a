"""Compose scenes: one to three drawings of one style, jittered, on a coloured ground."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

GROUNDS = {  # named colour -> RGB centre; jittered by GROUND_JITTER
    "red": (214, 60, 55),
    "orange": (240, 145, 50),
    "yellow": (245, 215, 80),
    "green": (90, 175, 90),
    "blue": (70, 125, 215),
    "purple": (145, 95, 190),
    "brown": (135, 95, 65),
    "black": (32, 32, 36),
    "white": (246, 246, 246),
    "grey": (150, 152, 156),
    "pink": (245, 165, 200),
}
GROUND_SIGNS = {  # named colour -> the emoji that stands for it where a scene is written in emoji
    "red": "\u2764",
    "orange": "🧡",
    "yellow": "💛",
    "green": "💚",
    "blue": "💙",
    "purple": "💜",
    "brown": "🤎",
    "black": "🖤",
    "white": "🤍",
    "grey": "🩶",
    "pink": "🩷",
}
GROUND_JITTER = 14
SIZES = {1: (0.50, 0.85), 2: (0.38, 0.48), 3: (0.29, 0.33)}  # of the side, by count
Box = tuple[float, float, float]  # centre x, centre y, side; shares of the scene's side


def choose_places(count: int, random: np.random.Generator) -> list[Box]:
    """Boxes from left to right that do not overlap, with jittered height and size."""
    low, high = SIZES[count]
    boxes = []
    for index in range(count):
        side = float(random.uniform(low, high))
        slot = 1 / count
        slack = max(0.0, (slot - side) / 2)
        x = (index + 0.5) * slot + float(random.uniform(-slack, slack))
        reach = (1 - side) / 2
        y = 0.5 + float(random.uniform(-reach, reach)) * (0.9 if count > 1 else 0.6)
        boxes.append((x, y, side))
    return boxes


def label_cells(boxes: list[Box], grid: int) -> np.ndarray:
    """Label each cell of a picture by what its centre shows, row by row.

    Returns:
        [grid * grid] int: 0 for the ground, then the number of the box counted from 1.
    """
    centres = (np.arange(grid) + 0.5) / grid
    x, y = np.meshgrid(centres, centres)
    shown = np.zeros(grid * grid, dtype=np.int64)
    for number, (left, top, side) in enumerate(boxes, start=1):
        shown[(np.maximum(abs(x - left), abs(y - top)) < side / 2).ravel()] = number
    return shown


def choose_colour(name: str, random: np.random.Generator) -> tuple[int, int, int]:
    """A shade of the named colour."""
    shade = np.array(GROUNDS[name]) + random.integers(-GROUND_JITTER, GROUND_JITTER + 1, 3)
    red, green, blue = (int(value) for value in np.clip(shade, 0, 255))
    return red, green, blue


def compose(
    drawings: list[np.ndarray],
    boxes: list[Box],
    ground: tuple[int, int, int],
    side: int,
    random: np.random.Generator,
    strength: float = 0.35,
) -> Image.Image:
    """Paste drawings into their boxes on a ground of one colour.

    Args:
        drawings: RGBA, uint8 [H, W, 4] each.
        boxes: the place of each, as shares of the side.
        ground: RGB, 0 to 255.
        side: of the picture, in pixels.
        random: turns, stretches and colours each drawing a little.
        strength: scales that.
    """
    scene = Image.new("RGB", (side, side), ground)
    for drawing, (x, y, share) in zip(drawings, boxes, strict=True):
        pasted = _jitter(Image.fromarray(drawing), round(share * side), random, strength)
        corner = (round(x * side - pasted.width / 2), round(y * side - pasted.height / 2))
        scene.paste(pasted, corner, pasted)
    return scene


def to_png(image: Image.Image) -> bytes:
    """PNG bytes; lossless, so that a study is the same wherever it was composed."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _jitter(
    drawing: Image.Image, side: int, random: np.random.Generator, strength: float
) -> Image.Image:
    """Resize, stretch, mirror, turn and recolour one drawing; RGBA in, RGBA out."""
    stretch = 1 + 0.3 * strength * random.uniform(-1, 1)
    width, height = round(side * min(1, stretch)), round(side / max(1, stretch))
    size = (max(4, width), max(4, height))
    small = drawing.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    if random.random() < 0.5:
        small = small.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    turned = small.rotate(30 * strength * random.uniform(-1, 1), Image.Resampling.BILINEAR)
    recoloured = turned.convert("RGB").convert("RGB", _recolouring(random, strength))
    recoloured.putalpha(turned.getchannel("A"))
    return recoloured


def _recolouring(random: np.random.Generator, strength: float) -> tuple[float, ...]:
    """A 3x4 colour matrix: saturation, contrast, brightness and a tint per channel."""
    saturation, contrast = 1 + 0.6 * strength * random.uniform(-1, 1, 2)
    gain = contrast * (1 + 0.2 * strength * random.uniform(-1, 1, 3))
    offset = 128 * (1 - contrast) + 50 * strength * random.uniform(-1, 1)
    mix = saturation * np.eye(3) + (1 - saturation) * np.array([0.299, 0.587, 0.114])
    matrix = np.concatenate([gain[:, None] * mix, np.full((3, 1), offset)], axis=1)
    return tuple(float(value) for value in matrix.ravel())
