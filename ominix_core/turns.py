"""Turns of a conversation that become one."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ominix_core.generation import ChatMessage

_BETWEEN = "\n\n"


def joined_neighbours(turns: Iterable[ChatMessage], *roles: str) -> list[ChatMessage]:
    """Neighbours of one of these roles as one turn."""
    joined: list[ChatMessage] = []
    for turn in turns:
        if joined and turn.role in roles and joined[-1].role == turn.role:
            joined[-1] = together(joined[-1], turn)
        else:
            joined.append(turn)
    return joined


def together(first: ChatMessage, second: ChatMessage) -> ChatMessage:
    """Two turns as one of the first one's role; images stay where they stand in the text."""
    content = _BETWEEN.join(filter(None, (first.content, second.content)))
    moved = len(content) - len(second.content)
    return msgspec.structs.replace(
        first,
        content=content,
        tool_calls=first.tool_calls + second.tool_calls,
        images=first.images + second.images,
        image_places=(*places_of(first), *(moved + place for place in places_of(second))),
        reasoning=_BETWEEN.join(filter(None, (first.reasoning, second.reasoning))),
    )


def places_of(turn: ChatMessage) -> tuple[int, ...]:
    """Where in a turn's text each of its images stands."""
    return turn.image_places if len(turn.image_places) == len(turn.images) else (0,) * len(turn.images)
