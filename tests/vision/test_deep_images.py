"""Pictures of more than 8 bits a pixel: read with their brightness, or refused, never shown blank."""

from __future__ import annotations

import io
import struct
import tracemalloc
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ominix_core.images import ImageError, check_image, open_image, thumbnail
from tests.support.odd_images import encoded, tiff

COLUMNS, ROWS = np.meshgrid(np.arange(96), np.arange(64))
GREY = ((COLUMNS * 2 + ROWS) % 256).astype("uint8")
COLOURS = np.stack([GREY, 255 - GREY, GREY // 2])

PIXELS: dict[str, NDArray[Any]] = {
    "16 bits": GREY.astype("uint16") * 257,
    "16 bits, signed": (GREY.astype("int32") * 128).astype("int16"),
    "32 bits": GREY.astype("int32") * 257,
    "32 bits of 8": GREY.astype("int32"),
    "32 bits, some below zero": GREY.astype("int32") * 1000 - 127_500,
    "float 0..1": (GREY / 255).astype("float32"),
    "float 0..255": GREY.astype("float32"),
    "float 0..65535": GREY.astype("float32") * 257,
    "float around zero": (GREY / 127.5 - 1).astype("float32"),
    "float far above 1": (GREY / 51).astype("float32"),
}


def shown(data: bytes) -> NDArray[Any]:
    return np.asarray(open_image(data)).astype(int)


def assert_grey(data: bytes, expected: NDArray[Any] = GREY) -> None:
    pixels = shown(data)
    assert np.abs(pixels - expected[..., None].astype(int)).max() <= 2
    Image.open(io.BytesIO(thumbnail(data, 32))).load()


@pytest.mark.parametrize("deflate", [False, True], ids=["plain", "deflate"])
@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize("pixels", PIXELS.values(), ids=PIXELS)
def test_greys_of_a_tiff_keep_their_brightness(pixels: NDArray[Any], order: str, deflate: bool) -> None:
    assert_grey(tiff(pixels, order, deflate=deflate))


@pytest.mark.parametrize(("kind", "order"), [("uint16", "<"), ("float32", "<"), ("float32", ">")])
def test_white_may_be_zero(kind: str, order: str) -> None:
    assert_grey(tiff((65_535 - PIXELS["16 bits"]).astype(kind), order, photometric=0))


def test_unsigned_values_of_32_bits_do_not_turn_negative() -> None:
    assert_grey(tiff(GREY.astype("uint32") * 16_843_009, "<"))


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize("deflate", [False, True], ids=["plain", "deflate"])
def test_colours_of_16_bits_that_lie_apart(order: str, deflate: bool) -> None:
    pixels = shown(tiff(COLOURS.astype("uint16") * 257, order, photometric=2, deflate=deflate))
    assert np.abs(np.moveaxis(pixels, -1, 0) - COLOURS).max() <= 1


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bits_of_other_formats_and_writers(kind: str) -> None:
    assert_grey(encoded(Image.fromarray(PIXELS["16 bits"]), kind))


def test_a_value_of_a_16_bit_png_that_means_transparent_becomes_white() -> None:
    pixels = PIXELS["16 bits"].copy()
    pixels[:8] = 300
    data = encoded(Image.fromarray(pixels), "PNG", transparency=300)
    assert (shown(data)[:8] == 255).all()
    assert (shown(data)[8:, :, 0] == GREY[8:]).all()


def test_deep_pictures_are_turned_as_the_camera_was_held() -> None:
    data = tiff(PIXELS["16 bits"], ">", extra=[(274, 3, 1, struct.pack(">H", 6))])
    assert (check_image(data).width, check_image(data).height) == (64, 96)
    assert_grey(data, np.rot90(GREY, -1))


@pytest.mark.parametrize(
    ("value", "level"),
    [(0.0, 0), (0.5, 128), (1.0, 255), (7.0, 255), (-7.0, 0)],
)
def test_a_picture_of_one_value(value: float, level: int) -> None:
    assert np.unique(shown(tiff(np.full((8, 8), value, "float32")))).tolist() == [level]


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf], ids=str)
def test_values_that_are_no_numbers_do_not_cost_the_others_their_brightness(odd: float) -> None:
    pixels = PIXELS["float far above 1"].copy()
    pixels[0, 0] = odd
    expected = GREY.copy()
    expected[0, 0] = 255 if odd == np.inf else 0
    assert_grey(tiff(pixels), expected)


def test_what_a_map_marks_as_no_data_does_not_count() -> None:
    pixels = PIXELS["float far above 1"].copy()
    pixels[0, 0] = -999
    assert_grey(tiff(pixels, extra=[(42113, 2, 4, b"-999")]), np.where(np.indices(GREY.shape).sum(0), GREY, 0))


def test_a_picture_without_a_number_is_refused() -> None:
    with pytest.raises(ImageError, match="no pixel is a number"):
        check_image(tiff(np.full((8, 8), np.nan, "float32")))


@pytest.mark.parametrize("pixels", [GREY.astype("float64"), GREY.astype("float16")], ids=["64 bits", "half"])
def test_kinds_of_pixels_that_cannot_be_read_are_refused_in_words(pixels: NDArray[Any]) -> None:
    with pytest.raises(ImageError, match=r"TIFF image.*save it as PNG"):
        check_image(tiff(pixels))


def test_values_at_the_ends_of_their_range_need_no_warning(recwarn: pytest.WarningsRecorder) -> None:
    pixels = np.where(GREY < 100, -3e38, 3e38).astype("float32")
    assert_grey(tiff(pixels), np.where(GREY < 100, 0, 255))
    assert not list(recwarn)


def test_a_deep_picture_takes_little_more_memory_than_its_values() -> None:
    data = tiff(np.full((1000, 1000), 40_000, "uint16"))
    open_image(data)
    tracemalloc.start()
    try:
        open_image(data)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 12 * 1000 * 1000, "the file, its values as float32, and little more at a time"
