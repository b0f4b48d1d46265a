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
    end = 0
    same: list[Any] = [image_token_id]
    runs = repeat(same * images) if isinstance(images, int) else iter(images)
    for token, learn in zip(ids, supervised, strict=True):
        shown = token == image_token_id
        run = next(runs) if shown else (token,)
        wide_ids += run
        wide_supervised += [learn] * len(run)
        end = len(wide_ids) if shown else end
    return wide_ids, wide_supervised, end
