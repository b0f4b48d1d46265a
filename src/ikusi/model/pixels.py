"""Pictures through an image processor, none of which may take the memory of the machine.

A processor first resizes a picture by its shorter side, or fills it up to a square, and cuts
afterwards: a line of pixels, a few kilobytes as a file, becomes gigabytes on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from PIL import Image

from ikusi.errors import InputError

if TYPE_CHECKING:
    from ikusi.data.corpus import Corpus

MOST = 256_000_000
"""Pixels of one picture while it is prepared: as many as fit a square of 16,000."""


LONGEST = 65_536  # of a side; Qwen's processors call areas by the names of sides


def prepare(image_processor: Any, images: Sequence[Image.Image], tensors: str = "pt") -> Any:
    """Pixel values of pictures, [I, 3, H, W], by a model's own preprocessing.

    Raises:
        InputError: a picture would take more than `MOST` pixels on the way.
    """
    check_sizes(image_processor, images)
    return image_processor(images=list(images), return_tensors=tensors)["pixel_values"]


def prepare_first(image_processor: Any, corpus: Corpus, count: int) -> Any:
    """The first pictures of a corpus as the encoder takes them, [I, 3, H, W]."""
    ids = list(dict.fromkeys(image_id for image_id in corpus.image_ids if image_id))
    return prepare(image_processor, [corpus.image(image_id) for image_id in ids[:count]])


def check_sizes(image_processor: Any, images: Sequence[Image.Image]) -> None:
    """Refuse a picture that would take more than `MOST` pixels while it is prepared."""
    for image in images:
        if (taken := measure_largest(image_processor, image.width, image.height)) > MOST:
            raise InputError(
                f"picture: expected one that takes at most {MOST:,} pixels while it is prepared, "
                f"found {image.width}x{image.height}, which takes {taken:,}"
            )


def measure_largest(image_processor: Any, width: int, height: int) -> int:
    """Most pixels that a picture of this size has on its way through an image processor."""
    size = _sides(getattr(image_processor, "size", None))
    sizes = [width * height]
    if getattr(image_processor, "do_pad", False):  # to a square, before anything is made smaller
        sizes.append(max(width, height) ** 2)
    if getattr(image_processor, "do_resize", False):
        sizes.append(_resize(size, width, height))
    if pinpoints := getattr(image_processor, "image_grid_pinpoints", None):  # tiles of a whole
        sizes.append(max(int(high) * int(wide) for high, wide in pinpoints))
    return max(sizes)


def _resize(size: dict[str, int], width: int, height: int) -> int:
    if {"height", "width"} <= size.keys():
        return size["width"] * max(size["height"], height)  # across first, see `resizing`
    shorter, longer = sorted((max(width, 1), max(height, 1)))
    if "shortest_edge" not in size:
        return size.get("longest_edge", 0) ** 2
    if (longest := size.get("longest_edge", 0)) > LONGEST:
        return longest
    by_shorter = size["shortest_edge"] ** 2 * longer // shorter
    return min(by_shorter, longest**2) if longest else by_shorter


def _sides(size: Any) -> dict[str, int]:
    """Sizes that an image processor resizes to, by name; some classes write a lone number."""
    if isinstance(size, int):
        return {"shortest_edge": size}
    sides = dict(size) if size is not None else {}
    return {name: int(value) for name, value in sides.items() if value}
