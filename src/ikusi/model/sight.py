"""Pictures as one model takes them: its family, its processor, and the tokens for pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ikusi.errors import InputError
from ikusi.model import families
from ikusi.model.families.base import SMALL, Shown


class Sight:
    """The functions of a family, for one model.

    Nothing of the model is used but its configuration, so its weights may be divided, adapted or on
    any device.

    Attributes:
        family: the model's.
        tokenizer: as conversations are written with it.
        placeholder_id: the token that its chat template writes for a picture.
    """

    def __init__(self, model: Any, processor: Any) -> None:
        family = families.find_of(model)
        if family is None:
            raise InputError(f"model: expected one that sees, found {model.config.model_type}")
        self.family, self.processor = family, processor
        self.tokenizer = family.make_tokenizer(processor)
        image = self.tokenizer.image_token
        self.placeholder_id = int(self.tokenizer.convert_tokens_to_ids(image))
        self._model = _take_functions(model)
        self._shown: dict[tuple[int, int], Shown] = {}

    def show(self, size: tuple[int, int] | None) -> Shown:
        """The tokens that stand for a picture of this size (width, height), which may be left out
        where the family does not go by it."""
        size = size if size and self.family.sized else SMALL
        if size not in self._shown:
            self._shown[size] = self.family.show(self._model, self.processor, size)
        return self._shown[size]

    def count_patches(self, size: tuple[int, int] | None) -> int:
        """Places that the encoder sees in a picture; `size` as for `show`."""
        size = size if size and self.family.sized else SMALL
        return self.family.count_patches(self._model, self.processor, size)

    def prepare(self, images: Sequence[Image.Image]) -> Any:
        """Inputs of the vision part for some pictures; for a blank one if there are none,
        unless the family makes do without."""
        return self.family.prepare(self._model, self.processor, images)

    def compute_positions(self, ids: Tensor, shown: Sequence[Shown]) -> Tensor:
        """Positions of a sample's tokens, [T] or [A, T]."""
        return self.family.compute_positions(self._model, ids, shown)

    def find_blocks(self, ids: Tensor, learned: Sequence[int]) -> Tensor | None:
        """Number the blocks of tokens that see each other in a sample, [T]; None for none."""
        return self.family.find_blocks(self._model, ids, learned)


def _take_functions(model: Any) -> Any:
    """An object with a model's configuration and functions, and without its weights."""
    inner = getattr(model, "model", model)
    bare = object.__new__(type(inner))
    torch.nn.Module.__init__(bare)
    bare.__dict__["config"] = model.config
    return bare
