"""`POST /v1/images/generations` and `/v1/images/edits`, whole and streamed, and the files behind their URLs."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Literal

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, Response

from ominix_core.image_formats import format_of
from ominix_core.images import MAX_IMAGE_BYTES
from ominix_core.media import ImageMade, ImageStep
from ominix_core.server.bodies import BodyRoute
from ominix_core.server.choice import IMAGE, choose
from ominix_core.server.dependencies import TheHub, TheLiveRequests, TheMadeImages
from ominix_core.server.error_codes import ErrorCode
from ominix_core.server.errors import ApiError
from ominix_core.server.forms import form_description, read_form
from ominix_core.server.live import LiveRequest
from ominix_core.server.made_images import PREFIX, MadeImages
from ominix_core.server.message_images import too_large
from ominix_core.server.schemas import image_generation as schema
from ominix_core.server.sse import KEEP_ALIVE_SECONDS, MAY_STREAM, EventStream, comment, event, json_response

router = APIRouter(tags=["images"], route_class=BodyRoute)

Kind = Literal["image_generation", "image_edit"]
# As OpenAI takes them; how many a model takes it tells itself.
MOST_SOURCES = 16


@router.post("/v1/images/generations", response_model=schema.ImageList, responses=MAY_STREAM)
async def create_images(
    body: schema.ImageRequest, request: Request, hub: TheHub, live_requests: TheLiveRequests, kept: TheMadeImages
) -> Response:
    """Make images of a description. With `stream` they come as server-sent events, partial ones first if wanted."""
    entry = await choose(hub, body.model, IMAGE)
    live = await live_requests.start(request, "img_", entry, body.to_hub(entry))
    return await _answer(request, live, body, "image_generation", kept)


@router.post(
    "/v1/images/edits",
    response_model=schema.ImageList,
    responses=MAY_STREAM,
    openapi_extra=form_description(schema.ImageEditRequest, "image", several=True),
)
async def edit_image(request: Request, hub: TheHub, live_requests: TheLiveRequests, kept: TheMadeImages) -> Response:
    """Make images of a description and images to start from, which come in a form as `image` or `image[]`."""
    body, files = await read_form(request, schema.ImageEditRequest, "image", most_files=MOST_SOURCES)
    try:
        if any((file.size or 0) > MAX_IMAGE_BYTES for file in files):
            raise too_large("image")
        images = tuple([await file.read() for file in files])
    finally:
        for file in files:
            await file.close()
    entry = await choose(hub, body.model, IMAGE)
    asked = body.to_hub(entry, images, body.strength)
    live = await live_requests.start(request, "img_", entry, asked)
    return await _answer(request, live, body, "image_edit", kept)


@router.get(PREFIX + "{name}", response_class=FileResponse)
async def made_image(name: str, kept: TheMadeImages) -> FileResponse:
    """An image that was asked for as a URL; it is here for an hour."""
    path = kept.find(name)
    if path is None:
        raise ApiError(ErrorCode.IMAGE_NOT_FOUND, "There is no such image, or its hour is over.")
    kind = format_of(path)
    return FileResponse(path, media_type=f"image/{kind}", headers={"cache-control": "private, max-age=3600"})


async def _answer(
    request: Request, live: LiveRequest, body: schema.ImageRequest, kind: Kind, kept: MadeImages
) -> Response:
    if body.stream:
        await live.started(request)
        return EventStream(request, _events(live, body, kind), live.close)
    made = [part for part in await live.whole(request) if isinstance(part, ImageMade)]
    images = [await _image(image, request, body, kept) for image in made]
    answer = schema.ImageList(created=live.created, data=images, output_format=body.output_format, background="opaque")
    if size := schema.named_size(made[0]):
        answer.size = size
    return json_response(answer)


async def _image(made: ImageMade, request: Request, body: schema.ImageRequest, kept: MadeImages) -> schema.Image:
    picture = await asyncio.to_thread(body.encoded, made.png)
    if body.response_format == "url":
        name = await asyncio.to_thread(kept.keep, picture, body.output_format)
        return schema.Image(url=f"{str(request.base_url).rstrip('/')}{PREFIX}{name}", **schema.facts_of(made))
    return schema.Image(b64_json=base64.b64encode(picture).decode(), **schema.facts_of(made))


async def _events(live: LiveRequest, body: schema.ImageRequest, kind: Kind) -> AsyncIterator[bytes]:
    """Partial images, so many as are wanted and evenly over the steps, then each image."""
    sent = 0
    async for part in live.events(silence=KEEP_ALIVE_SECONDS):
        match part:
            case None:
                yield comment("keep-alive")
            case ImageStep(preview=None):
                yield comment(f"step {part.step}/{part.steps}")
            case ImageStep(preview=bytes(preview)):
                if part.step * (body.partial_images + 1) >= (sent + 1) * part.steps and sent < body.partial_images:
                    name = f"{kind}.partial_image"
                    picture = await asyncio.to_thread(body.encoded, preview)
                    yield event(_event(live, body, name, picture, part.index, partial_image_index=sent), name)
                    sent += 1
            case ImageMade():
                sent = 0
                name = f"{kind}.completed"
                facts = {"seed": part.seed, "seconds": part.seconds, "usage": schema.ImageUsage.none()}
                picture = await asyncio.to_thread(body.encoded, part.png)
                yield event(_event(live, body, name, picture, part.index, schema.named_size(part), **facts), name)


def _event(
    live: LiveRequest,
    body: schema.ImageRequest,
    name: str,
    picture: bytes,
    index: int,
    size: str | None = None,
    **more: object,
) -> schema.ImageEvent:
    fields = {
        "type": name,
        "b64_json": base64.b64encode(picture).decode(),
        "created_at": live.created,
        "size": size or "auto",
        "quality": "auto",
        "background": "opaque",
        "output_format": body.output_format,
        "image_index": index,
    }
    return schema.ImageEvent.model_validate(fields | more)
