"""Images from outside: what is taken, how it is turned and converted, and how the rest is refused."""

from __future__ import annotations

import pytest
from PIL import Image

from ominix_core.images import CheckedImage, ImageError, check_image, open_image
from tests.support.odd_images import encoded, png_that_claims


def assert_red(pixel: tuple[int, int, int]) -> None:
    red, green, blue = pixel
    assert red > 180, pixel
    assert max(green, blue) < 60, pixel


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_common_formats_are_read(kind: str) -> None:
    data = encoded(Image.new("RGB", (40, 30), (200, 30, 30)), kind)
    assert check_image(data) == CheckedImage(kind, 40, 30)
    image = open_image(data)
    assert (image.mode, image.size) == ("RGB", (40, 30))
    assert_red(image.getpixel((20, 15)))


def test_a_photo_is_turned_as_the_camera_was_held() -> None:
    photo = Image.new("RGB", (40, 20), "white")
    photo.paste("red", (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it a quarter clockwise
    data = encoded(photo, "JPEG", exif=exif, quality=95)
    assert check_image(data) == CheckedImage("JPEG", 20, 40)
    upright = open_image(data)
    assert upright.size == (20, 40)
    assert upright.getpixel((10, 5))[1] < 60, "the red half is on top"
    assert upright.getpixel((10, 35))[1] > 200


def test_cmyk_becomes_rgb() -> None:
    data = encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG")
    assert_red(open_image(data).getpixel((4, 4)))


def test_of_an_animation_the_first_frame_is_taken() -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue", "green")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert open_image(data).getpixel((4, 4)) == (255, 0, 0)


def test_transparent_parts_are_white() -> None:
    assert open_image(encoded(Image.new("RGBA", (8, 8), (0, 0, 0, 0)))).getpixel((4, 4)) == (255, 255, 255)


def test_sixteen_bit_greys_keep_their_brightness() -> None:
    grey = open_image(encoded(Image.new("I;16", (8, 8), 0x8000))).getpixel((4, 4))
    assert grey == (128, 128, 128)


def test_metadata_that_is_damaged_does_not_cost_the_picture() -> None:
    data = encoded(Image.new("RGB", (8, 8), "red"), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    assert open_image(data).size == (8, 8)


def test_the_further_pictures_of_a_jpeg_are_left_out() -> None:
    first = Image.new("RGB", (8, 8), "red")
    data = encoded(first, "MPO", save_all=True, append_images=[Image.new("RGB", (4, 4))])
    assert check_image(data) == CheckedImage("JPEG", 8, 8)


@pytest.mark.parametrize("side", [10_000, 20_000])
def test_bombs_are_refused_before_they_are_decoded(side: int) -> None:
    with pytest.raises(ImageError, match="more than 89 megapixels"):
        check_image(png_that_claims(side, 10_000))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_truncated_image_is_refused(kind: str, share: float) -> None:
    whole = encoded(Image.effect_noise((64, 64), 50).convert("RGB"), kind)
    with pytest.raises(ImageError, match=r"looks like a .* image, but it is cut short"):
        open_image(whole[: int(len(whole) * share)])


@pytest.mark.parametrize("size", [(0, 0), (0, 7)])
def test_an_image_without_pixels_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ImageError, match="has no pixels"):
        check_image(png_that_claims(*size))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no bytes"),
        (b"just text", "not an image"),
        (b"%PDF-1.7 ...", "not an image"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- a drawing --><svg/>', "SVG"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
    ],
)
def test_what_is_no_image_is_told_in_a_sentence(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason) as refusal:
        check_image(data)
    assert refusal.value.code == "invalid_image"
