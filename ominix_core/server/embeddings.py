"""`POST /v1/embeddings`."""

from __future__ import annotations

import asyncio
import base64
import struct
from collections.abc import Callable, Sequence

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from ominix_core.generation import Embeddings, Finished
from ominix_core.server.bodies import BodyRoute
from ominix_core.server.choice import EMBEDDING, choose
from ominix_core.server.dependencies import TheHub, TheLiveRequests
from ominix_core.server.schemas.embeddings import EmbeddingList, EmbeddingRequest

router = APIRouter(tags=["text"], route_class=BodyRoute)


@router.post("/v1/embeddings", response_model=EmbeddingList)
async def create_embeddings(
    body: EmbeddingRequest, request: Request, hub: TheHub, live_requests: TheLiveRequests
) -> Response:
    """A vector for each text."""
    entry = await choose(hub, body.model, EMBEDDING)
    live = await live_requests.start(request, "emb_", entry, body.to_hub())
    events = await live.whole(request)
    (vectors,) = (event.vectors for event in events if isinstance(event, Embeddings))
    (tokens,) = (event.usage.prompt_tokens for event in events if isinstance(event, Finished))
    encode = _as_base64 if body.encoding_format == "base64" else _as_floats
    data = await asyncio.to_thread(_data, vectors, encode)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    answer = {"object": "list", "model": entry.id, "data": data, "usage": usage}
    return Response(msgspec.json.encode(answer), media_type="application/json")


def _data(vectors: Sequence[bytes], encode: Callable[[bytes], str | list[float]]) -> list[msgspec.Raw]:
    """An EmbeddingList's data, which can be millions of numbers: one vector at a time, so that others get a turn."""
    numbered = enumerate(map(encode, vectors))
    objects = ({"object": "embedding", "index": index, "embedding": embedding} for index, embedding in numbered)
    return [msgspec.Raw(msgspec.json.encode(item)) for item in objects]


def _as_base64(vector: bytes) -> str:
    return base64.b64encode(vector).decode()


def _as_floats(vector: bytes) -> list[float]:
    return list(struct.unpack(f"<{len(vector) // 4}f", vector))
