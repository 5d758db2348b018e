"""The data of server-sent events, out of the bytes in which they arrive."""

from __future__ import annotations

from collections.abc import Iterator


class EventData:
    """Lines end with "\\n" alone: text in the data may hold what Unicode also counts as the end of a line."""

    def __init__(self) -> None:
        self._begun: list[bytes] = []

    def feed(self, part: bytes) -> Iterator[bytes]:
        """The data of each line that is complete with this part."""
        ending, newline, rest = part.rpartition(b"\n")
        if not newline:
            self._begun.append(rest)
            return
        lines = b"".join([*self._begun, ending]).split(b"\n")
        self._begun = [rest]
        for line in lines:
            if line.startswith(b"data:"):
                yield line.removeprefix(b"data:").strip()
