"""Decode pictures safely, and write them into pages and requests."""

from __future__ import annotations

import base64
import io
import struct
import warnings
import zlib
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from ikusi.errors import InputError

MAX_PIXELS = 64_000_000
MAX_ASPECT = 200  # of a picture's sides; processors that look at whole pictures take no more
# Others that Pillow knows are no formats of photographs, and one of them, EPS, runs programs.
FORMATS = ("AVIF", "BMP", "GIF", "ICO", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
ORIENTATION = 0x0112  # the tag of EXIF, and how each of its values is undone
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# What Pillow's decoders raise at bytes that are cut, or made to mislead.
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    RuntimeError,
    EOFError,
    OverflowError,
    struct.error,
    zlib.error,
)


class NotAPictureError(InputError):
    """Bytes in none of the formats that are read."""


class TooManyPixelsError(InputError):
    """A picture that holds more pixels than are allowed."""


class Decoded(NamedTuple):
    """Format of a decoded picture in small letters, and its size in pixels."""

    format: str
    width: int
    height: int


def decode(data: bytes, max_pixels: int = MAX_PIXELS, name: str = "picture") -> Image.Image:
    """Decode bytes to an RGB picture, as `decode_and_describe` does."""
    return decode_and_describe(data, max_pixels, name)[0]


def decode_and_describe(
    data: bytes, max_pixels: int = MAX_PIXELS, name: str = "picture"
) -> tuple[Image.Image, Decoded]:
    """Decode bytes to an RGB picture, upright, transparency laid on white; returns it with its
    format and size.

    Raises:
        InputError: the bytes are no picture, are cut, hold more than `max_pixels` or numbers
            without a known white, or one side is more than `MAX_ASPECT` times the other.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
        if image.width * image.height > max_pixels:
            size = f"{image.width}x{image.height}"
            raise TooManyPixelsError(f"{name}: expected at most {max_pixels} pixels, found {size}")
        if max(image.size) > MAX_ASPECT * min(image.size):
            size = f"{image.width}x{image.height}"
            raise InputError(
                f"{name}: expected one side at most {MAX_ASPECT} times the other, found {size}"
            )
        image.load()
        if image.mode == "F" or (image.mode == "I" and image.format != "PPM"):
            raise InputError(
                f"{name}: expected 8 or 16 bits for each colour, found 32, whose white is unknown"
            )
        rgb = flatten(_upright(image))
        return rgb, Decoded(str(image.format).lower(), *rgb.size)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        message = f"{name}: expected at most {max_pixels} pixels, found more"
        raise TooManyPixelsError(message) from error
    except UnidentifiedImageError as error:
        message = f"{name}: expected a picture, found {len(data)} bytes in no format of pictures"
        raise NotAPictureError(message) from error
    except BROKEN as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{name}: expected a picture, found {len(data)} bytes: {reason}"
        ) from error


def _upright(image: Image.Image) -> Image.Image:
    """A picture as its EXIF block says to hold it; where the block is damaged, as it is."""
    try:
        turn = TURNS.get(image.getexif().get(ORIENTATION, 1))
    except BROKEN:
        return image
    return image if turn is None else image.transpose(turn)


def flatten(image: Image.Image) -> Image.Image:
    """RGB, with whatever is transparent laid on white, and 16-bit grey scaled to 8 bits."""
    if image.mode.startswith("I"):  # which Pillow would cut at 255; PPM's are scaled to 16 bits
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def encode_as_sent(data: bytes, name: str = "picture") -> str:
    """A picture's bytes as a `data:` address that every program shows alike.

    JPEG and PNG that are RGB or grey and upright go as they are; others as PNG, as `decode` has
    them.

    Raises:
        InputError: they are no picture; see `decode`.
    """
    image, decoded = decode_and_describe(data, name=name)
    stored = Image.open(io.BytesIO(data), formats=FORMATS)
    plain = stored.mode in ("RGB", "L") and "transparency" not in stored.info
    if decoded.format not in ("jpeg", "png") or not plain or _upright(stored) is not stored:
        return to_data_uri(image, "PNG", compress_level=1)
    return f"data:image/{decoded.format};base64,{base64.b64encode(data).decode()}"


def to_data_uri(image: Image.Image, format: str, **options: Any) -> str:
    """Write a picture as a `data:` address, which stands in a page or a request by itself.

    Args:
        image: the picture.
        format: JPEG or PNG.
        options: Pillow's, for that format.
    """
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return f"data:image/{format.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
