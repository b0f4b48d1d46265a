"""Pictures that are not square, brought to the encoder's square."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from transformers import (
    AutoProcessor,
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    SiglipImageProcessorPil,
    SiglipVisionConfig,
)

from ikusi.errors import InputError
from ikusi.model import fusion
from model.families import tokenizer
from model.pairs import llm, tower

SIDE = 32  # of the tiny encoders' pictures
SQUARE = {"height": SIDE, "width": SIDE}
PROCESSORS = {
    "clip": (
        CLIPVisionConfig,
        CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=SQUARE),
    ),
    "siglip": (SiglipVisionConfig, SiglipImageProcessorPil(size=SQUARE)),
    "bilinear, cropped after a larger resize": (
        CLIPVisionConfig,
        CLIPImageProcessorPil(
            size={"shortest_edge": 40},
            crop_size=SQUARE,
            resample=Image.Resampling.BILINEAR,
            image_mean=[0.1, 0.2, 0.3],
            image_std=[0.4, 0.5, 0.6],
        ),
    ),
}
SHAPES = {"wide": (90, 41), "tall": (37, 100), "one pixel": (1, 64), "square": (50, 50)}


def picture(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def pasted_on_a_square(image: Image.Image, own: Any) -> np.ndarray:
    """LLaVA-1.5's expand2square and what follows it, by hand, with the numbers of `own`."""
    side = max(image.size)
    square = Image.new("RGB", (side, side), tuple(int(x * 255) for x in own.image_mean))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    pixels = np.asarray(square.resize((SIDE, SIDE), own.resample), dtype=np.float64) / 255
    return ((pixels - np.array(own.image_mean)) / np.array(own.image_std)).transpose(2, 0, 1)


def seen(processor: Any, image: Image.Image) -> np.ndarray:
    found: np.ndarray = processor.image_processor(images=[image], return_tensors="np").pixel_values
    return found[0]


@pytest.mark.parametrize("name", PROCESSORS)
def test_padding_is_that_of_llava_and_any_transformers_repeats_it(
    name: str, tmp_path: Path
) -> None:
    kind, own = PROCESSORS[name]
    model, processor = fusion.assemble(
        tower(kind), llm(), tokenizer("plain"), image_processor=own, aspect="pad"
    )
    fusion.save(model, processor, tmp_path)
    stock, ours = AutoProcessor.from_pretrained(tmp_path), fusion.load(tmp_path)[1]
    for width, height in SHAPES.values():
        image = picture(width, height)
        pixels = seen(processor, image)
        np.testing.assert_allclose(pixels, pasted_on_a_square(image, own), atol=1e-6)
        assert np.array_equal(seen(stock, image), pixels)
        assert np.array_equal(seen(ours, image), pixels)


@pytest.mark.parametrize("name", PROCESSORS)
def test_square_is_the_encoders_own_preprocessing(name: str) -> None:
    kind, own = PROCESSORS[name]
    _, processor = fusion.assemble(tower(kind), llm(), tokenizer("plain"), image_processor=own)
    assert processor.image_processor is own


def test_padding_keeps_what_a_crop_cuts_off() -> None:
    wide = Image.new("RGB", (96, 32), "black")
    wide.paste("white", (0, 0, 32, 32))
    _, own = PROCESSORS["clip"]
    parts = (tower(), llm(), tokenizer("plain"))
    cropped, padded = (
        seen(fusion.assemble(*parts, image_processor=own, aspect=aspect)[1], wide)
        for aspect in fusion.ASPECTS
    )
    assert np.ptp(cropped[0]) == 0
    assert padded[0, SIDE // 2, 0] > padded[0, 0, 0] > padded[0, SIDE // 2, -1]


def test_a_padded_picture_takes_as_many_tokens_as_any() -> None:
    model, processor = fusion.assemble(tower(), llm(), tokenizer("plain"), aspect="pad")
    features = fusion.count_image_tokens(model, processor)
    text = processor.image_token
    taken = processor(images=picture(90, 41), text=text, return_tensors="pt")["input_ids"]
    told = processor._get_num_multimodal_tokens(image_sizes=[(41, 90)])
    assert features == taken.shape[1] == told.num_image_tokens[0]


def test_an_unknown_aspect_is_refused() -> None:
    with pytest.raises(InputError, match="aspect: expected one of square, pad, found 'anyres'"):
        fusion.assemble(tower(), llm(), tokenizer("plain"), aspect="anyres")
