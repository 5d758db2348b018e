"""The markers that a model writes around its thoughts, messages and calls, as its tokenizer and template show."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ominix_core.engines.output.forms import Form, form_of

# Ends of a prompt are looked at for the marker of a thought that the template has opened, this far back in tokens.
_LOOK_BACK = 32


@dataclass(frozen=True)
class Thinking:
    """How a thought begins and ends.

    Attributes:
        anywhere: Whether the markers are control tokens, which nobody writes in a text; else a thought can only begin
            where nothing but thoughts and calls stands before it.
    """

    start: str
    end: str
    anywhere: bool = False


@dataclass(frozen=True)
class Channels:
    """How an answer is cut into messages, each with a header.

    Attributes:
        starts: What begins a header within an answer.
        ends: What ends a message.
        finals: What ends the answer.
        thoughts: The channels or recipients of thoughts.
        named_calls: Whether a recipient names the function whose arguments the message is.
    """

    starts: tuple[str, ...]
    ends: tuple[str, ...]
    finals: tuple[str, ...]
    thoughts: frozenset[str]
    named_calls: bool


HARMONY = Channels(
    starts=("<|start|>", "<|channel|>"),
    ends=("<|end|>",),
    finals=("<|call|>", "<|return|>"),
    thoughts=frozenset(["analysis"]),
    named_calls=True,
)
MUSE = Channels(
    starts=("<|start|>",), ends=("<|eom|>",), finals=("<|eot|>",), thoughts=frozenset(["self"]), named_calls=False
)

_THINKING = (
    Thinking("<think>", "</think>"),
    Thinking("<longcat_think>", "</longcat_think>"),
    Thinking("<seed:think>", "</seed:think>"),
    Thinking("[THINK]", "[/THINK]"),
    Thinking("<|think:start|>", "<|think:end|>", anywhere=True),
    Thinking("<|START_THINKING|>", "<|END_THINKING|>", anywhere=True),
    Thinking("<|inner_prefix|>", "<|inner_suffix|>", anywhere=True),
)
_GEMMA_THINKING = Thinking("<|channel>thought", "<channel|>", anywhere=True)
_XTML_THINKING = Thinking("<|open|>think<|sep|>", "<|close|>think<|sep|>", anywhere=True)
_FRAMES = ("<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|START_TEXT|>", "<|END_TEXT|>")
_XTML_FRAMES = ("<|open|>response<|sep|>", "<|close|>response<|sep|>", "<|close|>message<|sep|>")


@dataclass(frozen=True)
class Markup:
    """The markers of one model.

    Attributes:
        form: How it writes calls, if it can.
        frames: Markers around its text that are no part of it.
        thought_tokens: The tokens that begin and end a thought; both empty if it does not think.
    """

    thinking: Thinking | None = None
    form: Form | None = None
    channels: Channels | None = None
    frames: tuple[str, ...] = ()
    thought_tokens: tuple[tuple[int, ...], tuple[int, ...]] = field(default=((), ()))

    @property
    def can_call(self) -> bool:
        """Whether the model was taught to call tools."""
        return self.form is not None or self.channels is HARMONY


_known: weakref.WeakKeyDictionary[Any, Markup] = weakref.WeakKeyDictionary()


def markup_of(tokenizer: Any) -> Markup:
    """The markers of the model of this tokenizer, which is mlx-lm's wrapper; looked up once."""
    if (markup := _known.get(tokenizer)) is None:
        markup = _known[tokenizer] = _find(tokenizer)
    return markup


def _find(tokenizer: Any) -> Markup:
    vocabulary, template = tokenizer.get_vocab(), _template_text(tokenizer)
    channels = _channels(tokenizer, vocabulary, template)
    if channels is HARMONY:
        begin, end = "<|channel|>analysis<|message|>", "<|end|>"
        return Markup(channels=channels, thought_tokens=(_tokens(tokenizer, begin), _tokens(tokenizer, end)))
    is_xtml = all(token in vocabulary for token in ("<|open|>", "<|close|>", "<|sep|>", "<|end_of_msg|>"))
    thinking = _XTML_THINKING if is_xtml else _thinking(lambda marker: marker in vocabulary)
    thought_tokens: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    if thinking is not None:
        thought_tokens = _tokens(tokenizer, thinking.start), _tokens(tokenizer, thinking.end)
    frames = _XTML_FRAMES if is_xtml else tuple(frame for frame in _FRAMES if frame in vocabulary)
    return Markup(thinking, form_of(tokenizer, template), channels, frames, thought_tokens)


def _thinking(known: Callable[[str], bool]) -> Thinking | None:
    if known("<|channel>") and known("<channel|>"):
        return _GEMMA_THINKING
    return next((each for each in _THINKING if known(each.start) and known(each.end)), None)


def _channels(tokenizer: Any, vocabulary: dict[str, int], template: str) -> Channels | None:
    if tokenizer.response_initial_state == "header":
        return MUSE
    if tokenizer.tool_parser is not None:
        return None
    in_vocabulary = all(token in vocabulary for token in ("<|start|>", "<|channel|>", "<|message|>"))
    in_template = all(token in template for token in ("<|start|>", "<|message|>", "<|end|>"))
    return HARMONY if in_vocabulary or in_template else None


def _template_text(tokenizer: Any) -> str:
    template = tokenizer.chat_template
    return "\n".join(template.values()) if isinstance(template, dict) else template or ""


def _tokens(tokenizer: Any, text: str) -> tuple[int, ...]:
    return tuple(tokenizer.encode(text, add_special_tokens=False))


def opens_thought(tokenizer: Any, tokens: list[int]) -> bool:
    """Whether the template has opened a thought at the end of a prompt, for the model to go on with it."""
    begin, end = markup_of(tokenizer).thought_tokens
    if not begin or markup_of(tokenizer).channels is not None:
        return False
    latest = tokens[-_LOOK_BACK:]
    for place in range(len(latest) - len(begin), -1, -1):
        if tuple(latest[place : place + len(end)]) == end:
            return False
        if tuple(latest[place : place + len(begin)]) == begin:
            return not tokenizer.decode(latest[place + len(begin) :]).strip()
    return False
