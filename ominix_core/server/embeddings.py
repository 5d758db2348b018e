"""`POST /v1/embeddings`."""

from __future__ import annotations

import base64
import struct

from fastapi import APIRouter, Request

from ominix_core.generation import Embeddings, Finished
from ominix_core.server.choice import EMBEDDING, choose
from ominix_core.server.dependencies import TheHub, TheLiveRequests
from ominix_core.server.schemas.embeddings import Embedding, EmbeddingList, EmbeddingRequest, EmbeddingUsage

router = APIRouter(tags=["text"])


@router.post("/v1/embeddings")
async def create_embeddings(
    body: EmbeddingRequest, request: Request, hub: TheHub, live_requests: TheLiveRequests
) -> EmbeddingList:
    """A vector for each text."""
    entry = await choose(hub, body.model, EMBEDDING)
    live = await live_requests.start(request, "emb_", entry, body.to_hub())
    events = await live.whole(request)
    (vectors,) = (event.vectors for event in events if isinstance(event, Embeddings))
    (tokens,) = (event.usage.prompt_tokens for event in events if isinstance(event, Finished))
    encode = _as_base64 if body.encoding_format == "base64" else _as_floats
    return EmbeddingList(
        model=entry.id,
        data=[Embedding(index=index, embedding=encode(vector)) for index, vector in enumerate(vectors)],
        usage=EmbeddingUsage(prompt_tokens=tokens, total_tokens=tokens),
    )


def _as_base64(vector: bytes) -> str:
    return base64.b64encode(vector).decode()


def _as_floats(vector: bytes) -> list[float]:
    return list(struct.unpack(f"<{len(vector) // 4}f", vector))
