"""A value between tags while it is being read, before it is known which tag ends it."""

from __future__ import annotations

from collections.abc import Callable


class TaggedValue:
    """The parts of one parameter's value.

    Args:
        key: The parameter's name.
        kind: What its tag says of its type; "" if nothing.

    Attributes:
        chain: The closing tags read last, as kind and text; they count if nothing but tags follows.
    """

    def __init__(self, key: str, kind: str = "") -> None:
        self.key = key
        self.kind = kind
        self.chain: list[tuple[str, str]] = []
        self._parts: list[str] = []
        self._closed_inside = 0
        self._weak: tuple[int, int] | None = None  # where it may have ended, though its own tag is missing
        self._inner: list[tuple[int, int, str]] = []  # parameters that may begin in it: their tag, value and key
        self._inner_tag: int | None = None
        self._inner_key = ""

    @property
    def kinds(self) -> str:
        """The kinds of the tags in the chain."""
        return "".join(kind for kind, _ in self.chain)

    @property
    def may_have_ended(self) -> bool:
        return self._weak is not None

    def add(self, text: str) -> None:
        """More of the value: the tags before it have been part of it, too."""
        self._closed_inside += sum(kind == "p" for kind, _ in self.chain)
        self._parts += [tag for _, tag in self.chain]
        self.chain.clear()
        if text:
            self._parts.append(text)

    def note_weak_end(self) -> None:
        """The chain may be the end although this parameter's own closing tag is not in it."""
        place, size = len(self._parts), len(self.chain)
        if self._weak is None or self._weak == (place, size - 1):
            self._weak = place, size

    def note_tag(self, kind: str, key: str | None, may_begin: Callable[[str], bool]) -> None:
        """A tag within the value, at which another parameter may begin, if this one has no end of its own."""
        if kind == "K":
            self._inner_tag = len(self._parts)
        elif kind == "k" and self._parts:
            self._inner_key = self._parts[-1].strip()
        elif kind == "P":
            place = len(self._parts)
            if key is None and self._inner_tag is not None:
                key, place = self._inner_key, self._inner_tag
            if key is not None and key != self.key and self._at_line(place) and may_begin(key):
                self._inner.append((place, len(self._parts) + 1, key))
            self._inner_tag = None

    def _at_line(self, place: int) -> bool:
        """Whether a tag at `place` begins a line, in a value that has lines."""
        if not place or not self._parts[0].startswith("\n"):
            return True
        _, line, before = self._parts[place - 1].rpartition("\n")
        return bool(line) and not before.strip()

    def cut_at_weak_end(self) -> str:
        """End the value where it may have ended; returns what follows."""
        assert self._weak is not None
        place, size = self._weak
        after = "".join(self._parts[place + size :])
        del self._parts[place:]
        self._inner = [inner for inner in self._inner if inner[1] <= place]
        return after

    def values(self) -> list[tuple[str, str]]:
        """The parameter with its text, and those that begin in it.

        With an end in it, what begins in it is an example; without one it is what it says.
        """
        inner = [] if self._closed_inside else self._inner
        places = [*(place for place, _, _ in inner), len(self._parts)]
        found = [(self.key, "".join(self._parts[: places[0]]))]
        for (_, begin, key), end in zip(inner, places[1:], strict=True):
            found[-1] = found[-1][0], found[-1][1].removesuffix("\n")
            found.append((key, "".join(self._parts[begin:end])))
        return found
