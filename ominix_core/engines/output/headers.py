"""The headers of messages in answers that come in channels, as in Harmony: `assistant to=NAME<|channel|>CHANNEL`."""

from __future__ import annotations

import re
from dataclasses import dataclass

END = "<|message|>"
_LONGEST = 300
_WORDS = rf"(?:\s|<\|(?:start|channel|constrain)\|>|[\w.:=@/-]){{0,{_LONGEST}}}"
_WHOLE = re.compile(_WORDS, re.ASCII)
_PART = re.compile(_WORDS + r"(?:<\|?[a-z]*\|?)?", re.ASCII)
_RECIPIENT = re.compile(r"\bto=([^\s<]+)")
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)")


@dataclass(frozen=True)
class Header:
    """Where a message belongs.

    Attributes:
        channel: Such as analysis, commentary or final; "" if it says none.
        recipient: Who is to read it, such as functions.weather; "" if it says none.
    """

    channel: str
    recipient: str

    @property
    def function(self) -> str:
        """The recipient's name as a function."""
        return re.sub(r"^(?:functions\.)+", "", self.recipient)


def read_header(text: str) -> Header:
    """The header that `text` is, without the marker at its end."""
    channel, recipient = _CHANNEL.search(text), _RECIPIENT.search(text)
    return Header(channel[1] if channel else "", recipient[1] if recipient else "")


def is_header(text: str) -> bool:
    """Whether `text`, which stands before the marker at a header's end, is a header."""
    begin = text.lstrip()[:3]
    return (begin[:1] in ("", "<") or begin == "to=") and _WHOLE.fullmatch(text) is not None


def may_be_header(text: str) -> bool:
    """Whether `text` can become a header."""
    begin = text.lstrip()[:3]
    return (begin[:1] in ("", "<") or "to=".startswith(begin)) and _PART.fullmatch(text) is not None
