"""Images in messages, as each API writes them: by a data URL, in base64, or by a public address; never by a path."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, PrivateAttr

from ominix_core.addresses import AddressError, check_url
from ominix_core.server.data_urls import as_data_url
from ominix_core.server.schemas.base import ApiRequest, Neutral


def _public(url: str) -> str:
    return _checked(url.strip(), "an https address")


def _data_or_public(url: str) -> str:
    return as_data_url(url) or _checked(url.strip(), "a data URL or an https address")


def _base64(text: str) -> str:
    return as_data_url(text) or f"data:;base64,{text}"


def _checked(url: str, wanted: str) -> str:
    if url[:5].lower() == "file:":
        raise ValueError(f"should be {wanted}: files are not read for a request. Send the image itself, as a data URL")
    try:
        return check_url(url)
    except AddressError as error:
        raise ValueError(f"should be {wanted}: {error}") from error


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
    """An image in an Anthropic message itself; what kind it is, its bytes tell."""

    field: ClassVar[str] = "data"

    type: Literal["base64"]
    media_type: str
    data: Annotated[str, AfterValidator(_base64)]

    @property
    def location(self) -> str:
        return self.data

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
