"""From a request to the tokens that the model reads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ominix_core.errors import RequestError
from ominix_core.generation import ChatMessage, ChatRequest, CompletionRequest, TextRequest


@dataclass(frozen=True)
class Prompt:
    """The tokens of a request; `opens_reasoning` if the model's first words continue a thought."""

    tokens: list[int]
    opens_reasoning: bool = False


def encode(tokenizer: Any, request: TextRequest) -> Prompt:
    """Raises RequestError if the model has no chat template or its template refuses the conversation."""
    if isinstance(request, CompletionRequest):
        tokens = tokenizer.encode(request.prompt)
        if not tokens:
            raise RequestError("The prompt is empty.", "invalid_prompt")
        return Prompt(tokens)
    tokens = _apply_template(tokenizer, request)
    opens_reasoning = tokenizer.has_thinking and tokenizer.rfind_think_start(tokens) > tokenizer.rfind_think_end(tokens)
    return Prompt(tokens, opens_reasoning)


def _apply_template(tokenizer: Any, request: ChatRequest) -> list[int]:
    import jinja2

    if not tokenizer.has_chat_template:
        raise RequestError(
            "This model has no chat template: it is a base model, not made for conversations.", "no_chat_template"
        )
    if any(message.images for message in request.messages):
        raise RequestError("This model reads text only; it cannot look at images.", "images_not_supported")
    if request.tools and not tokenizer.has_tool_calling:
        raise RequestError("This model cannot call tools: its chat template has no place for them.", "no_tool_calling")
    options = dict(request.template_options)
    if request.grammar is not None or request.must_call:
        # A thought would come before the form that the answer must have.
        options.setdefault("enable_thinking", False)
    try:
        tokens: list[int] = tokenizer.apply_chat_template(
            [_as_template_reads_it(message) for message in request.messages],
            tools=request.tools or None,
            add_generation_prompt=True,
            **options,
        )
    except (jinja2.TemplateError, TypeError, ValueError) as error:
        raise RequestError(
            f"The model's chat template refuses this conversation: {error}", "invalid_conversation"
        ) from error
    return tokens


def _as_template_reads_it(message: ChatMessage) -> dict[str, Any]:
    turn: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        turn["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": _arguments(call.arguments)},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        turn["tool_call_id"] = message.tool_call_id
    return turn


def _arguments(text: str) -> Any:
    """Templates want the arguments as an object; text that is no JSON goes through as it is."""
    try:
        return json.loads(text)
    except ValueError:
        return text
