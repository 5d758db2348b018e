"""Made pictures in other formats than PNG."""

from __future__ import annotations

import io
import json

import mlx.core as mx
import pytest
from PIL import Image

from ominix_core.engines.diffusion.png import encode
from ominix_core.image_formats import ImageFormat, in_format

IMAGE_DESCRIPTION = 0x010E


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
@pytest.mark.parametrize("letter", ["a", "猫", "🐈"])
def test_the_longest_prompts_fit(kind: ImageFormat, letter: str) -> None:
    texts = {"prompt": letter * 32_000, "negative_prompt": letter * 31_000, "seed": "7"}
    with Image.open(io.BytesIO(in_format(encode(mx.zeros((8, 8, 3), mx.uint8), texts), kind))) as image:
        told = json.loads(image.getexif()[IMAGE_DESCRIPTION])
    assert told["seed"] == "7"
    for name in ("prompt", "negative_prompt"):
        assert texts[name].startswith(told[name].rstrip("…"))
        assert len(told[name]) >= 1000
