"""Every family's pictures as its processor with torchvision makes them, which its model learnt by.

Tiles, grids and tokens are the same. Pixels differ by rounding: each of the two passes of a resize
rounds to 8 bits, PyTorch's with weights of 16 bits, Pillow's with weights of 32. Run as a program,
it prints how much.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from parity.published import COMMON, SETTINGS
from parity.torchvision_cpu import import_torchvision

try:
    import_torchvision()
except ImportError:
    pytest.skip("torchvision is not installed: make parity", allow_module_level=True)

from sklearn.datasets import load_sample_image
from transformers import AutoConfig, AutoProcessor, LlavaImageProcessor

from ikusi.model import families
from ikusi.model.parts import make_padding_processor
from model import seeing

MOST = {"idefics3": 3, "smolvlm": 3}
"""Where a picture is resized three times, of 255; twice at most elsewhere: 2."""

MEAN = 0.02
"""Mean difference of a picture, of 255."""


def make_pictures() -> dict[str, Image.Image]:
    """Photographs and a drawing, in several shapes and modes."""
    china, flower = (
        Image.fromarray(load_sample_image(name)) for name in ("china.jpg", "flower.jpg")
    )
    clear = china.copy()
    clear.putalpha(Image.linear_gradient("L").resize(china.size))
    return {
        "a photograph, 640x427": china,
        "upright, 427x640": flower.transpose(Image.Transpose.ROTATE_90),
        "large, 1920x1281": china.resize((1920, 1281)),
        "small, 160x107": china.resize((160, 107)),
        "tiny, 9x7": china.resize((9, 7)),
        "a dot, 1x1": china.resize((1, 1)),
        "wide, 640x40": china.crop((0, 100, 640, 140)),
        "tall, 30x400": china.crop((300, 0, 330, 400)),
        "a drawing, 500x360": draw(),
        "grey": china.convert("L"),
        "half clear": clear,
        "of 256 colours": china.convert("P"),
    }


def draw() -> Image.Image:
    """Rectangles and words: edges without any passage."""
    lot = np.random.default_rng(0)
    image = Image.new("RGB", (500, 360), "white")
    pen = ImageDraw.Draw(image)
    for left, top, wide, high, *colour in lot.integers(0, 256, (60, 7)).tolist():
        corner = (2 * left, 1.4 * top)
        pen.rectangle((*corner, corner[0] + wide / 4, corner[1] + high / 4), fill=tuple(colour))
    for top in range(0, 360, 20):
        pen.text((5, top), "Zer da hau? Katua da. What is this? It is a cat.", fill="black")
    return image


PICTURES = make_pictures()


def open_both(name: str, folder: Path) -> tuple[families.Family, Any, Any]:
    """A family, and its processor as we open it and as transformers does."""
    seeing.FAMILIES[name](folder)
    own, more = SETTINGS[name]
    (folder / "preprocessor_config.json").write_text(json.dumps({**COMMON, **own}))
    if (path := folder / "processor_config.json").exists():
        path.write_text(json.dumps({**json.loads(path.read_text()), **more}))
    family = families.find(AutoConfig.from_pretrained(folder).model_type)
    assert family
    theirs = AutoProcessor.from_pretrained(folder)
    assert theirs.image_processor.backend == "torchvision"
    return family, family.open_processor(folder), theirs


def measure(ours: torch.Tensor, theirs: torch.Tensor, spread: list[float]) -> torch.Tensor:
    """Differences of pixels as they were before they were normalised, of 255."""
    flat = ours.ndim == 2  # Qwen's patches: all of a channel's places together
    axis = (-1, 3, ours.shape[-1] // 3) if flat else (*ours.shape[:-3], 3, -1)
    apart = (ours - theirs).reshape(axis).abs()
    return 255 * apart * torch.tensor(spread)[:, None]


def compare(name: str, folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """For every picture how far its pixels are apart; all else of it is asserted to be equal."""
    family, own, stock = open_both(name, folder)
    for title, image in PICTURES.items():
        ours = family.process(own, [image])
        token = family.placeholder or stock.image_token
        theirs = stock(
            text=[token],
            images=[[image]],
            padding=True,
            add_special_tokens=False,
            return_tensors="pt",
        )
        shown = own.tokenizer.convert_tokens_to_ids(own.image_token)
        assert (ours["input_ids"] == shown).sum() == (theirs["input_ids"] == shown).sum() > 0
        written = {"input_ids", "attention_mask", "token_type_ids", "labels"}
        # PaliGemma's writes a prompt and an answer besides, which we do ourselves.
        for key in sorted(set(theirs) - (written if name == "paligemma" else set())):
            if key == "pixel_values":
                assert ours[key].shape == theirs[key].shape, title
                yield title, measure(ours[key], theirs[key], own.image_processor.image_std)
            else:
                assert torch.equal(torch.as_tensor(ours[key]), torch.as_tensor(theirs[key])), title


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_every_picture_is_the_one_that_torchvision_makes(name: str, tmp_path: Path) -> None:
    compared = dict(compare(name, tmp_path))
    assert list(compared) == list(PICTURES)
    for title, apart in compared.items():
        assert apart.max() < MOST.get(name, 2) + 0.01, title
        assert apart.mean() < MEAN, title


def test_every_picture_filled_up_to_a_square_is_the_one_that_torchvision_makes() -> None:
    settings = {**COMMON, **SETTINGS["llava"][0], "do_center_crop": False}
    side = {"height": 336, "width": 336}
    theirs = LlavaImageProcessor(**{**settings, "size": side, "crop_size": side}, do_pad=True)
    ours = make_padding_processor(theirs, 336)
    for title, image in PICTURES.items():
        made = [each(image, return_tensors="pt")["pixel_values"] for each in (ours, theirs)]
        apart = measure(made[0], made[1], theirs.image_std)
        assert apart.max() < 2.01 and apart.mean() < MEAN, title


def print_table() -> None:
    """Print the largest and the mean difference of each family over all pictures."""
    print("| family | largest | mean | equal |\n|---|---|---|---|")
    for name in SETTINGS:
        with TemporaryDirectory() as folder:
            every = torch.cat([apart.flatten() for _, apart in compare(name, Path(folder))])
        equal = float((every < 0.5).double().mean())
        print(f"| {name} | {every.max():.0f} | {every.double().mean():.4f} | {100 * equal:.2f} % |")


if __name__ == "__main__":
    print_table()
