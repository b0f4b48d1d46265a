import io

import pytest
from PIL import Image

from data_rows import picture
from ikusi.data.images import decode
from ikusi.errors import InputError


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_transparency_is_laid_on_white() -> None:
    image = decode(encoded(Image.new("RGBA", (4, 4), (255, 0, 0, 0))))
    assert image.mode == "RGB" and image.getpixel((0, 0)) == (255, 255, 255)
    half = decode(encoded(Image.new("RGBA", (4, 4), (0, 0, 0, 128)))).getpixel((1, 1))
    assert half == (127, 127, 127)


def test_palettes_and_grey_become_rgb() -> None:
    for mode in ("P", "L", "1", "LA"):
        assert decode(encoded(Image.new(mode, (3, 3)))).mode == "RGB"


def test_pictures_stand_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(encoded(Image.new("RGB", (8, 4)), "JPEG", exif=exif)).size == (4, 8)


@pytest.mark.parametrize("data", [b"", b"<html>404</html>", picture()[:40]])
def test_what_is_no_whole_picture_is_refused(data: bytes) -> None:
    with pytest.raises(InputError, match="photo 7: expected a picture"):
        decode(data, name="photo 7")


def test_too_many_pixels_are_refused() -> None:
    with pytest.raises(InputError, match="expected at most 100 pixels, found 20x20"):
        decode(picture(side=20), max_pixels=100)
