"""Expansion of a conversation's image tokens: each becomes the tokens that stand for its image."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import Any

Images = int | Sequence[Sequence[int]]
"""So many image tokens for each image, or the tokens that stand for one after another."""


def place_images(
    ids: Sequence[int], supervised: Sequence[bool], images: Images, image_token_id: int | None
) -> tuple[list[int], list[bool], int]:
    """Put what stands for each image in the place of its one token.

    Returns:
        Tokens, which of them are supervised, and where the last image ends (0 without any).
    """
    wide_ids: list[int] = []
    wide_supervised: list[bool] = []
    end = begin = 0
    same: list[Any] = [image_token_id]
    runs = repeat(same * images) if isinstance(images, int) else iter(images)
    for place in [place for place, token in enumerate(ids) if token == image_token_id]:
        run = next(runs)
        wide_ids += [*ids[begin:place], *run]
        wide_supervised += [*supervised[begin:place], *[supervised[place]] * len(run)]
        end, begin = len(wide_ids), place + 1
    return [*wide_ids, *ids[begin:]], [*wide_supervised, *supervised[begin:]], end
