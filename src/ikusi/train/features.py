"""What a frozen vision encoder says of each picture, computed once and kept in memory."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from transformers import LlavaForConditionalGeneration

from ikusi.model import fusion
from ikusi.train.batches import Picture

logger = logging.getLogger(__name__)

IMAGES_AT_ONCE = 32
Pixels = Callable[[Sequence[Picture]], Tensor]


def encode_images(model: LlavaForConditionalGeneration, pixels: Tensor, bf16: bool) -> Tensor:
    """Features [I, N, D] of `pixels` [I, 3, H, W] by a frozen encoder, without gradients."""
    tower = model.model.vision_tower
    tower.eval()
    kind = tower.device.type
    with torch.no_grad(), torch.autocast(kind, torch.bfloat16, enabled=bf16):
        return fusion.image_features(model, pixels.to(tower.device))


class FeatureCache:
    """Features of a frozen encoder by picture, within a budget of memory.

    Pictures are always encoded in the same groups (neighbours in `pictures`), because the last
    bits of a matrix product depend on its shape, and a stage that was resumed must see the bits
    that an undisturbed one sees. So list `pictures` in the order in which they will be asked for.

    Features are kept in fp16 when computed in bf16, which loses nothing that matters, and in fp32
    otherwise. When the budget is full the group used longest ago is dropped.
    """

    def __init__(
        self,
        model: LlavaForConditionalGeneration,
        pictures: Sequence[Picture],
        pixels: Pixels,
        *,
        bf16: bool,
        budget: int = 2 << 30,
    ) -> None:
        distinct = list(dict.fromkeys(pictures))
        self._groups = [
            distinct[start : start + IMAGES_AT_ONCE]
            for start in range(0, len(distinct), IMAGES_AT_ONCE)
        ]
        self._place = {
            picture: (number, row)
            for number, group in enumerate(self._groups)
            for row, picture in enumerate(group)
        }
        self._model, self._pixels = model, pixels
        self._bf16, self._budget, self._bytes = bf16, budget, 0
        self._kept: OrderedDict[int, Tensor] = OrderedDict()
        self.encoded = 0

    def get(self, pictures: Sequence[Picture]) -> Tensor:
        """Features [I, N, D] of these pictures, in their order."""
        places = [self._place[picture] for picture in pictures]
        groups = {number: self._group(number) for number in dict.fromkeys(n for n, _ in places)}
        return torch.stack([groups[number][row] for number, row in places])

    def _group(self, number: int) -> Tensor:
        if number in self._kept:
            self._kept.move_to_end(number)
            return self._kept[number]
        group = self._groups[number]
        found = encode_images(self._model, self._pixels(group), self._bf16)
        found = found.half() if self._bf16 else found
        self.encoded += len(group)
        size = found.element_size() * found.nelement()
        if not self._kept:
            self._tell(size // len(group))
        while self._kept and self._bytes + size > self._budget:
            dropped = self._kept.popitem(last=False)[1]
            self._bytes -= dropped.element_size() * dropped.nelement()
        self._kept[number] = found
        self._bytes += size
        return found

    def _tell(self, size: int) -> None:
        total = len(self._place) * size / 1e6
        told = "frozen encoder: features of %d images, %.0f MB in all, kept within %.0f MB"
        logger.info(told, len(self._place), total, self._budget / 1e6)
