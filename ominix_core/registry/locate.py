"""Where in a JSON file a value stands, so that an error can name its line."""

from __future__ import annotations

import json
import re

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


def lines_of(text: str) -> dict[str, int]:
    """The line, from 1 on, of every value of a valid JSON text, by dotted path; "" is the whole."""
    found: dict[str, int] = {}
    prefixes: list[str] = []
    steps: list[int | str | None] = []  # per open container: the index in a list, the key in an object
    line, seen = 1, 0
    for token in _TOKEN.finditer(text):
        line += text.count("\n", seen, token.start())
        seen = token.start()
        word = token.group()
        if word == ":":
            continue
        if word == ",":
            step = steps[-1]
            steps[-1] = step + 1 if isinstance(step, int) else None
        elif word in "]}":
            prefixes.pop()
            steps.pop()
        elif steps and steps[-1] is None:
            steps[-1] = str(json.loads(word))
            found.setdefault(_join(prefixes[-1], steps[-1]), line)
        else:
            path = _join(prefixes[-1], steps[-1]) if steps else ""
            found.setdefault(path, line)
            if word in "[{":
                prefixes.append(path)
                steps.append(0 if word == "[" else None)
    return found


def line_of(lines: dict[str, int], path: str) -> int:
    """The line of `path`, or of the nearest thing around it when the file does not have it."""
    while path not in lines and path:
        path = path.rpartition(".")[0]
    return lines.get(path, 1)


def _join(prefix: str, step: int | str | None) -> str:
    return f"{prefix}.{step}" if prefix else str(step)
