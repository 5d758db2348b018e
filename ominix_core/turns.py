"""Turns of a conversation that become one."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import msgspec

from ominix_core.generation import ChatMessage

_BETWEEN = "\n\n"


def joined_neighbours(turns: Iterable[ChatMessage], *roles: str) -> list[ChatMessage]:
    """Neighbours of one of these roles as one turn."""
    joined: list[ChatMessage] = []
    for role, group in itertools.groupby(turns, key=lambda turn: turn.role):
        neighbours = list(group)
        joined += [together(*neighbours)] if role in roles else neighbours
    return joined


def together(first: ChatMessage, *others: ChatMessage) -> ChatMessage:
    """Turns as one of the first one's role; images stay where they stand in the text."""
    if not others:
        return first
    turns = (first, *others)
    length, places = 0, []
    for turn in turns:
        if turn.content and length:
            length += len(_BETWEEN)
        places += [length + place for place in places_of(turn)]
        length += len(turn.content)
    return msgspec.structs.replace(
        first,
        content=_BETWEEN.join(turn.content for turn in turns if turn.content),
        tool_calls=tuple(call for turn in turns for call in turn.tool_calls),
        images=tuple(image for turn in turns for image in turn.images),
        image_places=tuple(places),
        reasoning=_BETWEEN.join(turn.reasoning for turn in turns if turn.reasoning),
    )


def places_of(turn: ChatMessage) -> tuple[int, ...]:
    """Where in a turn's text each of its images stands."""
    return turn.image_places if len(turn.image_places) == len(turn.images) else (0,) * len(turn.images)
