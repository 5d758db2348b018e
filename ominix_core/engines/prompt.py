"""From a request to the tokens that the model reads."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ominix_core.engines.conversation import as_template_reads_it, fitted
from ominix_core.engines.template_abilities import EFFORTS, ChatTemplate, TemplateAbilities, Turn
from ominix_core.errors import RequestError
from ominix_core.generation import ChatMessage, ChatRequest, CompletionRequest, TextRequest
from ominix_core.turns import places_of

# Stands at the end of what the assistant has begun to say, so that templates neither trim nor miss it.
_HERE = "[[goes-on-here-4be1]]"


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


def encode_text(tokenizer: Any, request: CompletionRequest) -> Prompt:
    """Raises RequestError for no text at all."""
    tokens = tokenizer.encode(request.prompt)
    if not tokens:
        raise RequestError("The prompt is empty.", "invalid_prompt")
    return Prompt(tokens)


def encode(tokenizer: Any, template: ChatTemplate, request: ChatRequest) -> Prompt:
    """Raises RequestError if the model has no chat template or its template cannot take the conversation."""
    if not tokenizer.has_chat_template:
        raise RequestError(
            "This model has no chat template: it is a base model, not made for conversations.", "no_chat_template"
        )
    if any(message.images for message in request.messages):
        raise RequestError("This model reads text only; it cannot look at images.", "images_not_supported")
    turns, options = laid_out(tokenizer, template, request)
    if request.prefill:
        tokens = tokenizer.encode(rendered(template, request, turns, options), add_special_tokens=False)
    else:  # in one step, because some tokenizers bring their own template and make no text of it
        with refusals_told():
            tokens = tokenizer.apply_chat_template(turns, add_generation_prompt=True, **options)
    return Prompt(tokens, opens_reasoning(tokenizer, tokens))


def chat_template(tokenizer: Any) -> ChatTemplate:
    """The template of mlx-lm's wrapper."""

    def render(turns: list[Turn], options: dict[str, Any]) -> str:
        return str(tokenizer.apply_chat_template(turns, tokenize=False, **{"add_generation_prompt": True, **options}))

    return ChatTemplate(render)


def opens_reasoning(tokenizer: Any, tokens: list[int]) -> bool:
    """Whether the prompt ends inside a thought."""
    return bool(tokenizer.has_thinking and tokenizer.rfind_think_start(tokens) > tokenizer.rfind_think_end(tokens))


def laid_out(tokenizer: Any, template: ChatTemplate, request: ChatRequest) -> tuple[list[Turn], dict[str, Any]]:
    """The turns as the template reads them, images as parts of them, and what it is given beside them.

    Raises RequestError for tools that the template has no place for.
    """
    if request.tools and not tokenizer.has_tool_calling:
        raise RequestError("This model cannot call tools: its chat template has no place for them.", "no_tool_calling")
    abilities = template.abilities(with_tools=bool(request.tools))
    messages = request.messages
    if request.prefill:
        begun = msgspec.structs.replace(messages[-1], content=messages[-1].content + _HERE)
        messages = [*messages[:-1], begun]
    turns = fitted(messages, abilities, goes_on=request.prefill)
    read = [_with_images(turn, as_template_reads_it(turn, abilities)) for turn in turns]
    options = {"tools": _tools(request, abilities) or None, **request.template_options}
    if request.grammar is not None or request.must_call or request.prefill:
        # A thought would come before the form that the answer must have, or what it begins with.
        options.setdefault("enable_thinking", False)
    if (effort := options.get("reasoning_effort")) in EFFORTS:
        options["reasoning_effort"] = abilities.nearest_effort(str(effort))
        if options["reasoning_effort"] is None:
            del options["reasoning_effort"]
    return read, options


def rendered(template: ChatTemplate, request: ChatRequest, turns: list[Turn], options: dict[str, Any]) -> str:
    """The prompt as text, which ends with the beginning of the answer. Raises RequestError."""
    if not request.prefill:
        with refusals_told():
            return template.render(turns, options)
    with refusals_told():
        text, here, _ = template.render(turns, options | {"add_generation_prompt": False}).rpartition(_HERE)
    begun = request.messages[-1].content.rpartition("</think>")[2].strip()
    if not here or not text.rstrip().endswith(begun):
        raise RequestError(
            "This model cannot continue what the assistant has begun to say: its chat template does not leave that "
            "text as it is. End the conversation with a user turn.",
            "invalid_conversation",
        )
    return text


def _tools(request: ChatRequest, abilities: TemplateAbilities) -> list[dict[str, Any]]:
    """The tools with all that templates look for in them."""
    tools = []
    for tool in request.tools:
        function = dict(tool["function"])
        function["parameters"] = {"type": "object", "properties": {}} | (function.get("parameters") or {})
        if not abilities.bare_tools:
            function.setdefault("description", "")
        tools.append({**tool, "function": function})
    return tools


def _with_images(turn: ChatMessage, read: Turn) -> Turn:
    if not turn.images:
        return read
    parts: list[Turn] = []
    ends = (*places_of(turn), len(turn.content))
    for number, (start, end) in enumerate(itertools.pairwise((0, *ends))):
        text = turn.content[start:end]
        if text := text.removeprefix("\n") if number else text:
            parts.append({"type": "text", "text": text})
        if number < len(turn.images):
            parts.append({"type": "image"})
    return {**read, "content": parts}


# What templates that are Python raise as well
_STUMBLES = (TypeError, ValueError, LookupError, AttributeError, AssertionError, NotImplementedError)


@contextlib.contextmanager
def refusals_told() -> Iterator[None]:
    """Raises RequestError with the template's reason for what it stumbles over."""
    import jinja2

    try:
        yield
    except (jinja2.TemplateError, *_STUMBLES) as error:
        reason = str(error).strip() or type(error).__name__
        raise RequestError(
            f"The model's chat template refuses this conversation: {reason}", "invalid_conversation"
        ) from error
