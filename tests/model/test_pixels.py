"""No picture takes the memory of the machine on its way through an image processor."""

import pickle
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from transformers import (
    CLIPImageProcessorPil,
    LlavaImageProcessorPil,
    LlavaNextImageProcessorPil,
    Qwen2VLImageProcessorPil,
    SiglipImageProcessorPil,
)
from transformers.image_utils import PILImageResampling, SizeDict

from data_rows import coloured
from ikusi.data.corpus import Corpus
from ikusi.errors import InputError
from ikusi.model import pixels
from ikusi.model.resizing import resize_across_first

CLIP = CLIPImageProcessorPil(size={"shortest_edge": 20}, crop_size=20)


@pytest.mark.parametrize(
    ("processor", "taken"),
    [
        (CLIP, 20 * 20 * 40),
        (SiglipImageProcessorPil(size={"height": 20, "width": 20}), 400),
        (LlavaImageProcessorPil(size={"height": 20, "width": 20}, do_pad=True), 400 * 400),
        (
            LlavaNextImageProcessorPil(
                size={"shortest_edge": 336}, image_grid_pinpoints=[[90, 60]]
            ),
            336 * 336 * 40,
        ),
        (Qwen2VLImageProcessorPil(size={"shortest_edge": 3136, "longest_edge": 900_000}), 900_000),
    ],
    ids=["shortest edge", "square", "filled up", "tiles", "areas"],
)
def test_what_a_picture_takes_is_known_before_it_is_prepared(processor: Any, taken: int) -> None:
    assert pixels.measure_largest(processor, 400, 10) == max(taken, 4000)


def test_what_is_resized_on_the_way_is_what_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    resize = Image.Image.resize

    def spy(self: Image.Image, size: tuple[int, int], *rest: Any, **more: Any) -> Image.Image:
        sizes.append(size[0] * size[1])
        return resize(self, size, *rest, **more)

    monkeypatch.setattr(Image.Image, "resize", spy)
    pixels.prepare(CLIP, [Image.new("RGB", (400, 10))])
    assert max(sizes, default=pixels.measure_largest(CLIP, 400, 10)) == pixels.measure_largest(
        CLIP, 400, 10
    )


def test_a_picture_that_would_take_too_much_is_refused_before_it_is_prepared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pixels, "MOST", 10_000)
    monkeypatch.setattr(CLIPImageProcessorPil, "__call__", lambda *_, **__: pytest.fail("prepared"))
    told = "expected one that takes at most 10,000 pixels .*, found 400x10, which takes 16,000"
    with pytest.raises(InputError, match=told):
        pixels.prepare(CLIP, [Image.new("RGB", (20, 20)), Image.new("RGB", (400, 10))])


def test_what_fits_is_prepared_as_ever() -> None:
    image = Image.fromarray(np.arange(1200, dtype=np.uint8).reshape(20, 20, 3))
    expected = CLIP(image, return_tensors="np")["pixel_values"]
    assert (pixels.prepare(CLIP, [image], "np") == expected).all()


def test_the_first_pictures_of_a_corpus_are_prepared_once_each_and_in_order(
    tmp_path: Path,
) -> None:
    colours = ["red", None, "red", "blue", "lime"]
    corpus = Corpus.open(coloured(tmp_path / "talks", "instruction", colours))
    found = np.asarray(pixels.prepare_first(CLIP, corpus, 2))
    assert found.shape == (2, 3, 20, 20)
    assert found.mean((2, 3)).argmax(1).tolist() == [0, 2]


@pytest.mark.parametrize(
    ("kind", "size", "more"),
    [
        (CLIPImageProcessorPil, SizeDict(shortest_edge=21), {}),
        (SiglipImageProcessorPil, SizeDict(height=28, width=56), {}),
        (Qwen2VLImageProcessorPil, SizeDict(shortest_edge=99, longest_edge=3136), {"factor": 28}),
    ],
)
@pytest.mark.parametrize("shape", [(60, 90), (200, 57), (28, 28), (41, 56)])
def test_pictures_are_resized_across_then_down(
    kind: Any, size: SizeDict, more: dict[str, int], shape: tuple[int, int]
) -> None:
    array = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    stock = kind()
    given: Any = (array.transpose(2, 0, 1), size, PILImageResampling.BICUBIC)
    high, wide = stock.resize(*given, **more).shape[-2:]
    across = Image.fromarray(array).resize((wide, shape[0]), PILImageResampling.BICUBIC)
    expected = np.array(across.resize((wide, high), PILImageResampling.BICUBIC)).transpose(2, 0, 1)
    assert (resize_across_first(stock).resize(*given, **more) == expected).all()


def test_an_image_processor_that_resizes_across_first_is_kept_and_sent_as_itself(
    tmp_path: Path,
) -> None:
    across_first = resize_across_first(deepcopy(CLIP))
    assert across_first.to_dict() == CLIP.to_dict()
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 33, 3), dtype=np.uint8))
    expected = across_first(image)["pixel_values"][0]
    for copied in (pickle.loads(pickle.dumps(across_first)), deepcopy(across_first)):
        assert type(copied) is type(across_first)
        assert (copied(image)["pixel_values"][0] == expected).all()


def test_a_picture_that_is_made_wide_first_takes_what_it_then_has() -> None:
    square = SiglipImageProcessorPil(size={"height": 20, "width": 20})
    assert pixels.measure_largest(square, 1, 5000) == 20 * 5000
