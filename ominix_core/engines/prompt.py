"""From a request to the tokens that the model reads."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from ominix_core.errors import RequestError
from ominix_core.generation import ChatMessage, ChatRequest, CompletionRequest, TextRequest


@dataclass(frozen=True)
class Prompt:
    """What the model reads.

    Attributes:
        opens_reasoning: Whether the model's first words continue a thought.
        images: A digest of each image whose place is among the tokens, in order.
        inputs: What the model takes beside the tokens, such as the images' pixels.
    """

    tokens: list[int]
    opens_reasoning: bool = False
    images: tuple[str, ...] = ()
    inputs: dict[str, Any] = field(default_factory=dict)


_NOT_OPTIONS = frozenset(
    [
        "conversation",
        "messages",
        "tools",
        "documents",
        "chat_template",
        "add_generation_prompt",
        "continue_final_message",
        "tokenize",
        "padding",
        "truncation",
        "max_length",
        "return_tensors",
        "return_dict",
        "return_assistant_tokens_mask",
        "tokenizer_kwargs",
    ]
)


def check_template_options(request: TextRequest) -> None:
    """Raises RequestError for options that are not the template's but of what applies it, the template among them."""
    if isinstance(request, ChatRequest) and (refused := sorted(_NOT_OPTIONS & request.template_options.keys())):
        raise RequestError(f"'chat_template_kwargs' cannot set '{refused[0]}'.", "invalid_template_option")


def encode(tokenizer: Any, request: TextRequest) -> Prompt:
    """Raises RequestError if the model has no chat template or its template refuses the conversation."""
    if isinstance(request, CompletionRequest):
        tokens = tokenizer.encode(request.prompt)
        if not tokens:
            raise RequestError("The prompt is empty.", "invalid_prompt")
        return Prompt(tokens)
    tokens = _apply_template(tokenizer, request)
    return Prompt(tokens, opens_reasoning(tokenizer, tokens))


def opens_reasoning(tokenizer: Any, tokens: list[int]) -> bool:
    """Whether the prompt ends inside a thought."""
    return bool(tokenizer.has_thinking and tokenizer.rfind_think_start(tokens) > tokenizer.rfind_think_end(tokens))


def _apply_template(tokenizer: Any, request: ChatRequest) -> list[int]:
    import jinja2

    if not tokenizer.has_chat_template:
        raise RequestError(
            "This model has no chat template: it is a base model, not made for conversations.", "no_chat_template"
        )
    if any(message.images for message in request.messages):
        raise RequestError("This model reads text only; it cannot look at images.", "images_not_supported")
    try:
        tokens: list[int] = tokenizer.apply_chat_template(
            [as_template_reads_it(message) for message in request.messages],
            add_generation_prompt=True,
            **template_options(tokenizer, request),
        )
    except (jinja2.TemplateError, TypeError, ValueError) as error:
        raise refused_by_template(error) from error
    return tokens


def template_options(tokenizer: Any, request: ChatRequest) -> dict[str, Any]:
    """What the chat template is given beside the messages. Raises RequestError for tools that it has no place for."""
    if request.tools and not tokenizer.has_tool_calling:
        raise RequestError("This model cannot call tools: its chat template has no place for them.", "no_tool_calling")
    options = {"tools": request.tools or None, **request.template_options}
    if request.grammar is not None or request.must_call:
        # A thought would come before the form that the answer must have.
        options.setdefault("enable_thinking", False)
    return options


def refused_by_template(error: Exception) -> RequestError:
    return RequestError(f"The model's chat template refuses this conversation: {error}", "invalid_conversation")


def as_template_reads_it(message: ChatMessage) -> dict[str, Any]:
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
