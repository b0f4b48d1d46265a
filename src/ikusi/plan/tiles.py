"""Into how many tiles the processors of models that see cut a picture, and how many tokens are left
of them; arithmetic alone, held to the processors themselves by the tests.

Sizes are (width, height) in pixels; a grid is (across, down) in tiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt

Size = tuple[int, int]

FULLEST = 1.1
"""Beyond its limit by this factor LLaVA-OneVision makes what was seen smaller."""


def count_by_edge(size: Size, longest: int, tile: int) -> int:
    """Tiles of Idefics3 and SmolVLM: the longer edge is brought to `longest`, the picture cut into
    squares of `tile`, and seen whole besides; a picture of one tile is only seen whole."""
    width, height = size
    if width >= height:
        across, down = longest, int(longest / (width / height))
    else:
        across, down = int(longest * (width / height)), longest
    cut = ceil(max(across, 1) / tile) * ceil(max(down, 1) / tile)
    return cut + 1 if cut > 1 else 1


def count_by_shape(size: Size, tile: int, fewest: int, most: int) -> int:
    """Tiles of InternVL: those of the grid whose shape is nearest, of `fewest` to `most`; of grids
    as near the one with more tiles, unless they are twice the picture; and the whole of it besides
    where there are several."""
    width, height = size
    sides = range(1, most + 1)
    grids = [(x, y) for x in sides for y in sides if fewest <= x * y <= most]
    best, nearest = (1, 1), float("inf")
    for across, down in sorted(grids, key=lambda grid: grid[0] * grid[1]):
        far = abs(width / height - across / down)
        large = width * height > 0.5 * tile**2 * across * down
        if far < nearest or (far == nearest and large):
            best, nearest = (across, down), far
    cut = best[0] * best[1]
    return cut + 1 if cut > 1 else 1


def find_grid(size: Size, tile: int, resolutions: Sequence[Sequence[int]]) -> Size:
    """The grid of LLaVA-NeXT and -OneVision: of the resolutions (height, width) the one that keeps
    most of the picture's pixels, and among these the smallest."""
    width, height = size

    def rate(resolution: Sequence[int]) -> tuple[int, int]:
        down, across = resolution
        scale = min(across / width, down / height)
        kept = min(int(width * scale) * int(height * scale), width * height)
        return kept, kept - down * across

    down, across = max(resolutions, key=rate)
    return across // tile, down // tile


def count_unpadded(size: Size, grid: Size, side: int, most: int | None = None) -> int:
    """Tokens of the tiles of a grid without those that only fill its shape up, and one to end each
    row; `side`: tokens of a tile's edge. `most`: tiles whose tokens are left at most."""
    width, height = size
    across, down = grid[0] * side, grid[1] * side
    if width / height > across / down:
        down -= (down - int(round(height * (across / width), 7))) // 2 * 2
    else:
        across -= (across - int(round(width * (down / height), 7))) // 2 * 2
    if most is not None:
        ratio = sqrt(across * down / (most * side**2))
        if ratio > FULLEST:
            across, down = int(across // ratio), int(down // ratio)
    return (across + 1) * down
