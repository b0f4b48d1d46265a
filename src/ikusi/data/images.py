"""Decode pictures safely."""

from __future__ import annotations

import io
import warnings

from PIL import Image, ImageOps

from ikusi.errors import InputError

MAX_PIXELS = 64_000_000


def decode(data: bytes, max_pixels: int = MAX_PIXELS, name: str = "picture") -> Image.Image:
    """Decode bytes to an RGB picture, upright, transparency laid on white.

    Raises:
        InputError: the bytes are no picture, are cut, or hold more than `max_pixels`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data))
        if image.width * image.height > max_pixels:
            size = f"{image.width}x{image.height}"
            raise InputError(f"{name}: expected at most {max_pixels} pixels, found {size}")
        image.load()
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise InputError(f"{name}: expected at most {max_pixels} pixels, found more") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{name}: expected a picture, found {len(data)} bytes: {error}") from error
    return flatten(ImageOps.exif_transpose(image))


def flatten(image: Image.Image) -> Image.Image:
    """RGB, with whatever is transparent laid on white."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")
