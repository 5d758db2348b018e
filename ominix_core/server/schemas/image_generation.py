"""Images: https://platform.openai.com/docs/api-reference/images."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from ominix_core.image_formats import BEST_QUALITY, ImageFormat, in_format
from ominix_core.media import ImageMade
from ominix_core.media import ImageRequest as HubImageRequest
from ominix_core.registry.entry import RegistryEntry
from ominix_core.server.schemas.base import ApiObject, ApiRequest, Neutral, Text

# The sizes that OpenAI's published schema allows in an answer; any other is told in `width` and `height` alone.
_NAMED_SIZES = ("1024x1024", "1024x1536", "1536x1024")
# Hints that say how to spend effort or whom to please: every image is made as well as its model can. `steps`,
# `guidance` and the prompt itself are what changes it.
_HINTS: Neutral = {
    "quality": ("auto", "standard", "hd", "low", "medium", "high"),
    "style": ("vivid", "natural"),
    "moderation": ("auto", "low"),
}
RANDOM_SEED = -1
"""What many programs send for a seed that is to be drawn."""


def _parsed(size: str) -> str:
    width, cross, height = size.partition("x")
    if size != "auto" and not (cross and width.isdecimal() and height.isdecimal() and len(size) <= 11):
        raise ValueError('should be "auto" or WIDTHxHEIGHT, such as "1024x768"')
    return size


def _drawn(seed: int | None) -> int | None:
    return None if seed == RANDOM_SEED else seed


def _spelled(kind: Any) -> Any:
    return {"jpg": "jpeg"}.get(kind.lower(), kind.lower()) if isinstance(kind, str) else kind


def _opaque(background: str) -> str:
    if background == "transparent":
        raise ValueError('cannot be "transparent": these models make pictures without transparency')
    return background


class ImageRequest(ApiRequest):
    """What generations and edits share.

    `seed`, `steps`, `guidance` and `negative_prompt` are additions to OpenAI's parameters. What is not given is the
    registry entry's default, or else the model's; a `seed` of -1 is drawn.
    """

    neutral: ClassVar[Neutral] = _HINTS
    prompt: Annotated[Text, Field(min_length=1, max_length=32_000)]
    model: str = ""
    n: int = Field(default=1, ge=1, le=10)
    size: Annotated[str, AfterValidator(_parsed)] = "auto"
    response_format: Literal["b64_json", "url"] = "b64_json"
    stream: bool = False
    partial_images: int = Field(default=0, ge=0, le=3)
    user: str | None = None
    background: Annotated[Literal["auto", "opaque", "transparent"], AfterValidator(_opaque)] = "auto"
    output_format: Annotated[ImageFormat, BeforeValidator(_spelled)] = "png"
    output_compression: int = Field(default=BEST_QUALITY, ge=0, le=100)
    seed: Annotated[int | None, Field(ge=RANDOM_SEED, lt=2**32), AfterValidator(_drawn)] = None
    steps: int | None = Field(default=None, ge=1, le=100)
    guidance: float | None = Field(default=None, ge=0, le=20)
    negative_prompt: Text | None = Field(default=None, max_length=32_000)

    @field_validator("output_compression")
    @classmethod
    def _of_a_format_that_compresses(cls, quality: int, info: ValidationInfo) -> int:
        if quality < BEST_QUALITY and info.data.get("output_format") == "png":
            raise ValueError('below 100 needs an "output_format" of "jpeg" or "webp": a PNG is always exact')
        return quality

    def encoded(self, png: bytes) -> bytes:
        """A picture in the format that is wanted; takes up to a few tenths of a second."""
        return in_format(png, self.output_format, self.output_compression)

    def to_hub(
        self, entry: RegistryEntry, sources: tuple[bytes, ...] = (), strength: float | None = None
    ) -> HubImageRequest:
        """The request for the model of `entry`."""
        width, _, height = self.size.partition("x")
        given = self.size != "auto"
        return HubImageRequest(
            prompt=self.prompt,
            negative_prompt=self.negative_prompt,
            width=int(width) if given else None,
            height=int(height) if given else None,
            steps=self.steps or entry.defaults.steps,
            guidance=self.guidance if self.guidance is not None else entry.defaults.guidance,
            seed=self.seed,
            count=self.n,
            sources=sources,
            strength=strength,
            previews=self.stream and self.partial_images > 0,
        )


class ImageEditRequest(ImageRequest):
    """The fields of an edit's form beside its images; `strength` is an addition: how far to leave them, in 0..1."""

    model_config = ConfigDict(strict=False)  # a form holds text only
    neutral: ClassVar[Neutral] = {**_HINTS, "input_fidelity": ("low", "high")}
    strength: float | None = Field(default=None, gt=0, le=1)


class Image(ApiObject):
    """One image, as base64 or behind a URL that holds for an hour, with what it was made with."""

    b64_json: str | None = None
    url: str | None = None
    width: int
    height: int
    seed: int
    steps: int
    guidance: float
    seconds: float


class ImageList(ApiObject):
    """The images of a request, in their order."""

    created: int
    data: list[Image]
    output_format: ImageFormat
    background: Literal["opaque"]
    size: str | None = None


class ImageUsage(ApiObject):
    """Image models count no tokens."""

    total_tokens: int
    input_tokens: int
    output_tokens: int
    input_tokens_details: dict[str, int]

    @classmethod
    def none(cls) -> ImageUsage:
        details = {"text_tokens": 0, "image_tokens": 0}
        return cls(total_tokens=0, input_tokens=0, output_tokens=0, input_tokens_details=details)


class ImageEvent(ApiObject):
    """A partial image, or the image itself with its usage."""

    type: str
    b64_json: str
    created_at: int
    size: str
    quality: Literal["auto"]
    background: Literal["opaque"]
    output_format: ImageFormat
    partial_image_index: int | None = None
    usage: ImageUsage | None = None
    image_index: int
    seed: int | None = None
    seconds: float | None = None


def named_size(made: ImageMade) -> str | None:
    """The image's size if OpenAI's schema has a name for it."""
    size = f"{made.width}x{made.height}"
    return size if size in _NAMED_SIZES else None


def facts_of(made: ImageMade) -> dict[str, Any]:
    """What an image was made with."""
    names = ("width", "height", "seed", "steps", "guidance", "seconds")
    return {name: getattr(made, name) for name in names}
