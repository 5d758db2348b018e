"""From a model's tokens to the events of its answer: text, reasoning, tool calls, stop strings, log probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ominix_core.engines.output.markup import Markup, markup_of
from ominix_core.engines.output.parser import OutputParser
from ominix_core.engines.output.scan import Markers
from ominix_core.engines.tokens import detokenizer_for
from ominix_core.generation import ChatRequest, GenerationEvent, TextDelta, TextRequest, TokenLogprob


class Answer:
    """The answer of one request while its tokens arrive.

    Attributes:
        stop: The stop string that was reached; what follows it is not part of the answer.
        reasoning_tokens: How many tokens went into reasoning.
    """

    def __init__(self, tokenizer: Any, request: TextRequest, *, opens_reasoning: bool) -> None:
        self.stop: str | None = None
        self.reasoning_tokens = 0
        self._detokenizer = detokenizer_for(tokenizer, request)
        # Raw completions show whatever the model writes; conversations are split into sections.
        markup = markup_of(tokenizer) if isinstance(request, ChatRequest) else Markup()
        self._parser = OutputParser(markup, request, in_thought=opens_reasoning)
        self._stops = [stop for stop in request.stop if stop]
        self._stop_marks = Markers(request.stop)
        self._held = ""  # text that may become a stop string
        self._pending_logprobs: list[TokenLogprob] = []

    @property
    def tool_calls(self) -> int:
        """How many calls the model has made."""
        return self._parser.calls.made

    @property
    def complete(self) -> bool:
        """Whether nothing more may follow, although the model has not ended its turn."""
        return self.stop is not None or self._parser.complete

    def add(self, token: int, logprob: TokenLogprob | None = None) -> Iterator[GenerationEvent]:
        """The events that this token completes."""
        if self._parser.thinking:
            self.reasoning_tokens += 1
        elif logprob is not None and not self._parser.in_header:
            self._pending_logprobs.append(logprob)
        self._detokenizer.add_token(token)
        yield from self._pass(self._parser.feed(self._detokenizer.last_segment))

    def end(self, *, cut: bool = False) -> Iterator[GenerationEvent]:
        """What was held back, because it might have become a marker or half a character.

        Args:
            cut: Whether the answer has reached its limit, so that the model had more to say.
        """
        self._detokenizer.finalize()
        yield from self._pass(self._parser.feed(self._detokenizer.last_segment))
        yield from self._pass(self._parser.end(cut=cut))
        yield from self._let_go()
        if self._pending_logprobs:
            yield self._text("")

    def _pass(self, events: Iterator[GenerationEvent]) -> Iterator[GenerationEvent]:
        """The same events, their text up to a stop string; stop strings in thoughts and calls stop nothing."""
        for event in events:
            if self.stop is not None:
                return
            if isinstance(event, TextDelta):
                yield from self._until_stop(self._held + event.text)
            else:
                yield from self._let_go()
                yield event

    def _until_stop(self, text: str) -> Iterator[TextDelta]:
        found = [(place + len(stop), place, stop) for stop in self._stops if (place := text.find(stop)) >= 0]
        if found:
            _, end, self.stop = min(found)
            self._held = ""
        else:
            end = len(text) - self._stop_marks.held(text)
            self._held = text[end:]
        if end:
            yield self._text(text[:end])

    def _let_go(self) -> Iterator[TextDelta]:
        held, self._held = self._held, ""
        if held:
            yield self._text(held)

    def _text(self, text: str) -> TextDelta:
        logprobs, self._pending_logprobs = tuple(self._pending_logprobs), []
        return TextDelta(text, logprobs)
