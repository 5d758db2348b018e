"""The sum of an answer's events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ominix_core.generation import (
    Finished,
    GenerationEvent,
    ReasoningDelta,
    TextDelta,
    TokenLogprob,
    ToolCall,
    ToolCalled,
    Usage,
)


@dataclass(frozen=True)
class Answer:
    """A whole answer of a language model."""

    text: str
    reasoning: str
    tool_calls: list[ToolCall]
    logprobs: list[TokenLogprob]
    finished: Finished

    @classmethod
    def of(cls, events: Sequence[GenerationEvent]) -> Answer:
        texts = [event for event in events if isinstance(event, TextDelta)]
        (finished,) = (event for event in events if isinstance(event, Finished))
        return cls(
            text="".join(event.text for event in texts),
            reasoning="".join(event.text for event in events if isinstance(event, ReasoningDelta)),
            tool_calls=[event.call for event in events if isinstance(event, ToolCalled)],
            logprobs=[entry for event in texts for entry in event.logprobs],
            finished=finished,
        )


def usage_of_all(usages: Sequence[Usage], choices: int) -> Usage:
    """What a request cost whose every prompt was answered `choices` times; a prompt counts once."""
    prompts = usages[::choices]
    return Usage(
        prompt_tokens=sum(usage.prompt_tokens for usage in prompts),
        completion_tokens=sum(usage.completion_tokens for usage in usages),
        cached_tokens=sum(usage.cached_tokens for usage in prompts),
        reasoning_tokens=sum(usage.reasoning_tokens for usage in usages),
    )
