"""What requests may hold beside what models here are told: one table of parameters for all the APIs of text.

A parameter that is at `ANY` is taken whatever its value: a hint, or a note for somebody's books, that changes nothing
of the answer. One with values is taken at these, which ask for nothing, and refused by its name at others, because
the answer would have to be another one. `()` is what is only known by its name. Null asks for nothing everywhere.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from ominix_core.server.schemas.base import Count, Neutral


class _Any(tuple[Any, ...]):
    def __contains__(self, value: object) -> bool:
        return True


ANY = _Any()
_ONLY_NULL: tuple[Any, ...] = ()


def _unless_off(value: Any) -> Any:
    return None if value == -1 and not isinstance(value, bool) else value


Limit = Annotated[Count | None, BeforeValidator(_unless_off)]
"""How long an answer may get; -1, as many local servers have it, and null are as long as the context allows."""

_CACHE_HINTS: Neutral = {"prompt_cache_options": ANY, "prompt_cache_retention": ANY}

PART: Neutral = {"cache_control": ANY, "prompt_cache_breakpoint": ANY}

CHAT: Neutral = {
    **_CACHE_HINTS,
    "add_generation_prompt": (True, False),  # vLLM's clients send it with continue_final_message
    "audio": _ONLY_NULL,
    "cache_control": ANY,
    "function_call": ("none",),
    "functions": ([],),
    "metadata": ANY,
    "modalities": (["text"],),
    "moderation": _ONLY_NULL,
    "prediction": ANY,
    "prompt_cache_key": ANY,
    "safety_identifier": ANY,
    "service_tier": ANY,
    "store": ANY,
    "user": ANY,
    "verbosity": ANY,
    "web_search_options": _ONLY_NULL,
}
CHAT_MESSAGE: Neutral = {
    "annotations": ANY,
    "audio": _ONLY_NULL,
    "cache_control": ANY,
    "function_call": _ONLY_NULL,
    "reasoning_details": ANY,
    "tool_call_chunks": ANY,
}
CHAT_TOOL: Neutral = {"cache_control": ANY}
CHAT_STREAM: Neutral = {"include_obfuscation": ANY}

COMPLETION: Neutral = {"best_of": (1,), "echo": (False,), "suffix": ("",), "user": ANY}

RESPONSE_INPUT: Neutral = {
    "client_metadata": ANY,
    "conversation": _ONLY_NULL,
    "personality": _ONLY_NULL,
    "truncation": ("disabled",),
}
RESPONSE: Neutral = {
    **RESPONSE_INPUT,
    **_CACHE_HINTS,
    "background": (False,),
    "context_management": _ONLY_NULL,
    "max_tool_calls": _ONLY_NULL,
    "moderation": _ONLY_NULL,
    "prompt": _ONLY_NULL,
    "prompt_cache_key": ANY,
    "safety_identifier": ANY,
    "service_tier": ANY,
    "stream_options": ({}, {"include_obfuscation": False}, {"include_obfuscation": True}),
}
# What create takes is taken where it is only counted, though it counts for nothing.
RESPONSE_COUNT: Neutral = {
    **RESPONSE,
    **dict.fromkeys(("include", "max_output_tokens", "metadata", "store", "stream", "top_logprobs", "user"), ANY),
    **dict.fromkeys(("min_p", "repetition_penalty", "temperature", "top_k", "top_p"), ANY),
}
RESPONSE_MESSAGE: Neutral = {"phase": ANY}
RESPONSE_TEXT: Neutral = {"annotations": ANY, "logprobs": ANY, "prompt_cache_breakpoint": ANY}
RESPONSE_CALL: Neutral = {"caller": _ONLY_NULL, "namespace": _ONLY_NULL}
RESPONSE_OUTPUT: Neutral = {"caller": _ONLY_NULL, "namespace": _ONLY_NULL, "name": ANY}
RESPONSE_FORMAT: Neutral = {"verbosity": ANY}
REASONING: Neutral = {"summary": ANY, "generate_summary": ANY, "mode": _ONLY_NULL, "context": ("auto",)}

MESSAGE: Neutral = {
    "cache_control": ANY,
    "container": _ONLY_NULL,
    "context_management": _ONLY_NULL,
    "inference_geo": _ONLY_NULL,
    "mcp_servers": ([],),
    "metadata": ANY,
    "output_format": _ONLY_NULL,
    "service_tier": ANY,
    "speed": ("standard",),
    "user_profile_id": ANY,
}
MESSAGE_COUNT: Neutral = {**MESSAGE, **dict.fromkeys(("max_tokens", "stop_sequences", "stream"), ANY)}
BLOCK: Neutral = {"cache_control": ANY}
TEXT_BLOCK: Neutral = {**BLOCK, "citations": ANY}
TOOL_USE_BLOCK: Neutral = {**BLOCK, "caller": _ONLY_NULL}
DOCUMENT_BLOCK: Neutral = {**BLOCK, "citations": ({"enabled": False},)}
TOOL: Neutral = {
    **BLOCK,
    "type": ("custom",),
    "defer_loading": (False,),
    "eager_input_streaming": ANY,
    "input_examples": ANY,
    "allowed_callers": (["direct"],),
}
