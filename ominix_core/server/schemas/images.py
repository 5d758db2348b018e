"""Images in messages, as each API writes them: by a data URL, in base64, or by a public address; never by a path."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, PrivateAttr

from ominix_core.addresses import AddressError, check_url
from ominix_core.server.schemas.base import ApiRequest, Neutral

_DATA_URL = re.compile(r"data:image/[a-z0-9.+-]+;base64,", re.IGNORECASE)


def _public(url: str) -> str:
    try:
        return check_url(url)
    except AddressError as error:
        raise ValueError(f"should be an https address: {error}") from error


def _data_or_public(url: str) -> str:
    if url[:5].lower() != "data:":
        try:
            return check_url(url)
        except AddressError as error:
            raise ValueError(f"should be a data URL or an https address: {error}") from error
    if not _DATA_URL.match(url):
        raise ValueError("should be a data URL of an image, such as data:image/png;base64,...")
    return url if url.startswith("data:") else "data:" + url[5:]


DataOrPublicUrl = Annotated[str, AfterValidator(_data_or_public)]
PublicUrl = Annotated[str, AfterValidator(_public)]


class ImageSource(ApiRequest):
    """Where an image is. Models look at it in all the detail that they can take.

    Attributes:
        field: Which parameter says where.
        encoded: The image itself, once it has been fetched or decoded.
    """

    field: ClassVar[str]
    _encoded: bytes = PrivateAttr(b"")

    @property
    @abstractmethod
    def location(self) -> str:
        """A data URL or a public address."""

    @property
    def is_here(self) -> bool:
        """Whether it came with the request."""
        return self.location.startswith("data:")

    @property
    def wanted_small(self) -> bool:
        """Whether a coarse look at it is enough."""
        return False

    @property
    def encoded(self) -> bytes:
        return self._encoded

    def put(self, encoded: bytes) -> None:
        self._encoded = encoded


def laid_out(parts: Iterable[str | ImageSource]) -> dict[str, Any]:
    """Text and images of a message, in their order, as the hub takes them; a part of text begins a new line."""
    text, places, images = "", [], []
    for part in parts:
        if isinstance(part, str):
            text = f"{text}\n{part}" if text else part
        else:
            places.append(len(text))
            images.append(part.encoded)
    return {"content": text, "images": tuple(images), "image_places": tuple(places) if any(places) else ()}


PlacedImage = tuple[str, ImageSource]
"""An image, and the parameter that holds it: `messages[0].content[1].image_url`."""


class ImageUrl(ImageSource):
    """An image of a chat message."""

    field: ClassVar[str] = "url"

    url: DataOrPublicUrl
    detail: Literal["auto", "low", "high"] = "auto"

    @property
    def location(self) -> str:
        return self.url

    @property
    def wanted_small(self) -> bool:
        return self.detail == "low"


class InputImage(ImageSource):
    """An image of a response's input."""

    field: ClassVar[str] = "image_url"
    neutral: ClassVar[Neutral] = {"file_id": (), "prompt_cache_breakpoint": ()}

    type: Literal["input_image"]
    image_url: DataOrPublicUrl
    detail: Literal["auto", "low", "high", "original"] = "auto"

    @property
    def location(self) -> str:
        return self.image_url

    @property
    def wanted_small(self) -> bool:
        return self.detail == "low"


class Base64Source(ImageSource):
    """An image in an Anthropic message itself."""

    field: ClassVar[str] = "data"

    type: Literal["base64"]
    media_type: Literal["image/jpeg", "image/png", "image/gif", "image/webp"]
    data: str

    @property
    def location(self) -> str:
        return f"data:{self.media_type};base64,{self.data}"

    @property
    def is_here(self) -> bool:
        return True


class UrlSource(ImageSource):
    """An image that an Anthropic message names."""

    field: ClassVar[str] = "url"

    type: Literal["url"]
    url: PublicUrl

    @property
    def location(self) -> str:
        return self.url
