"""The forms in which models write calls, and how each is known from a chat template."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ominix_core.engines.output.calls import Calls, CallSection
from ominix_core.engines.output.json_calls import Head, JsonCalls
from ominix_core.engines.output.literal_calls import (
    GEMMA_BEGINS,
    PYTHON_BEGINS,
    Parsed,
    QuotedCalls,
    foreign_parser,
    gemma_parser,
    parse_python,
)
from ominix_core.engines.output.tagged_calls import TaggedCalls, Tags


@dataclass(frozen=True)
class Form:
    """A way to write calls.

    Attributes:
        start: The marker that opens them.
        end: The marker that closes them; "" where there is none.
        read: Makes what reads them. What it reads begins with the marker if `with_start`.
        bare: Whether an answer that begins with a bracket is a call without the marker.
        inner: What opens a call of an offered function too, since models forget the marker before it.
    """

    start: str
    end: str
    read: Callable[[Calls], CallSection]
    with_start: bool = False
    bare: bool = False
    inner: str = ""

    @property
    def openings(self) -> tuple[str, ...]:
        return (self.start, self.inner) if self.inner else (self.start,)

    def section(self, calls: Calls, first: str) -> tuple[CallSection, bool]:
        """What reads a section with this first character, and whether the marker is read with it.

        Models write JSON between the markers of another form, and tags between those of JSON.
        """
        if self.with_start and self.end and first in "{[":
            return JsonCalls(calls, (self.end,)), False
        form = FORMS["qwen3_coder"] if self is FORMS["json_tools"] and first == "<" else self
        return form.read(calls), form.with_start


def _json(start: str, end: str, *, skipped: tuple[str, ...] = (), head: Head | None = None, bare: bool = False) -> Form:
    ends = (end,) if end else ()
    return Form(start, end, lambda calls: JsonCalls(calls, ends, skipped=skipped, head=head), bare=bare)


def _head(name: str, part: str) -> Head:
    return Head(re.compile(name), re.compile(part, re.DOTALL))


def _tagged(start: str, end: str, pattern: str, *, inner: str = "", **more: Any) -> Form:
    tags = Tags(re.compile(pattern), **more)
    return Form(start, end, lambda calls: TaggedCalls(calls, tags), with_start=True, inner=inner)


def _quoted(start: str, end: str, begins: re.Pattern[str], parse: Callable[[str], Parsed], *quotes: str) -> Form:
    escapes = quotes[0] == '"'
    return Form(
        start, end, lambda calls: QuotedCalls(calls, end, parse=parse, quotes=quotes, escapes=escapes, begins=begins)
    )


def _function_tags(begin: str, end: str) -> str:
    return (
        rf"(?P<B>{begin})|(?P<b>{end})"
        r"|(?P<C><function=(?P<name>[^<>\n]+)>)|(?P<c></function>)"
        r"|(?P<P><parameter=(?P<key>[^<>\n]+)>)|(?P<p></parameter>)"
    )


def _invoke_tags(prefix: str, block: str) -> str:
    attribute = r'\s+name\s*=\s*["\']?(?P<{}>[^<>"\'\n]+)["\']?'
    return (
        rf"(?P<B><{block}>)|(?P<b></{block}>)"
        rf"|(?P<C><{prefix}invoke{attribute.format('name')}\s*>)|(?P<c></{prefix}invoke>)"
        rf'|(?P<P><{prefix}parameter{attribute.format("key")}(?:\s+string="(?P<text>\w+)")?[^<>\n]*>)'
        rf"|(?P<p></{prefix}parameter>)"
    )


def _key_tags(prefix: str) -> str:
    return (
        rf"(?P<B><{prefix}tool_call>)|(?P<b></{prefix}tool_call>)"
        rf"|(?P<K><{prefix}arg_key>)|(?P<k></{prefix}arg_key>)"
        rf"|(?P<P><{prefix}arg_value>)|(?P<p></{prefix}arg_value>)"
    )


_PARAM_TAGS = (
    r'(?P<C><function\s+name\s*=\s*["\']?(?P<name>[^<>"\'\n]+)["\']?\s*>)|(?P<c></function>)'
    r'|(?P<P><param\s+name\s*=\s*["\']?(?P<key>[^<>"\'\n]+)["\']?\s*>)|(?P<p></param>)'
)
_XTML_TAGS = (
    r"(?P<B><\|open\|>tools<\|sep\|>)|(?P<b><\|close\|>tools<\|sep\|>)"
    r'|(?P<C><\|open\|>call\s[^<]*?tool="(?P<name>[^"<]+)"[^<]*<\|sep\|>)|(?P<c><\|close\|>call<\|sep\|>)'
    r'|(?P<P><\|open\|>(?:argument\s+key="(?P<key>[^"<]+)"|json)(?:\s+type="(?P<text>\w+)")?[^<]*<\|sep\|>)'
    r"|(?P<p><\|close\|>(?:argument|json)<\|sep\|>)"
)
_MISTRAL_HEAD = _head(
    r"(?P<name>[\w.-]+)\s*(?:\[CALL_ID\]\s*(?P<id>[\w-]+)\s*)?(?:\[ARGS\]|(?=\{))",
    r"[\w.-]*\s*(?:\[(?:[A-Z_]*|CALL_ID\]\s*[\w-]*\s*(?:\[[A-Z_]*)?))?",
)
_KIMI_HEAD = _head(
    r"<\|tool_call_begin\|>\s*(?P<id>(?:functions\.)?(?P<name>[^\s<{]+?)(?::\d+)?)\s*<\|tool_call_argument_begin\|>",
    r"<(?:\|\w*(?:\|(?:>[^{]{0,200})?)?)?",
)
_DEEPSEEK_HEAD = _head(
    r"<｜tool▁call▁begin｜>(?:function<｜tool▁sep｜>|(?!function<))\s*(?P<name>[^\s<{]+)\s*(?:<｜tool▁sep｜>|```json)(?P<id>)",
    r"<(?:｜[\w▁]*(?:｜(?:>[^{]{0,200})?)?)?",
)
_TOOL_CALL = "<tool_call>", "</tool_call>"

FORMS: dict[str, Form] = {
    "json_tools": _json(*_TOOL_CALL),
    "qwen3_coder": _tagged(*_TOOL_CALL, _function_tags(*_TOOL_CALL), inner="<function="),
    "glm47": _tagged(*_TOOL_CALL, _key_tags(""), guess=True, named_by_text=True),
    "longcat": _tagged(
        "<longcat_tool_call>", "</longcat_tool_call>", _key_tags("longcat_"), guess=True, named_by_text=True
    ),
    "seed": _tagged("<seed:tool_call>", "</seed:tool_call>", _function_tags("<seed:tool_call>", "</seed:tool_call>")),
    "minimax_m2": _tagged(
        "<minimax:tool_call>", "</minimax:tool_call>", _invoke_tags("", "minimax:tool_call"), guess=True
    ),
    "muse_spark": _tagged(
        "<atem:function_calls>", "</atem:function_calls>", _invoke_tags("atem:", "atem:function_calls"), guess=True
    ),
    "deepseek_v32": _tagged(
        "<｜DSML｜function_calls>", "</｜DSML｜function_calls>", _invoke_tags("｜DSML｜", "｜DSML｜function_calls")
    ),
    "minicpm5": _tagged("<function name=", "</function>", _PARAM_TAGS, guess=True, wrapped=False),
    "kimi_k3": _tagged(
        "<|open|>tools<|sep|>",
        "<|close|>tools<|sep|>",
        _XTML_TAGS,
        opens=("<|open|>", "<|close|>"),
        closes="<|sep|>",
        guess=True,
    ),
    "kimi_k2": _json(
        "<|tool_calls_section_begin|>", "<|tool_calls_section_end|>", skipped=("<|tool_call_end|>",), head=_KIMI_HEAD
    ),
    "deepseek": _json(
        "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", skipped=("<｜tool▁call▁end｜>", "```"), head=_DEEPSEEK_HEAD
    ),
    "mistral": _json("[TOOL_CALLS]", "", skipped=("[TOOL_CALLS]",), head=_MISTRAL_HEAD),
    "cohere": _json("<|START_ACTION|>", "<|END_ACTION|>"),
    "nemotron": _json("<TOOLCALL>", "</TOOLCALL>"),
    "phi4": _json("<|tool_call|>", "<|/tool_call|>"),
    "llama3": _json("<|python_tag|>", "", skipped=("<|python_tag|>", "<|eom_id|>", "<|eot_id|>"), bare=True),
    "llama4": _json("<|python_start|>", "<|python_end|>", bare=True),
    "pythonic": _quoted("<|tool_call_start|>", "<|tool_call_end|>", PYTHON_BEGINS, parse_python, '"', "'"),
    "gemma4": _quoted("<|tool_call>", "<tool_call|>", GEMMA_BEGINS, gemma_parser('<|"|>'), '<|"|>'),
    "function_gemma": _quoted(
        "<start_function_call>", "<end_function_call>", GEMMA_BEGINS, gemma_parser("<escape>"), "<escape>"
    ),
}
FORMS["laguna"] = FORMS["glm47"]

# What a chat template that teaches a form has in it; the first that fits counts.
_SIGNS: list[tuple[str, tuple[str, ...]]] = [
    ("minimax_m2", ("<minimax:tool_call>",)),
    ("gemma4", ("<|tool_call>", "<tool_call|>")),
    ("function_gemma", ("<start_function_call>",)),
    ("longcat", ("<longcat_tool_call>",)),
    ("seed", ("<seed:tool_call>",)),
    ("glm47", ("<arg_key>",)),
    ("pythonic", ("<|tool_list_start|>",)),
    ("pythonic", ("<|tool_call_start|>",)),
    ("qwen3_coder", ("<tool_call>", "<function=")),
    ("kimi_k2", ("<|tool_calls_section_begin|>",)),
    ("deepseek", ("<｜tool▁calls▁begin｜>",)),
    ("minicpm5", ('<function name="', '<param name="')),
    ("mistral", ("[TOOL_CALLS]",)),
    ("muse_spark", ("<atem:function_calls>",)),
    ("cohere", ("<|START_ACTION|>",)),
    ("nemotron", ("<TOOLCALL>",)),
    ("phi4", ("<|tool_call|>", "<|/tool_call|>")),
    ("json_tools", ("<tool_call>",)),
    ("llama3", ("<|start_header_id|>", '"parameters"', "tools")),
    ("llama4", ("<|header_start|>", '"parameters"', "tools")),
]


def form_of(tokenizer: Any, template: str) -> Form | None:
    """The form in which a model writes calls; None if it was not taught any.

    Args:
        tokenizer: mlx-lm's wrapper.
        template: The text of the chat template, or of all of them.
    """
    parse = tokenizer.tool_parser
    name = parse.__module__.rpartition(".")[2] if parse is not None else ""
    if name in FORMS:
        return FORMS[name]
    if parse is not None:
        start, end = tokenizer.tool_call_start, tokenizer.tool_call_end
        return Form(start, end, lambda calls: QuotedCalls(calls, end, parse=foreign_parser(parse, calls.tools)))
    found = next((form for form, signs in _SIGNS if all(sign in template for sign in signs)), None)
    return FORMS[found] if found else None
