"""The Responses API: create (whole or streamed), get, delete, and list the input of responses."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from ominix_core.generation import ChatMessage, Finished, PrefillProgress, Sampling, ToolCall
from ominix_core.server.answer import Answer
from ominix_core.server.auth import key_of
from ominix_core.server.bodies import BodyRoute
from ominix_core.server.choice import CHAT, choose
from ominix_core.server.dependencies import TheHub, TheLiveRequests, TheResponseStore, refuses
from ominix_core.server.error_codes import ErrorCode
from ominix_core.server.errors import ApiError, public_error
from ominix_core.server.live import LiveRequest
from ominix_core.server.message_images import receive_images
from ominix_core.server.response_store import ResponseStore, StoredResponse
from ominix_core.server.response_writer import ResponseWriter
from ominix_core.server.schemas import response_objects as schema
from ominix_core.server.schemas.response_items import conversation_of
from ominix_core.server.schemas.responses import ResponseInput, ResponseRequest
from ominix_core.server.schemas.tool_choice import ModeChoice, ToolChoice
from ominix_core.server.sse import KEEP_ALIVE_SECONDS, MAY_STREAM, EventStream, comment, event

router = APIRouter(tags=["responses"], route_class=BodyRoute)


@router.post("/v1/responses", response_model=schema.ResponseObject, responses=MAY_STREAM)
async def create_response(
    body: ResponseRequest, request: Request, hub: TheHub, live_requests: TheLiveRequests, store: TheResponseStore
) -> Response:
    """Answer. With `stream` the response grows in server-sent events; with `store` it can be continued later."""
    entry = await choose(hub, body.model, CHAT)
    owner = key_of(request)
    before = _said_before(body, owner, store)
    await receive_images(request, hub, entry, body.images())
    conversation = [*before, *conversation_of(body.input)]
    asked = body.to_hub(entry, conversation)
    live = await live_requests.start(request, "resp_", entry, asked)
    writer = ResponseWriter(_beginning(live, body, asked.sampling))

    def keep() -> None:
        if body.store:
            turns = [*conversation, *_turns(writer.response)]
            store.put(StoredResponse(owner, writer.response, turns, _with_ids(body)))

    if body.stream:
        await live.started(request)
        return EventStream(request, _stream(live, writer, keep), live.close)
    for part in await live.whole(request):
        for _ in writer.add(part):
            pass
    keep()
    return Response(writer.response.model_dump_json(), media_type="application/json")


@router.post("/v1/responses/input_tokens")
async def count_input_tokens(
    body: ResponseInput, request: Request, hub: TheHub, live_requests: TheLiveRequests, store: TheResponseStore
) -> schema.InputTokens:
    """How many tokens the model would read."""
    entry = await choose(hub, body.model, CHAT)
    before = _said_before(body, key_of(request), store)
    await receive_images(request, hub, entry, body.images())
    asked = body.to_count([*before, *conversation_of(body.input)])
    live = await live_requests.start(request, "count_", entry, asked)
    answer = Answer.of(await live.whole(request))
    return schema.InputTokens(input_tokens=answer.finished.usage.prompt_tokens)


@router.get("/v1/responses/{response_id}", dependencies=[refuses("stream", "starting_after", "include")])
async def get_response(response_id: str, request: Request, store: TheResponseStore) -> schema.ResponseObject:
    """A stored response."""
    return store.get(response_id, key_of(request)).response


@router.delete("/v1/responses/{response_id}")
async def delete_response(response_id: str, request: Request, store: TheResponseStore) -> schema.ResponseDeleted:
    """Forget a stored response; those that continue it stay."""
    store.delete(response_id, key_of(request))
    return schema.ResponseDeleted(id=response_id)


@router.get("/v1/responses/{response_id}/input_items", dependencies=[refuses("include")])
async def list_input_items(
    response_id: str,
    request: Request,
    store: TheResponseStore,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Literal["asc", "desc"] = "desc",
    after: str | None = None,
) -> schema.InputItemList:
    """What a stored response was asked with, the newest item first."""
    items = store.get(response_id, key_of(request)).input_items
    items = items if order == "asc" else items[::-1]
    ids = [item["id"] for item in items]
    if after is not None:
        if after not in ids:
            raise ApiError(ErrorCode.ITEM_NOT_FOUND, f"There is no item '{after}' in this response.", param="after")
        items = items[ids.index(after) + 1 :]
    page = items[:limit]
    first, last = (page[0]["id"], page[-1]["id"]) if page else ("", "")
    return schema.InputItemList(data=page, has_more=len(items) > limit, first_id=first, last_id=last)


def _said_before(body: ResponseInput, owner: str | None, store: ResponseStore) -> list[ChatMessage]:
    if body.previous_response_id is None:
        return []
    return store.get(body.previous_response_id, owner, "previous_response_id").conversation


async def _stream(live: LiveRequest, writer: ResponseWriter, keep: Callable[[], None]) -> AsyncIterator[bytes]:
    for item in writer.begin():
        yield event(item, item["type"])
    try:
        async for part in live.events(silence=KEEP_ALIVE_SECONDS):
            match part:
                case None:
                    yield comment("keep-alive")
                case PrefillProgress():
                    yield comment(f"prompt {part.done}/{part.total}")
                case _:
                    items = list(writer.add(part))
                    if isinstance(part, Finished):
                        keep()  # before its client can ask for it
                    yield b"".join(event(item, item["type"]) for item in items)
    except Exception as error:
        for item in writer.fail(public_error(error, live.app)):
            yield event(item, item["type"])


def _beginning(live: LiveRequest, body: ResponseRequest, sampling: Sampling) -> schema.ResponseObject:
    text = body.text.model_dump(by_alias=True, exclude_none=True)
    return schema.ResponseObject(
        id=live.id,
        created_at=live.created,
        model=live.entry.id,
        instructions=body.instructions,
        max_output_tokens=body.max_output_tokens,
        metadata=body.metadata,
        previous_response_id=body.previous_response_id,
        reasoning={"effort": body.reasoning.effort, "summary": None},
        store=body.store,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        text={"format": {"type": "text"}} | text,
        tool_choice=_as_written(body.tool_choice),
        parallel_tool_calls=body.parallel_tool_calls,
        tools=[tool.model_dump() for tool in body.tools],
        top_logprobs=body.top_logprobs,
        user=body.user,
    )


def _as_written(choice: ToolChoice) -> str | dict[str, Any]:
    return choice.type if isinstance(choice, ModeChoice) else choice.model_dump(by_alias=True)


def _turns(response: schema.ResponseObject) -> list[ChatMessage]:
    """What the model said, as the turn of a conversation that goes on."""
    text, thought, calls = "", "", []
    for item in response.output:
        match item:
            case schema.ReasoningItem():
                thought += "".join(part.text for part in item.content)
            case schema.OutputMessage():
                text += item.content[0].text
            case schema.FunctionCall():
                calls.append(ToolCall(item.call_id, item.name, item.arguments))
    return [ChatMessage("assistant", text, tuple(calls), reasoning=thought)]


def _with_ids(body: ResponseRequest) -> list[dict[str, Any]]:
    items = [item.model_dump(exclude_none=True) for item in body.input]
    return [{"id": f"item_{uuid.uuid4().hex}", **item} for item in items]
