import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

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


def test_more_pixels_than_pillow_trusts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for side in (11, 20):  # where Pillow warns, and where it refuses
        with pytest.raises(InputError, match="pixels, found more"):
            decode(picture(side=side))


def test_formats_that_run_programs_are_refused() -> None:
    with pytest.raises(InputError, match="expected a picture"):
        decode(encoded(Image.new("RGB", (4, 4)), "EPS"))


def test_16_bit_grey_keeps_its_shades() -> None:
    shades = np.array([[0, 256, 32768, 65535]], dtype=np.uint16)
    image = decode(encoded(Image.fromarray(shades)))
    assert [image.getpixel((x, 0)) for x in range(4)] == [(v,) * 3 for v in (0, 1, 128, 255)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF"])
@given(st.data())
def test_damage_is_told_in_one_line_or_survived(kind: str, data: st.DataObject) -> None:
    whole = bytearray(encoded(Image.new("RGB", (9, 7), "teal"), kind))
    places = st.integers(0, len(whole) - 1)
    for place, byte in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=4)):
        whole[place] = byte
    try:
        image = decode(bytes(whole[: data.draw(st.integers(0, len(whole)))]), max_pixels=10**6)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert image.mode == "RGB"


def with_exif(kind: str, exif: bytes) -> bytes:
    buffer = io.BytesIO()
    image = Image.new("RGB", (4, 2), "white")
    image.putpixel((0, 0), (0, 0, 0))
    image.save(buffer, kind, exif=exif, quality=100)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0II*\0\xff\xff\xff\x7f",  # its table of tags lies beyond its end
        b"Exif\0\0XX" + bytes(20),
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x63\0\0\0\0\0\0\0",  # turn 99
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x01\0\0\0\x41\0\0\0\0\0\0\0",  # as text
    ],
)  # fmt: skip
def test_a_damaged_exif_block_costs_no_picture(kind: str, exif: bytes) -> None:
    assert decode(with_exif(kind, exif)).size == (4, 2)


@pytest.mark.parametrize("turn", range(1, 9))
def test_every_turn_is_undone_as_pillow_does_it(turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    data = with_exif("PNG", exif.tobytes())
    theirs = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    assert decode(data).tobytes() == theirs.tobytes() and decode(data).size == theirs.size


@pytest.mark.parametrize("mode", ["I", "F"])
def test_numbers_without_a_known_white_are_refused_with_a_reason(mode: str) -> None:
    with pytest.raises(InputError, match="expected 8 or 16 bits for each colour, found 32"):
        decode(encoded(Image.new(mode, (2, 2), 1), "TIFF"))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_grey_of_16_bits_is_scaled(kind: str) -> None:
    grey = Image.fromarray(np.array([[0, 32768, 65535]], np.uint16))
    assert np.asarray(decode(encoded(grey, kind)))[0, :, 0].tolist() == [0, 128, 255]


def test_ppm_of_16_bits_is_scaled() -> None:
    data = b"P5 3 1 65535\n" + np.array([0, 32768, 65535], ">u2").tobytes()
    assert np.asarray(decode(data))[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize("size", [(1001, 5), (5, 1001)])
def test_a_line_of_pixels_is_refused(size: tuple[int, int]) -> None:
    told = f"expected one side at most 200 times the other, found {size[0]}x{size[1]}"
    with pytest.raises(InputError, match=told):
        decode(encoded(Image.new("RGB", size)))
    assert decode(encoded(Image.new("RGB", (1000, 5)))).size == (1000, 5)
