"""A frozen encoder's features: each picture once, within a budget, the same bits whatever comes."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ikusi.train.batches import Picture
from ikusi.train.features import IMAGES_AT_ONCE, FeatureCache
from train.samples import multimodal_model

PICTURES = [(0, str(number)) for number in range(IMAGES_AT_ONCE * 2 + 5)]
BYTES_EACH = 4 * 16 * 2  # 4 features of 16 numbers in fp16


def pixels(pictures: Sequence[Picture]) -> Tensor:
    made = [torch.Generator().manual_seed(int(image_id)) for _, image_id in pictures]
    return torch.stack([torch.randn(3, 16, 16, generator=generator) for generator in made])


def cache(budget: int = 1 << 20) -> FeatureCache:
    return FeatureCache(multimodal_model()[0], PICTURES, pixels, bf16=True, budget=budget)


def test_each_picture_is_encoded_once() -> None:
    whole = cache()
    first = whole.get(PICTURES[:3])
    again = whole.get(list(reversed(PICTURES)))
    assert first.shape == (3, 4, 16)
    assert first.dtype == torch.float16
    assert torch.equal(again[-3:], first.flip(0))
    assert whole.encoded == len(PICTURES)


def test_bits_do_not_depend_on_what_was_asked_for_before() -> None:
    onward, backward = cache(), cache()
    found = {picture: onward.get([picture])[0] for picture in PICTURES}
    for picture in reversed(PICTURES):
        assert torch.equal(backward.get([picture])[0], found[picture])


def test_a_small_budget_encodes_anew_to_the_same_bits() -> None:
    whole, small = cache(), cache(budget=BYTES_EACH * IMAGES_AT_ONCE)
    for _ in range(2):
        assert torch.equal(small.get(PICTURES[-8:]), whole.get(PICTURES[-8:]))
        assert torch.equal(small.get(PICTURES[:8]), whole.get(PICTURES[:8]))
    assert small.encoded > whole.encoded
