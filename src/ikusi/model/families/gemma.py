"""Gemma 3: every picture has as many tokens, which see each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ikusi.model.families.base import Family


class Gemma3(Family):
    """Tokens of a picture see each other, whichever comes first; empty lines stand around them."""

    name = "Gemma 3"
    model_types = ("gemma3",)
    around = ("\n\n", "\n\n")
    sized = False

    def find_blocks(self, model: Any, ids: Tensor, learned: Sequence[int]) -> Tensor | None:
        """See `Family`: each run of image tokens is a block."""
        seen = ids == model.config.image_token_id
        if not seen.any():
            return None
        begins = seen & ~torch.cat([seen.new_zeros(1), seen[:-1]])
        return torch.where(seen, begins.cumsum(0) - 1, -1)


FAMILIES = [Gemma3()]
