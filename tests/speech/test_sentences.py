"""What a speech model is given at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ominix_core.engines.sentences import FIRST_WEIGHT, LONGEST_WEIGHT, pieces


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The first sentence. And the second one!", ["The first sentence.", "And the second one!"]),
        ("Mr. Smith met Dr. J. R. Jones at 3.14 p.m. today.", ["Mr. Smith met Dr. J. R. Jones at 3.14 p.m. today."]),
        ("We met at 5 p.m. Then everybody left.", ["We met at 5 p.m.", "Then everybody left."]),
        ("It is in No. 5 over there, e.g. Room 3.", ["It is in No. 5 over there, e.g. Room 3."]),
        ("I really did say no. Then he went away.", ["I really did say no.", "Then he went away."]),
        ("The U.S. Army costs $1,234.56 a minute.", ["The U.S. Army costs $1,234.56 a minute."]),
        ("See https://example.com/a.b for more of it.", ["See https://example.com/a.b for more of it."]),
        ("“Is that so?” “It certainly is.” He left.", ["“Is that so?” “It certainly is.”", "He left."]),
        ("今天天气很好。我们去公园吧！你想去吗？", ["今天天气很好。", "我们去公园吧！", "你想去吗？"]),
        ("他说：“好的。”然后他走了。", ["他说：“好的。”", "然后他走了。"]),
        ("Hi. How are you doing today?", ["Hi. How are you doing today?"]),
        ("A heading\n\nA paragraph of text.", ["A heading", "A paragraph of text."]),
        ("Wait… what was that just now?", ["Wait… what was that just now?"]),
        ("  \n ... !? —\n ", []),
        ("", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert list(pieces(text)) == expected


def test_a_long_sentence_is_cut_at_its_clauses_and_heard_soon() -> None:
    text = ", ".join(f"this is clause number {number} of a sentence" for number in range(40)) + "."
    parts = list(pieces(text))
    assert len(parts[0]) <= FIRST_WEIGHT
    assert all(part.endswith((",", ".")) for part in parts)
    assert " ".join(parts) == text


def test_pieces_can_be_asked_to_be_shorter() -> None:
    text = "One sentence of the usual length that goes on for a while, as they do. And then another one of them."
    parts = list(pieces(text, 40))
    assert max(map(len, parts)) <= 40
    assert " ".join(parts) == text


def test_a_long_word_is_cut_anywhere() -> None:
    assert "".join(pieces("a" * 1000)) == "a" * 1000
    assert max(map(len, pieces("我" * 1000))) <= LONGEST_WEIGHT / 4


@given(st.text(st.sampled_from('aB3 .,!?…。，"”)\n我Mr')) | st.text())
def test_nothing_spoken_is_lost_and_no_piece_is_too_long(text: str) -> None:
    parts = list(pieces(text))
    assert [c for c in "".join(parts) if c.isalnum()] == [c for c in text if c.isalnum()]
    assert all(len(part) <= LONGEST_WEIGHT and any(c.isalnum() for c in part) for part in parts)
