"""Plain text completions: https://platform.openai.com/docs/api-reference/completions."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from ominix_core.generation import CompletionRequest as HubCompletionRequest
from ominix_core.generation import TokenLogprob
from ominix_core.registry.entry import RegistryEntry
from ominix_core.server.schemas import hints
from ominix_core.server.schemas.base import ApiObject, Neutral, Text
from ominix_core.server.schemas.chat import StreamOptions
from ominix_core.server.schemas.chat_answers import Usage
from ominix_core.server.schemas.sampling import PenalizedRequest, repeated

Prompts = Annotated[
    list[Text],
    Field(min_length=1, max_length=128),
    BeforeValidator(lambda prompt: [prompt] if isinstance(prompt, str) else prompt, str | list[str]),
]


class CompletionRequest(PenalizedRequest):
    """Texts to continue as they stand, without a chat template."""

    neutral: ClassVar[Neutral] = hints.COMPLETION

    prompt: Prompts
    n: int = Field(1, ge=1, le=128)
    max_tokens: hints.Limit = 16
    logprobs: int | None = Field(default=None, ge=0, le=5)
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()

    def to_hub(self, entry: RegistryEntry) -> list[HubCompletionRequest]:
        """The hub's requests: `n` for the first prompt, then `n` for the next."""
        requests = [
            HubCompletionRequest(
                prompt=prompt,
                max_tokens=self.max_tokens,
                sampling=self.sampling(entry),
                stop=tuple(self.stop),
                logprobs=self.logprobs,
            )
            for prompt in self.prompt
        ]
        return [choice for request in requests for choice in repeated(request, self.n)]


class Logprobs(ApiObject):
    """The tokens of the text, each with its offset in it (characters)."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]
    text_offset: list[int]

    @classmethod
    def of(cls, entries: Sequence[TokenLogprob], offset: int = 0) -> Logprobs:
        lengths = [len(entry.token) for entry in entries]
        return cls(
            tokens=[entry.token for entry in entries],
            token_logprobs=[entry.logprob for entry in entries],
            top_logprobs=[{other.token: other.logprob for other in entry.top} for entry in entries],
            text_offset=list(itertools.accumulate(lengths, initial=offset))[:-1],
        )


class Choice(ApiObject):
    """One text. `finish_reason` is null in a stream until the end."""

    text: str
    index: int
    logprobs: Logprobs | None
    finish_reason: Literal["stop", "length"] | None


class Completion(ApiObject):
    """A continued text, or in a stream its next piece. `usage` is there in streams only if it was asked for."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: Usage | None = None
    system_fingerprint: str
