"""Short forms for the tests that talk to a model."""

from __future__ import annotations

from collections.abc import Iterable

from ominix_core.generation import ChatMessage, ChatRequest, Failed, Finished, GenerationEvent, Sampling, TextDelta

GREEDY = Sampling(temperature=0)


def ask(text: str, max_tokens: int = 16, sampling: Sampling = GREEDY) -> ChatRequest:
    """A conversation of one user turn."""
    return ChatRequest(messages=[ChatMessage("user", text)], max_tokens=max_tokens, sampling=sampling)


def collect(events: Iterable[GenerationEvent]) -> tuple[str, Finished | Failed]:
    """The whole text and the last event."""
    text = ""
    for event in events:
        if isinstance(event, TextDelta):
            text += event.text
        elif isinstance(event, Finished | Failed):
            return text, event
    raise AssertionError("the stream ended without a last event")
