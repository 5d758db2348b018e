"""From a request to the plan of its first image: what was left open is filled in, what cannot be is refused."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ominix_core.engines.diffusion.family import Limits, Plan
from ominix_core.errors import RequestError
from ominix_core.images import ImageError, open_image

if TYPE_CHECKING:
    from PIL.Image import Image

    from ominix_core.media import ImageRequest

SMALLEST, LARGEST, MULTIPLE = 64, 2048, 16
DEFAULT_SIDE = 1024
MOST_STEPS = 100
MOST_IMAGES = 10
STRONGEST_GUIDANCE = 20.0
# What models that read images in their own sizes were made for, in pixels along a side and as a ratio of sides.
MOST_SOURCE_PIXELS = 1024 * 1024
SMALLEST_SOURCE, LONGEST_SOURCE = 64, 8

# Fields that some models do not honour, and how they are called in a sentence.
_CHOICES = {
    "negative_prompt": "a negative prompt",
    "guidance": "guidance",
    "sources": "an image to start from",
    "strength": "a strength",
}


def plan_for(request: ImageRequest, limits: Limits, seed: int) -> Plan:
    """The plan of the request's first image. Raises RequestError that names what cannot be, and what can."""
    _refuse_unhonoured(request, limits)
    if not request.prompt.strip():
        raise RequestError("The prompt is empty. Describe the image.", "invalid_input")
    sources = [_opened(source) for source in request.sources]
    width, height = _size(request, sources)
    steps = limits.steps if request.steps is None else request.steps
    guidance = limits.guidance if request.guidance is None else request.guidance
    strength = limits.strength if request.strength is None else request.strength
    _check("steps", steps, 1, MOST_STEPS)
    _check("guidance", guidance, 0, STRONGEST_GUIDANCE)
    _check("count", request.count, 1, MOST_IMAGES)
    _check("seed", seed, 0, 2**32 - 1)
    _check("strength", strength, 0.01, 1)
    if request.negative_prompt and guidance <= 1:
        raise RequestError(
            f"A negative prompt needs guidance above 1, not {guidance:g}. Raise it, or leave the negative prompt out.",
            "invalid_input",
        )
    prepared = (_own_size(each) if limits.own_sizes else _fitted(each, width, height) for each in sources)
    return Plan(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt or "",
        width=width,
        height=height,
        steps=steps,
        guidance=guidance,
        seed=seed,
        sources=tuple(prepared),
        strength=strength,
        previews=request.previews,
        keep_encoder=True,
        tiled=False,
    )


def _refuse_unhonoured(request: ImageRequest, limits: Limits) -> None:
    for name, words in _CHOICES.items():
        value = getattr(request, name)
        if value in (None, "", ()) or name in limits.options:
            continue
        if name == "guidance":
            if value == limits.guidance:
                continue
            raise RequestError(
                f"This model always works with guidance {limits.guidance:g}. Leave guidance out.", "unsupported_option"
            )
        raise RequestError(f"This model does not use {words}. Leave it out.", "unsupported_option")
    if request.strength is not None and not request.sources:
        raise RequestError("A strength needs an image to start from.", "invalid_input")
    if (count := len(request.sources)) > limits.sources:
        takes = "one image" if limits.sources == 1 else f"{limits.sources} images"
        raise RequestError(f"This model takes {takes} to start from, not {count}. Leave some out.", "too_many_images")


def _check(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most or math.isnan(value):
        raise RequestError(f"The {name} must be from {least:g} to {most:g}, not {value:g}.", "invalid_input")


def _opened(source: bytes) -> Image:
    try:
        return open_image(source)
    except ImageError as error:
        raise RequestError(str(error), error.code) from error


def _size(request: ImageRequest, sources: list[Image]) -> tuple[int, int]:
    """What is asked for; else that of the first source, at most a megapixel; else what models are made for."""
    if request.width is None and request.height is None and sources:
        source = sources[0]
        shrunk = min(1.0, DEFAULT_SIDE / math.sqrt(source.width * source.height))
        return _nearest(source.width * shrunk), _nearest(source.height * shrunk)
    width = DEFAULT_SIDE if request.width is None else request.width
    height = DEFAULT_SIDE if request.height is None else request.height
    for name, side in (("width", width), ("height", height)):
        if side % MULTIPLE or not SMALLEST <= side <= LARGEST:
            raise RequestError(
                f"The {name} must be a multiple of {MULTIPLE} from {SMALLEST} to {LARGEST}, not {side}. "
                f"{_nearest(side)} would be right.",
                "invalid_input",
            )
    return width, height


def _nearest(side: float) -> int:
    return max(SMALLEST, min(LARGEST, round(side / MULTIPLE) * MULTIPLE))


def _fitted(source: Image, width: int, height: int) -> Image:
    from PIL import ImageOps

    return source if source.size == (width, height) else ImageOps.fit(source, (width, height))


def _own_size(source: Image) -> Image:
    """At most a megapixel, and cut at its edges to sides that can be read. Raises RequestError."""
    from PIL.Image import Resampling

    short, long = sorted(source.size)
    if short < SMALLEST_SOURCE or long > LONGEST_SOURCE * short:
        raise RequestError(
            f"An image to start from must have at least {SMALLEST_SOURCE} pixels on each side and be at most "
            f"{LONGEST_SOURCE} times as long as wide; this one is {source.width}x{source.height}.",
            "invalid_image",
        )
    if source.width * source.height > MOST_SOURCE_PIXELS:
        scale = math.sqrt(MOST_SOURCE_PIXELS / (source.width * source.height))
        source = source.resize((int(source.width * scale), int(source.height * scale)), Resampling.LANCZOS)
    width, height = (side // MULTIPLE * MULTIPLE for side in source.size)
    left, top = (source.width - width) // 2, (source.height - height) // 2
    return source if source.size == (width, height) else source.crop((left, top, left + width, top + height))
