"""What a model writes, read in pieces of any size: thoughts, text, channels and calls in every form."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ominix_core.engines.output.forms import FORMS
from ominix_core.engines.output.markup import HARMONY, MUSE, Markup, Thinking
from ominix_core.engines.output.parser import OutputParser
from ominix_core.generation import (
    ChatMessage,
    ChatRequest,
    GenerationEvent,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCalled,
    ToolCallStarted,
)

TYPES = {"path": "string", "text": "string", "n": "integer", "ok": "boolean", "o": "object"}
PROPERTIES = {name: {"type": kind} for name, kind in TYPES.items()}
PUT: dict[str, Any] = {
    "type": "function",
    "function": {"name": "put", "parameters": {"type": "object", "properties": PROPERTIES}},
}
THINK = Thinking("<think>", "</think>")

Told = tuple[str, str, list[tuple[str, Any]]]


def markup(form: str) -> Markup:
    if form == "harmony":
        return Markup(channels=HARMONY)
    return Markup(THINK, FORMS[form], MUSE if form == "muse_spark" else None)


def read(form: str, pieces: Sequence[str], *, cut: bool = False, **wanted: Any) -> list[GenerationEvent]:
    parser = OutputParser(
        markup(form), ChatRequest(**{"messages": [ChatMessage("user", "?")], "tools": [PUT], **wanted})
    )
    return [*(event for piece in pieces for event in parser.feed(piece)), *parser.end(cut=cut)]


def told(events: list[GenerationEvent]) -> tuple[str, str, list[tuple[str, str]]]:
    """The text, the thoughts and the calls; what was told of a call on the way must be the same."""
    calls = [event for event in events if isinstance(event, ToolCalled)]
    for index, called in enumerate(calls):
        assert called.index == index
        (started,) = (event for event in events if isinstance(event, ToolCallStarted) and event.index == index)
        assert (started.id, started.name) == (called.call.id, called.call.name)
        deltas = [event.arguments for event in events if isinstance(event, ToolCallDelta) and event.index == index]
        assert "".join(deltas) == called.call.arguments
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    thoughts = "".join(event.text for event in events if isinstance(event, ReasoningDelta))
    return text, thoughts, [(called.call.name, called.call.arguments) for called in calls]


def means(form: str, text: str, *, cut: bool = False, **wanted: Any) -> Told:
    """What the answer tells, whole and character by character alike."""
    whole = told(read(form, [text], cut=cut, **wanted))
    assert told(read(form, list(text), cut=cut, **wanted)) == whole
    calls = [(name, arguments if cut else json.loads(arguments)) for name, arguments in whole[2]]
    return whole[0], whole[1], calls


def put(**arguments: Any) -> tuple[str, dict[str, Any]]:
    return "put", arguments


def hermes(*calls: str) -> str:
    return "".join(f"<tool_call>\n{call}\n</tool_call>" for call in calls)


CALL = hermes('{"name": "put", "arguments": {}}')


def coder(*parts: str) -> str:
    return f"<tool_call>\n<function=put>\n{''.join(parts)}</function>\n</tool_call>"


def parameter(key: str, value: str) -> str:
    return f"<parameter={key}>\n{value}\n</parameter>\n"


def glm(*pairs: tuple[str, str]) -> str:
    body = "".join(f"\n<arg_key>{key}</arg_key>\n<arg_value>{value}</arg_value>" for key, value in pairs)
    return f"<tool_call>put{body}\n</tool_call>"


WHOLE = [  # every form, as its template writes it
    ("json_tools", hermes('{"name": "put", "arguments": {"path": "a", "n": 1}}'), [put(path="a", n=1)]),
    ("qwen3_coder", coder(parameter("path", "a"), parameter("n", "1")), [put(path="a", n=1)]),
    ("glm47", glm(("path", "a"), ("n", "1")) + "\n" + glm(), [put(path="a", n=1), put()]),
    (
        "longcat",
        "<longcat_tool_call>put\n<longcat_arg_key>n</longcat_arg_key>\n<longcat_arg_value>1</longcat_arg_value>\n"
        "</longcat_tool_call>",
        [put(n=1)],
    ),
    (
        "seed",
        "<seed:tool_call>\n<function=put>\n<parameter=path>a</parameter>\n</function>\n</seed:tool_call>",
        [put(path="a")],
    ),
    (
        "minimax_m2",
        '<minimax:tool_call>\n<invoke name="put">\n<parameter name="path">a</parameter>\n</invoke>\n'
        '<invoke name="put">\n<parameter name="n">1</parameter>\n</invoke>\n</minimax:tool_call>',
        [put(path="a"), put(n=1)],
    ),
    (
        "muse_spark",
        ' to=self<|message|>Hm.<|eom|><|start|>assistant to=put<|message|><atem:function_calls><atem:invoke name="put">'
        '<atem:parameter name="path">a</atem:parameter></atem:invoke></atem:function_calls><|eom|>',
        [put(path="a")],
    ),
    (
        "deepseek_v32",
        '<｜DSML｜function_calls>\n<｜DSML｜invoke name="put">\n<｜DSML｜parameter name="path" string="true">5'
        '</｜DSML｜parameter>\n<｜DSML｜parameter name="n" string="false">5</｜DSML｜parameter>\n</｜DSML｜invoke>\n'
        "</｜DSML｜function_calls>",
        [put(path="5", n=5)],
    ),
    (
        "minicpm5",
        '<function name="put"><param name="text"><![CDATA[<a>\n]]></param></function>\n'
        '<function name="put"><param name="n">1</param></function>',
        [put(text="<a>\n"), put(n=1)],
    ),
    (
        "kimi_k3",
        '<|open|>tools<|sep|><|open|>call tool="put" index="1"<|sep|><|open|>argument key="path" type="string"<|sep|>a'
        '<|close|>argument<|sep|><|close|>call<|sep|><|open|>call tool="put" index="2"<|sep|><|open|>json '
        'type="object"<|sep|>{"n": 1}<|close|>json<|sep|><|close|>call<|sep|><|close|>tools<|sep|>',
        [put(path="a"), put(n=1)],
    ),
    (
        "kimi_k2",
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.put:0<|tool_call_argument_begin|>"
        '{"path": "<|tool_call_end|>"}<|tool_call_end|><|tool_call_begin|>functions.put:1<|tool_call_argument_begin|>'
        '{"n": 1}<|tool_call_end|><|tool_calls_section_end|>',
        [put(path="<|tool_call_end|>"), put(n=1)],
    ),
    (
        "deepseek",
        '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>put\n```json\n{"path": "a"}\n```'
        "<｜tool▁call▁end｜>\n"
        '<｜tool▁call▁begin｜>put<｜tool▁sep｜>{"n": 1}<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
        [put(path="a"), put(n=1)],
    ),
    ("mistral", '[TOOL_CALLS]put{"path": "a"}[TOOL_CALLS]put {}', [put(path="a"), put()]),
    ("mistral", '[TOOL_CALLS]put[ARGS]{"path": "a"}[TOOL_CALLS]put[CALL_ID]x1[ARGS]{}', [put(path="a"), put()]),
    ("mistral", '[TOOL_CALLS] [{"name": "put", "arguments": {"path": "a"}}]', [put(path="a")]),
    (
        "cohere",
        '<|START_ACTION|>[\n{"tool_call_id": "0", "tool_name": "put", "parameters": {"path": "a"}}\n]<|END_ACTION|>',
        [put(path="a")],
    ),
    ("nemotron", '<TOOLCALL>[{"name": "put", "arguments": {"path": "a"}}]</TOOLCALL>', [put(path="a")]),
    ("phi4", '<|tool_call|>[{"name": "put", "arguments": {"path": "a"}}]<|/tool_call|>', [put(path="a")]),
    ("llama3", '{"name": "put", "parameters": {"path": "a"}}', [put(path="a")]),
    ("llama3", '<|python_tag|>{"type": "function", "name": "put", "parameters": {}}', [put()]),
    ("llama4", '<|python_start|>{"name": "put", "parameters": {"path": "a"}}<|python_end|>', [put(path="a")]),
    (
        "pythonic",
        "<|tool_call_start|>[put(path='a <|tool_call_end|>\n', o={\"x\": null}), put(ok=true)]<|tool_call_end|>",
        [put(path="a <|tool_call_end|>\n", o={"x": None}), put(ok=True)],
    ),
    (
        "gemma4",
        '<|tool_call>call:put{path:<|"|>a, {b} <tool_call|><|"|>,n:3,o:{a:[1,<|"|>x<|"|>]}}<tool_call|>',
        [put(path="a, {b} <tool_call|>", n=3, o={"a": [1, "x"]})],
    ),
    (
        "function_gemma",
        "<start_function_call>call:put{path:<escape>a,}<escape>,n:3}<end_function_call>",
        [put(path="a,}", n=3)],
    ),
    (
        "harmony",
        "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary to=functions.put "
        '<|constrain|>json<|message|>{"path": "<|call|>"}<|call|>',
        [put(path="<|call|>")],
    ),
    ("harmony", ' to=functions.put<|channel|>commentary json<|message|>{"n": 1}', [put(n=1)]),
]


@pytest.mark.parametrize(("form", "text", "made"), WHOLE)
@given(cuts=st.lists(st.integers(0, 400), max_size=12))
def test_every_form_in_any_pieces(form: str, text: str, made: list[Any], cuts: list[int]) -> None:
    places = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    content, _, calls = told(read(form, [text[begin:end] for begin, end in itertools.pairwise(places)]))
    assert [(name, json.loads(arguments)) for name, arguments in calls] == made
    assert content == ""


def test_every_form_is_tried() -> None:
    assert {form for form, _, _ in WHOLE} >= FORMS.keys() - {"laguna"}


@pytest.mark.parametrize("form", sorted(FORMS))
def test_without_tools_calls_are_text(form: str) -> None:
    text = next(text for name, text, _ in WHOLE if FORMS.get(name) is FORMS[form])
    if form != "muse_spark":  # whose headers are none of the text
        assert means(form, text, tools=[]) == (text, "", [])


class TestThoughts:
    @pytest.mark.parametrize("tools", [[], [PUT]])
    @pytest.mark.parametrize(
        "thought",
        [
            "The format is <tool_call> and then JSON.",
            f"I could {CALL}",
            "<think>",
        ],
    )
    def test_markup_in_a_thought_is_part_of_it(self, thought: str, tools: list[Any]) -> None:
        assert means("json_tools", f"<think>{thought}</think>Hello", tools=tools) == ("Hello", thought, [])

    def test_a_thought_that_the_prompt_has_opened(self) -> None:
        parser = OutputParser(markup("json_tools"), ChatRequest(messages=[], tools=[PUT]), in_thought=True)
        assert parser.thinking
        events = [*parser.feed("How <tool_call> works.</think>It opens a call."), *parser.end()]
        assert told(events) == ("It opens a call.", "How <tool_call> works.", [])

    @pytest.mark.parametrize(
        ("text", "content"),
        [
            ("Answer</think> goes on", "Answer goes on"),
            ("<think>a</think>b</think>c", "bc"),
            ("Models write <think> and </think> here.", "Models write <think> and </think> here."),
        ],
    )
    def test_the_end_of_no_thought_is_not_in_the_content(self, text: str, content: str) -> None:
        assert means("json_tools", text)[0] == content

    def test_a_call_after_a_thought_leaves_no_content(self) -> None:
        text = f"<think>\nHm.\n</think>\n\n{CALL}\n"
        assert means("json_tools", text) == ("", "\nHm.\n", [put()])

    def test_white_space_alone_is_an_answer(self) -> None:
        assert means("json_tools", "\n \n") == ("\n \n", "", [])


MENDED = [  # what models write in place of a plain call, and what it means
    ('{"name": "put", "arguments": {"text": "line one\nline\ttwo\r\n"}}', [put(text="line one\nline\ttwo\r\n")]),
    ('{"name": "put", "arguments": "{\\"path\\": \\"d.txt\\"}"}', [put(path="d.txt")]),
    ('{"name": "put", "arguments": ""}', [put()]),
    ('{"name": "put", "arguments": null}', [put()]),
    ('{"name": "put"}', [put()]),
    ('{"name": "put", "parameters": {"path": "e"}}', [put(path="e")]),
    ('{"arguments": {"path": "e"}, "name": "put"}', [put(path="e")]),
    ('{"type": "function", "function": {"name": "put", "arguments": "{}"}, "id": "x"}', [put()]),
    (
        '{"name": "put", "arguments": {"path": "h1"}}\n{"name": "put", "arguments": {"n": 2}}',
        [put(path="h1"), put(n=2)],
    ),
    ('[{"name": "put", "arguments": {}}, {"name": "other"}]', [put(), ("other", {})]),
    ('{"name": "put", "arguments": {"path": "a",},}', [put(path="a")]),
    ('{"name": "put", "arguments": {"ok": True, "o": None}}', [put(ok=True, o=None)]),
    ("{'name': 'put', 'arguments': {'path': 'a\"b'}}", [put(path='a"b')]),
    ('{"name": "put", "arguments": {"path": 5, "n": 5}}', [put(path="5", n=5)]),
    (
        '{"name": "put", "arguments": {"text": "ends with </tool_call> here"}}',
        [put(text="ends with </tool_call> here")],
    ),
    ('{"name": "put", "arguments": {"text": "\\d \\\' \\ud83d\\ude00 \\ud83d"}}', [put(text="\\d ' 😀 �")]),
    ('{"name": "put", "arguments": {"path": "a"}', [put(path="a")]),
    ('{"name": "put", "arguments": {"path": "a"', [put(path="a")]),
    ('{"name": "put", "arguments": {"path": "a", "path": "b"}}', [put(path="b")]),
    ('{"name": "put", "arguments": {"o": {"deep": [1, {"er": "}"}]}}}', [put(o={"deep": [1, {"er": "}"}]})]),
    ('{"name": "put", "arguments": {"n": 1e999, "o": -0.0}}', [put(n=float("inf"), o=-0.0)]),
    ("<function=put>\n<parameter=path>\na\n</parameter>\n</function>", [put(path="a")]),
]


def test_a_call_without_its_first_marker_is_one_only_of_an_offered_function() -> None:
    call = f"<function=put>\n{parameter('path', 'a')}</function>"
    assert means("qwen3_coder", f"First.\n{call}\nThen.</tool_call>") == ("First.\n\nThen.", "", [put(path="a")])
    for text in (
        f"So: {call.replace('put', 'other')} and more",
        "`<function=put>` opens a call",
        "End: <function=put>",
    ):
        assert means("qwen3_coder", text) == (text, "", [])


def test_text_in_a_call_but_in_no_parameter_is_not_lost() -> None:
    for text in ("<tool_call>\n<function=put>\nsome text", "<tool_call>\n<function=put>\n{broken"):
        assert means("qwen3_coder", text) == (text, "", [])


@pytest.mark.parametrize(("written", "made"), MENDED)
def test_plain_faults_in_json_are_mended(written: str, made: list[Any]) -> None:
    content, _, calls = means("json_tools", f"First.{hermes(written)}Then.")
    assert (content, calls) == ("First.Then.", made)


XML_MENDED = [
    (coder(parameter("text", "ends with </tool_call> here")), [put(text="ends with </tool_call> here")]),
    (coder(parameter("text", "ends with </parameter> here")), [put(text="ends with </parameter> here")]),
    (coder(parameter("text", "</function>\nand <tool_call> too")), [put(text="</function>\nand <tool_call> too")]),
    (coder("<parameter=path>\nn.txt\n"), [put(path="n.txt")]),
    (coder(parameter("path", "q"), "<parameter=text>\nhello there\n"), [put(path="q", text="hello there")]),
    (coder("<parameter=path>\nq\n", parameter("text", "t")), [put(path="q", text="t")]),
    (
        coder(parameter("text", f"An example:\n{parameter('path', 'x')}ends.")),
        [put(text="An example:\n<parameter=path>\nx\n</parameter>\nends.")],
    ),
    (coder(parameter("text", 'tag = "<parameter=path>"')), [put(text='tag = "<parameter=path>"')]),
    (coder(parameter("path", "a")).removeprefix("<tool_call>\n"), [put(path="a")]),
    (coder(parameter("path", "a")).removeprefix("<tool_call>\n").removesuffix("</tool_call>"), [put(path="a")]),
    (coder("<parameter=path>\na\n") + "\n" + coder(parameter("n", "2")), [put(path="a"), put(n=2)]),
    (
        f"<tool_call>\n<function=put>\n{parameter('n', '1')}</function>\n<function=put>\n{parameter('n', '2')}"
        "</function>\n</tool_call>",
        [put(n=1), put(n=2)],
    ),
    (f"<tool_call>\n<function=put>\n{parameter('n', '1')}</tool_call>", [put(n=1)]),
    (f"<tool_call>\n<function=put>\n{parameter('n', '1')}", [put(n=1)]),
    (coder(), [put()]),
    (coder('{"path": "a"}\n'), [put(path="a")]),
    (hermes('{"name": "put", "arguments": {"n": 1}}'), [put(n=1)]),
    (
        coder(
            *(parameter(key, value) for key, value in [("path", "5"), ("n", "5"), ("ok", "True"), ("o", '{"a": [1]}')])
        ),
        [put(path="5", n=5, ok=True, o={"a": [1]})],
    ),
    (
        coder(parameter("path", "null"), parameter("n", "five"), parameter("else", "7")),
        [("put", {"path": "null", "n": "five", "else": "7"})],
    ),
    (coder(parameter("text", "\n  two\n\n")), [put(text="\n  two\n\n")]),
]


@pytest.mark.parametrize(("written", "made"), XML_MENDED)
def test_plain_faults_between_tags_are_mended(written: str, made: list[Any]) -> None:
    assert means("qwen3_coder", f"First.{written}") == ("First.", "", made)


@pytest.mark.parametrize(
    ("pairs", "made"),
    [
        ((("path", "x </arg_value> y"), ("n", "3")), put(path="x </arg_value> y", n=3)),
        ((("path", "x </tool_call> y"),), put(path="x </tool_call> y")),
        ((("path", " 5 "), ("o", '{"a": 1}'), ("else", "[1]")), ("put", {"path": " 5 ", "o": {"a": 1}, "else": [1]})),
    ],
)
def test_values_between_tags_of_keys(pairs: Any, made: Any) -> None:
    assert means("glm47", glm(*pairs)) == ("", "", [made])


def test_a_key_whose_value_is_never_closed() -> None:
    text = glm(("path", "a"), ("n", "3")).replace("a</arg_value>", "a")
    assert means("glm47", text) == ("", "", [put(path="a", n=3)])


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("json_tools", "The format is <tool_call> and JSON. </tool_call> follows."),
        ("json_tools", hermes('{"name": "put", "arguments": [1]}')),
        ("json_tools", hermes('{"name": "put", "path": "a"}')),
        ("json_tools", hermes('{"arguments": {"path": "a"}}')),
        ("json_tools", hermes('{"arguments": {"city": Rome}, "name": "put"}')),
        ("json_tools", "<tool_call>"),
        ("json_tools", 'A <tool_call>{"na'),
        ("json_tools", "A <tool_c"),
        ("qwen3_coder", "In <tool_call> come <b>tags</b>. </tool_call>"),
        ("glm47", "After <tool_call> comes a name."),
        ("mistral", "The [TOOL_CALLS] token begins calls."),
        ("pythonic", '<|tool_call_start|>[put("a")]<|tool_call_end|> so'),
        ("pythonic", "<|tool_call_start|>maybe (x)<|tool_call_end|> so"),
        ("gemma4", "<|tool_call>perhaps<tool_call|> so"),
        ("llama3", '{"answer": 5}'),
        ("llama3", 'Say {"name": "put", "parameters": {}}'),
        ("kimi_k2", "<|tool_calls_section_begin|>none<|tool_calls_section_end|>"),
    ],
)
def test_what_is_no_call_is_text(form: str, text: str) -> None:
    assert means(form, text) == (text, "", [])


def test_a_call_after_a_mention() -> None:
    text = f"Look: <tool_call> is it. {CALL}"
    assert means("json_tools", text) == ("Look: <tool_call> is it. ", "", [put()])


def test_what_was_told_stays_a_call_and_becomes_json() -> None:
    text = hermes('{"name": "put", "arguments": {"path": New York, "o": [1, 2}} and so on')
    assert means("json_tools", text) == ("and so on\n", "", [put(path="New York", o=[1, 2])])


@pytest.mark.parametrize(
    ("form", "text", "content", "made"),
    [
        ("json_tools", '<tool_call>{"name": "put", "arguments": {"path": "a\nb', "", [("put", '{"path": "a\\nb')]),
        ("json_tools", '<tool_call>{"name": "put", "argum', '<tool_call>{"name": "put", "argum', []),
        ("qwen3_coder", coder(parameter("n", "1"))[:-13], "", [("put", '{"n":1}')]),
        ("qwen3_coder", coder(parameter("path", "abc"))[:-40], coder(parameter("path", "abc"))[:-40], []),
        ("harmony", '<|channel|>commentary to=functions.put json<|message|>{"path": "a', "", [("put", '{"path": "a')]),
    ],
)
def test_a_call_that_is_cut_short(form: str, text: str, content: str, made: list[Any]) -> None:
    """What has been told stays; what has not comes as text, so that nothing is done by halves."""
    assert means(form, text, cut=True) == (content, "", made)


def test_arguments_are_told_before_the_call_ends() -> None:
    parser = OutputParser(markup("json_tools"), ChatRequest(messages=[], tools=[PUT]))
    kinds = [type(event) for event in parser.feed('<tool_call>{"name": "put", "arguments": {"path":')]
    assert kinds == [ToolCallStarted, ToolCallDelta]
    (delta,) = parser.feed(' "Ro\n')
    assert isinstance(delta, ToolCallDelta)
    assert delta.arguments == ' "Ro\\n'


def test_one_call_alone() -> None:
    text = hermes('[{"name": "put", "arguments": {"n": 1}}, {"name": "put", "arguments": {"n": 2}}]') + "more"
    assert means("json_tools", text, parallel_calls=False) == ("", "", [put(n=1)])
    assert means("qwen3_coder", coder(parameter("n", "1")) * 2, parallel_calls=False) == ("", "", [put(n=1)])


class TestHarmony:
    @pytest.mark.parametrize(
        ("text", "content", "thoughts"),
        [
            (
                "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Paris.<|return|>",
                "Paris.",
                "Hm.",
            ),
            (
                "<|channel|>commentary<|message|>Looking.<|end|><|start|>assistant<|channel|>final<|message|>It rains.",
                "Looking.\n\nIt rains.",
                "",
            ),
            (
                "<|channel|>analysis<|message|>A<|end|><|start|>assistant<|channel|>analysis<|message|>B<|end|>",
                "",
                "A\n\nB",
            ),
            ('<|channel|>final <|constrain|>json<|message|>{"a": 1}<|return|>ignored', '{"a": 1}', ""),
            ("No header at all.", "No header at all.", ""),
            ("<|message|>Hi<|end|>", "Hi", ""),
            ("<|channel|>analysis<|message|>cut o", "", "cut o"),
            ("<|channel|>analysis<|message|>A<|end|><|start|>assist", "", "A"),
            ("<|channel|>analysis to=browser.search code<|message|>look<|call|>", "", "look"),
            ("<|channel|>commentary to=functions.put<|message|>no object<|call|>", "to=functions.put no object", ""),
        ],
    )
    def test_channels(self, text: str, content: str, thoughts: str) -> None:
        assert means("harmony", text) == (content, thoughts, [])

    def test_a_preamble_and_a_call(self) -> None:
        text = (
            "<|channel|>commentary<|message|>Looking.<|end|><|start|>assistant<|channel|>commentary "
            "to=functions.put <|constrain|>json<|message|>{}<|call|>"
        )
        assert means("harmony", text) == ("Looking.", "", [put()])

    def test_the_answer_ends_with_its_call(self) -> None:
        parser = OutputParser(markup("harmony"), ChatRequest(messages=[], tools=[PUT]))
        list(parser.feed("<|channel|>commentary to=functions.put json<|message|>{}<|call|>"))
        assert parser.complete

    def test_a_call_that_no_tool_allows_is_told_without_markup(self) -> None:
        text = '<|channel|>commentary to=functions.put <|constrain|>json<|message|>{"n": 1}<|call|>'
        assert means("harmony", text, tools=[]) == ('to=functions.put {"n": 1}', "", [])


PIECES = [
    "word0 ",
    "word1",
    "\n",
    "<think>",
    "</think>",
    "<",
    "|>",
    '"',
    "'",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\\",
    "put",
]
PIECES += [
    "<function=put>",
    "</function>",
    "<parameter=path>",
    "<parameter=n>",
    "</parameter>",
    "<arg_key>",
    "</arg_key>",
]
PIECES += ["<arg_value>", "</arg_value>", '{"name": "put", "arguments": {', '"path": "', "True", "5", "<|message|>"]
PIECES += ["<|channel|>", "analysis", "commentary to=functions.put", "<|start|>assistant", "<|end|>", "<|call|>"]


@pytest.mark.parametrize("form", [*sorted(FORMS), "harmony"])
@given(data=st.data())
def test_no_output_is_lost_or_breaks_the_parser(form: str, data: st.DataObject) -> None:
    marks = [FORMS[form].start, FORMS[form].end] if form in FORMS else []
    text = "".join(data.draw(st.lists(st.sampled_from([*PIECES, *marks, *marks]), max_size=25)))
    cut = data.draw(st.booleans())
    whole = told(read(form, [text], cut=cut))
    assert told(read(form, list(text), cut=cut)) == whole
    for name, arguments in whole[2] if not cut else []:
        assert name
        assert isinstance(json.loads(arguments), dict)
    if form not in ("harmony", "muse_spark"):  # whose headers are no text
        found = "".join([whole[0], whole[1], *itertools.chain.from_iterable(whole[2])])
        assert "arguments" in text or found.count("word0") >= text.count("word0")


@given(text=st.text(max_size=60), tools=st.booleans())
def test_plain_text_stays_as_it_is(text: str, tools: bool) -> None:
    wanted = {} if tools else {"tools": []}
    assert told(read("json_tools", list(text), **wanted)) == (text, "", [])
