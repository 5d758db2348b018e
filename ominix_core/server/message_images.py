"""Brings the images of a request's messages here: decodes them, or fetches them from public addresses."""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fastapi import Request

from ominix_core.addresses import AddressError
from ominix_core.hub import Hub
from ominix_core.images import MAX_IMAGE_BYTES, ImageError, check_image, shrink
from ominix_core.registry.entry import RegistryEntry
from ominix_core.server.data_urls import TooLongError, decode
from ominix_core.server.error_codes import ErrorCode
from ominix_core.server.errors import ApiError
from ominix_core.server.live import while_connected
from ominix_core.server.schemas.images import ImageSource, PlacedImage

if TYPE_CHECKING:
    import httpx

SMALL_SIDE = 512
"""Pixels of an image's longer side that `detail: low` leaves, as OpenAI says."""
FETCH_SECONDS = 20.0
"""How long all images of a request may take together."""


async def receive_images(request: Request, hub: Hub, entry: RegistryEntry, images: Sequence[PlacedImage]) -> None:
    """Give every one of `images` its bytes. Nothing is fetched for a model that would not look at it.

    Raises ApiError if the model takes no images or not so many, or one is too large, cannot be had, or is no image.
    """
    if not images:
        return
    abilities = hub.abilities(entry.id)
    most = abilities.images if abilities else 0
    if not most:
        message = f"{entry.name} reads text only; it cannot look at images."
        raise ApiError(ErrorCode.IMAGES_NOT_SUPPORTED, message, param=images[0][0])
    if len(images) > most:
        message = f"These are {len(images)} images; {entry.name} can look at {most} in one conversation."
        raise ApiError(ErrorCode.TOO_MANY_IMAGES, message, param=images[most][0])
    there = []
    for place, image in images:
        param = f"{place}.{image.field}"
        if image.is_here:
            image.put(await asyncio.to_thread(_decode, param, image))
        else:
            there.append((param, image))
    if there:
        await while_connected(request, _fetch_all(there))
    for place, image in images:
        await _check(f"{place}.{image.field}", image)


async def _check(param: str, image: ImageSource) -> None:
    try:
        if image.wanted_small:
            image.put(await asyncio.to_thread(shrink, image.encoded, SMALL_SIDE))
        else:
            await asyncio.to_thread(check_image, image.encoded)
    except ImageError as error:
        raise ApiError(ErrorCode.INVALID_IMAGE, f"'{param}': {error}", param=param) from error


def _decode(param: str, image: ImageSource) -> bytes:
    try:
        return decode(image.location, MAX_IMAGE_BYTES)
    except TooLongError as error:
        raise too_large(param) from error
    except ValueError as error:
        raise ApiError(ErrorCode.INVALID_IMAGE, f"'{param}' {error}.", param=param) from error


async def _fetch_all(images: Sequence[PlacedImage]) -> None:
    from ominix_core.http import guarded_async_client

    tls = await asyncio.to_thread(_tls_context)
    # Identity, because a small body could unpack to a very large one.
    async with guarded_async_client(tls, headers={"accept-encoding": "identity"}) as client:
        try:
            async with asyncio.timeout(FETCH_SECONDS), asyncio.TaskGroup() as fetches:
                for param, image in images:
                    fetches.create_task(_fetch(client, param, image))
        except TimeoutError as error:
            message = f"The images did not arrive within {FETCH_SECONDS:.0f} s. Send them as data URLs."
            raise ApiError(ErrorCode.INVALID_IMAGE_URL, message, param=images[0][0]) from error
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None


async def _fetch(client: httpx.AsyncClient, param: str, image: ImageSource) -> None:
    import httpx

    received = bytearray()
    try:
        async with client.stream("GET", image.location) as response:
            if not response.is_success:
                raise _not_fetched(param, f"its server answers {response.status_code}")
            async for chunk in response.aiter_raw():
                received += chunk
                if len(received) > MAX_IMAGE_BYTES:
                    raise too_large(param)
    except AddressError as error:
        raise _not_fetched(param, str(error)) from error
    except httpx.HTTPError as error:
        raise _not_fetched(param, str(error) or type(error).__name__) from error
    image.put(bytes(received))


@functools.cache
def _tls_context() -> ssl.SSLContext:
    import httpx

    return httpx.create_ssl_context()


def _not_fetched(param: str, reason: str) -> ApiError:
    return ApiError(ErrorCode.INVALID_IMAGE_URL, f"'{param}' could not be fetched: {reason}.", param=param)


def too_large(param: str) -> ApiError:
    """What is said of an image of more than MAX_IMAGE_BYTES."""
    message = f"'{param}' is larger than {MAX_IMAGE_BYTES // 1_000_000} MB. Scale the image down first."
    return ApiError(ErrorCode.IMAGE_TOO_LARGE, message, param=param)
