"""The members of a call that is written as a JSON object, under the names that models give them."""

from __future__ import annotations

import json

from ominix_core.engines.output.calls import NotACall

ARGUMENTS = frozenset(["arguments", "parameters", "args", "input"])
NAMES = ("name", "tool_name", "function", "tool")
_BESIDES = frozenset(["id", "type", "tool_call_id", "call_id", "index", *NAMES])
_NOTHING = frozenset(["", "null", "[]"])


def call_in(members: dict[str, str]) -> tuple[str, str, str | None]:
    """The name, the arguments' JSON and the id in a call's object, whose values are JSON text. Raises NotACall."""
    for key in NAMES:
        if members.get(key, "").startswith("{"):  # as OpenAI writes it: {"function": {"name", "arguments"}}
            inner = json.loads(members[key])
            return call_in({key: json.dumps(value, ensure_ascii=False) for key, value in inner.items()})
    names = (text_in(members.get(key)) for key in NAMES)
    name = next((text for text in names if text), None)
    given = [members[key] for key in members if key in ARGUMENTS]
    if name is None or (not given and members.keys() - _BESIDES):
        raise NotACall  # its arguments may be among the members, or it is something else
    arguments = given[0] if given else "{}"
    if (text := text_in(arguments)) is not None:  # JSON in JSON
        arguments = text.strip()
    return name, "{}" if arguments in _NOTHING else arguments, text_in(members.get("id"))


def text_in(value: str | None) -> str | None:
    """The text that a JSON value is, if it is any."""
    read = json.loads(value) if value else None
    return read if isinstance(read, str) else None
