"""What families of image models and the engine tell each other, and what families have in common."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ominix_core.engines.sampling import NO_NUMBERS
from ominix_core.errors import RequestError

if TYPE_CHECKING:
    import mlx.core as mx
    from PIL.Image import Image

PREVIEW_SIDE = 128
# Pixels along a piece of an image that is decoded in pieces, and how far pieces overlap.
TILE, TILE_OVERLAP = 512, 64
# What a text encoder reads of a prompt.
PROMPT_TOKENS = 512


@dataclass(frozen=True)
class Limits:
    """What a model honours and takes.

    Attributes:
        options: The optional fields of an ImageRequest that it honours.
        guidance: What it is made with unless asked otherwise.
        strength: How far to leave a source image, where the model takes that.
        sources: How many images it takes to start from.
        own_sizes: Whether it reads these in their own sizes, rather than in that of the image to make.
    """

    options: tuple[str, ...]
    steps: int
    guidance: float
    strength: float = 1.0
    sources: int = 0
    own_sizes: bool = False


@dataclass(frozen=True)
class Plan:
    """One image to make; nothing is left open.

    Attributes:
        sources: The images to start from, in the sizes in which the model reads them.
        keep_encoder: Whether the text encoder stays in memory while the image is made.
        tiled: Whether the image is decoded in pieces, which takes less memory and more time.
    """

    prompt: str
    negative_prompt: str
    width: int
    height: int
    steps: int
    guidance: float
    seed: int
    sources: tuple[Image, ...]
    strength: float
    previews: bool
    keep_encoder: bool
    tiled: bool


@dataclass(frozen=True)
class Step:
    """A denoising step is done; `preview` is uint8 (height, width, 3)."""

    number: int
    of: int
    preview: mx.array | None = None


Work = Generator[Step | None, None, "mx.array"]
"""Making one image: each item is a bounded piece of work, the result uint8 (height, width, 3)."""


def check_prompt_length(tokens: int) -> None:
    """Raises RequestError if the text encoder would cut the prompt."""
    if tokens > PROMPT_TOKENS:
        text = f"The prompt is {tokens:,} tokens long, but this model reads {PROMPT_TOKENS}. Shorten it."
        raise RequestError(text, "context_length_exceeded")


def pooled(latents: mx.array, scale: int) -> mx.array:
    """Latents (1, channels, height, width) small enough to be decoded at PREVIEW_SIDE, `scale` pixels each."""
    height, width = latents.shape[2:]
    factor = max(1, max(height, width) * scale // PREVIEW_SIDE)
    rows, columns = max(1, height // factor), max(1, width // factor)
    factor = min(factor, height, width)
    cut = latents[:, :, : rows * factor, : columns * factor]
    blocks: mx.array = cut.reshape(1, -1, rows, factor, columns, factor)
    return blocks.mean(axis=(3, 5))


def as_pixels(decoded: mx.array) -> mx.array:
    """uint8 (height, width, 3) of what a VAE decodes, (1, 3, height, width) in -1..1.

    Raises RequestError if it is no numbers (NaN), which would become a black image.
    """
    import mlx.core as mx

    pixels = mx.round(mx.clip(decoded[0].transpose(1, 2, 0).astype(mx.float32) / 2 + 0.5, 0, 1) * 255).astype(mx.uint8)
    lost = mx.isnan(decoded).any()
    mx.eval(pixels, lost)
    if lost.item():
        raise RequestError(NO_NUMBERS)
    return pixels


def from_pixels(image: Image) -> mx.array:
    """(1, 3, height, width) in -1..1, as a VAE encodes it."""
    import mlx.core as mx
    import numpy as np

    return mx.array(np.asarray(image, dtype=np.float32).transpose(2, 0, 1)[None] / 127.5 - 1)
