"""Tiles are counted as the processors cut them, for pictures of many sizes."""

import random
from types import SimpleNamespace
from typing import Any

import pytest
from transformers import GotOcr2ImageProcessorPil, Idefics3ImageProcessorPil
from transformers.image_processing_utils import select_best_resolution
from transformers.models.llava_next.processing_llava_next import LlavaNextProcessor
from transformers.models.llava_onevision.processing_llava_onevision import LlavaOnevisionProcessor

from ikusi.plan import tiles

CHANCE = random.Random(7)
SIZES = [(640, 480), (480, 640), (512, 512), (31, 4000), (4000, 31), (1, 1)]
SIZES += [(CHANCE.randint(20, 3000), CHANCE.randint(20, 3000)) for _ in range(150)]
TILE = 336
RESOLUTIONS = [[TILE * down, TILE * across] for down in (3, 1, 2) for across in (2, 1, 3)]


@pytest.mark.parametrize(("longest", "tile"), [(1456, 364), (2048, 512), (384, 384)])
def test_as_idefics_cuts_them(longest: int, tile: int) -> None:
    made = Idefics3ImageProcessorPil(
        size={"longest_edge": longest}, max_image_size={"longest_edge": tile}
    )
    for width, height in SIZES:
        cut = made.get_number_of_image_patches(height, width)[0] or 1  # 0: the picture as it is
        assert tiles.count_by_edge((width, height), longest, tile) == cut


@pytest.mark.parametrize(("fewest", "most"), [(1, 12), (2, 6), (1, 1)])
def test_as_internvl_cuts_them(fewest: int, most: int) -> None:
    made = GotOcr2ImageProcessorPil(
        size={"height": 448, "width": 448}, crop_to_patches=True, min_patches=fewest,
        max_patches=most,
    )  # fmt: skip
    for width, height in SIZES:
        cut = made.get_number_of_image_patches(height, width, {})
        assert tiles.count_by_shape((width, height), 448, fewest, most) == cut


@pytest.mark.parametrize("most", [None, 4])
def test_as_llava_next_and_onevision_lay_them(most: int | None) -> None:
    kind: Any = LlavaOnevisionProcessor if most else LlavaNextProcessor
    stock = SimpleNamespace(vision_aspect_ratio=f"anyres_max_{most}")
    for width, height in SIZES:
        down, across = select_best_resolution((height, width), RESOLUTIONS)
        grid = tiles.find_grid((width, height), TILE, RESOLUTIONS)
        assert grid == (across // TILE, down // TILE)
        wanted = kind._get_unpadded_features(stock, height, width, 24, 24, grid[1], grid[0])
        assert tiles.count_unpadded((width, height), grid, 24, most) == sum(wanted)
