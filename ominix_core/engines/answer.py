"""From a model's tokens to the events of its answer: text, reasoning, tool calls, stop strings, log probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ominix_core.engines.tokens import detokenizer_for
from ominix_core.engines.tool_calls import CallReader
from ominix_core.generation import (
    ChatRequest,
    GenerationEvent,
    ReasoningDelta,
    TextDelta,
    TextRequest,
    TokenLogprob,
)


class Answer:
    """The answer of one request while its tokens arrive.

    Attributes:
        stop: The stop string that was reached; what follows it is not part of the answer.
        reasoning_tokens: How many tokens went into reasoning.
    """

    def __init__(self, tokenizer: Any, request: TextRequest, *, opens_reasoning: bool) -> None:
        from mlx_lm.generate import TextStateMachine, make_text_state_machine

        self.stop: str | None = None
        self.reasoning_tokens = 0
        self._tokenizer = tokenizer
        self._detokenizer = detokenizer_for(tokenizer, request)
        self._calls = CallReader(tokenizer, request)
        # Raw completions show whatever the model writes; conversations are split into sections.
        sections = make_text_state_machine(tokenizer) if isinstance(request, ChatRequest) else TextStateMachine()
        initial = "reasoning" if opens_reasoning else "normal"
        self._section = sections.make_state(tokenizer.response_initial_state or initial)
        stops: dict[Any, Any] = {("stop", text): [] for text in request.stop}
        stops["normal"] = [(text, ("stop", text)) for text in request.stop]
        self._stops = TextStateMachine(stops).make_state()
        self._pending_logprobs: list[TokenLogprob] = []

    @property
    def tool_calls(self) -> int:
        """How many calls the model has made."""
        return self._calls.made

    @property
    def complete(self) -> bool:
        """Whether nothing more may follow, although the model has not ended its turn."""
        return self.stop is not None or self._calls.full

    def add(self, token: int, logprob: TokenLogprob | None = None) -> Iterator[GenerationEvent]:
        """The events that this token completes."""
        if self._section[0] == "reasoning":
            self.reasoning_tokens += 1
        elif logprob is not None:
            self._pending_logprobs.append(logprob)
        self._detokenizer.add_token(token)
        yield from self._read(self._detokenizer.last_segment)

    def end(self) -> Iterator[GenerationEvent]:
        """What was held back, because it might have become a marker or half a character."""
        from mlx_lm.generate import TextStateMachine

        self._detokenizer.finalize()
        yield from self._read(self._detokenizer.last_segment)
        self._section, held, name = TextStateMachine.flush(self._section)
        yield from self._write(name, held)
        yield from self._close_calls("")
        if self.stop is None:
            self._stops, held, _ = TextStateMachine.flush(self._stops)
            yield from self._emit(held)
        if self._pending_logprobs:
            yield self._text("")

    def _read(self, text: str) -> Iterator[GenerationEvent]:
        from mlx_lm.generate import TextStateMachine

        if not text or self.complete:
            return
        self._section, parts = TextStateMachine.split(self._section, text)
        for index, (name, part) in enumerate(parts):
            if index:
                yield from self._close_calls(self._tokenizer.tool_call_end or "")
            yield from self._write(name, part)

    def _write(self, section: str, text: str) -> Iterable[GenerationEvent]:
        from mlx_lm.generate import TextStateMachine

        if not text or self.complete:
            return
        if section == "reasoning":
            yield ReasoningDelta(text)
        elif section == "tool":
            yield from self._calls.add(text)
        else:
            self._stops, parts = TextStateMachine.split(self._stops, text)
            if parts[-1][0] != "normal":
                _, self.stop = parts[-1][0]
            yield from self._emit("".join(part for name, part in parts if name == "normal"))

    def _emit(self, text: str) -> Iterator[TextDelta]:
        if text:
            yield self._text(text)

    def _text(self, text: str) -> TextDelta:
        logprobs, self._pending_logprobs = tuple(self._pending_logprobs), []
        return TextDelta(text, logprobs)

    def _close_calls(self, mark: str) -> Iterator[GenerationEvent]:
        try:
            yield from self._calls.close()
        except ValueError as no_call:  # nothing is lost: what is no call is text
            yield self._text(f"{self._tokenizer.tool_call_start}{no_call}{mark}")
