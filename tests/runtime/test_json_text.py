"""JSON as models write it: whatever comes in, valid JSON goes out, and valid JSON stays what it says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ominix_core.engines.output.json_text import DEEPEST, JsonText, NotJson

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NOISE = st.lists(
    st.sampled_from([*"{}[]\",:'\\ \nabu1-.e0<é", "true", "None", "\\u12", "\\ud83d", "\\ude00", '{"a": '])
).map("".join)


def written(pieces: list[str], *, told: bool) -> str:
    value = JsonText(told=told)
    out = []
    for piece in pieces:
        out.append(value.take(piece)[0])
        if value.complete:
            return "".join(out)
    return "".join([*out, value.close()])


@given(value=VALUES, indent=st.sampled_from([None, 1]), ascii_only=st.booleans())
def test_json_says_what_it_said(value: Any, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps([value], indent=indent, ensure_ascii=ascii_only)
    for told in (False, True):
        mended = written(list(text), told=told)
        assert json.loads(mended) == json.loads(mended.encode("utf-8", "replace")) or "\\ud" in text
        if "\\ud" not in text:  # half a character is no JSON for most
            assert mended == text


@given(noise=NOISE)
def test_whatever_comes_in_json_goes_out(noise: str) -> None:
    mended = written([noise], told=True)
    json.loads(mended)
    assert written(list(noise), told=True) == mended
    try:
        plain = written([noise], told=False)
    except NotJson:
        with pytest.raises(NotJson):
            written(list(noise), told=False)
    else:
        assert plain == mended == written(list(noise), told=False)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": "x\ny\tz\r\x00"}', {"a": "x\ny\tz\r\x00"}),
        ('{"a": 1,}', {"a": 1}),
        ('{"a": 1 "b": [1 2]}', {"a": 1, "b": [1, 2]}),
        ("{'a': 'it \\'is\\'', \"b\": True}", {"a": "it 'is'", "b": True}),
        ("{path: null}", {"path": None}),
        (r'{"a": "C:\users \d"}', {"a": r"C:\users \d"}),
        (r'{"a": "\ud83d\ude00 \ud83d"}', {"a": "😀 �"}),
        ('{"a": [1, {"b": "c', {"a": [1, {"b": "c"}]}),
        ('{"a":', {"a": None}),
        ("""{"p": "a.py", "t": "print("hi")\nd = {"a": 1}"}""", {"p": "a.py", "t": 'print("hi")\nd = {"a": 1}'}),
        ('{"t": "say "yes", "no" or """, "b": 1}', {"t": 'say "yes", "no" or ""', "b": 1}),
        ("""{'a': 'it's', "b": "<a class="x">"}""", {"a": "it's", "b": '<a class="x">'}),
        ("{}", {}),
    ],
)
def test_what_is_plain_is_mended(text: str, value: Any) -> None:
    for told in (False, True):
        assert json.loads(written(list(text), told=told)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": Rome}', {"a": "Rome"}),
        ('{"a": New York, "b": 01}', {"a": "New York", "b": "01"}),
        ('{"a": [1, 2}', {"a": [1, 2]}),
        ('{"a" "b"}', {"a": "b"}),
        ('{"a": NaN}', {"a": "NaN"}),
    ],
)
def test_what_is_not_plain_is_lost_nowhere(text: str, value: Any) -> None:
    with pytest.raises(NotJson):
        written([text], told=False)
    assert json.loads(written([text], told=True)) == value


def test_what_is_too_deep() -> None:
    with pytest.raises(NotJson):
        written(["[" * (DEEPEST + 1)], told=False)
    json.loads(written(["[" * 5000], told=True))


def test_nothing_after_the_end_is_taken() -> None:
    value = JsonText(told=True)
    assert value.take('{"a": 1} and more') == ('{"a": 1}', 8)
    assert value.complete
