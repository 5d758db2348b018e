"""Text files that go with a question: read, checked, and put into it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ominix_core.errors import OminixError
from ominix_core.small_files import read_small_file

MAX_TEXT_BYTES = 200_000
"""About 50,000 tokens, which is more than most models' context."""


class TextFileError(OminixError):
    """A text file that cannot be taken; the text says why."""

    code = "invalid_text"


@dataclass(frozen=True, slots=True)
class NamedText:
    """A text with the name of its file."""

    name: str
    text: str

    @property
    def fenced(self) -> str:
        """The text as a question holds it: its name, and a fence of Markdown that the text itself does not end."""
        longest = max((len(run) for run in re.findall(r"`{3,}", self.text)), default=2)
        fence = "`" * (longest + 1)
        ending = "" if self.text.endswith("\n") else "\n"
        return f"{self.name}\n{fence}{_language(self.name)}\n{self.text}{ending}{fence}"


def read_text(path: Path) -> NamedText | None:
    """Read a text file; None if it is no UTF-8 text. Raises TextFileError."""
    data = read_small_file(path, "a text", MAX_TEXT_BYTES, TextFileError)
    if b"\0" in data:
        return None
    try:
        return NamedText(path.name, data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return None


def _language(name: str) -> str:
    """What the fence says of the language: the name's ending, which highlighters know."""
    return re.sub(r"\W", "", Path(name).suffix)
