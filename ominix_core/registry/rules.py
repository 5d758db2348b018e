"""What a registry may say: ids, repositories, file names, revisions, colours and text.

A registry can come from a stranger. Every check raises ValueError with a reason for people; none of them touches
the disk or the network.
"""

from __future__ import annotations

import fnmatch
import functools
import re
import unicodedata
from collections.abc import Iterable, Sequence

from ominix_core import addresses

MAX_DEPTH = 32
DEFAULT_FILES = (
    "*.json",
    "*.safetensors",
    "*.jsonl",
    "*.jinja",
    "*.txt",
    "*.model",
    "*.tiktoken",
    "*.mvn",
)
"""What is fetched from a repository whose entry names no files: weights as safetensors, configuration, tokenizers."""

_DRIVE = re.compile(r"[A-Za-z]:")
_CODE = (".py", ".pyc", ".pyo", ".pyd", ".so", ".dylib", ".dll", ".sh", ".command", ".app", ".exe", ".js", ".ipynb")
_PICKLE = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".npy", ".npz", ".dill", ".msgpack", ".h5")
_SHARD_DIGITS = re.compile(r"[*?\[\]]")


class Rule:
    """A check of a text by its form: called with one, it returns it or raises ValueError with the rule's reason.

    Attributes:
        pattern: What the whole text must match, written so that JSON Schema reads it as Python does.
    """

    def __init__(self, pattern: str, reason: str) -> None:
        self.pattern = pattern
        self._reason = reason
        self._match = re.compile(pattern, re.ASCII).fullmatch

    def __call__(self, value: str) -> str:
        if self._match(value) is None:
            raise ValueError(self._reason)
        return value


# An id names a folder under `OMINIX_HOME/models`, so it is one plain lower-case path component.
check_id = Rule(
    r"[a-z0-9][a-z0-9._-]{0,63}", "an id is 1 to 64 lower-case letters, digits, dots, dashes or underscores"
)
check_api_id = Rule(r"(?:[A-Za-z0-9][\w.:/@-]{0,127})?", "an API id is up to 128 letters, digits and . _ : / @ -")
check_repo = Rule(
    r"(?!.*\.\.)[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}(?<!\.)(?<!\.git)",
    "a repository is 'owner/name', for example mlx-community/Qwen3-8B-8bit",
)
check_revision = Rule(
    r"(?!.*\.\.)[A-Za-z0-9][\w./-]{0,127}", "a revision is a branch, tag or commit without spaces or '..'"
)
check_color = Rule(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})", "a colour is #rgb or #rrggbb")
check_package = Rule(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?", "this is not the name of a Python package")
check_package_version = Rule(r"[0-9][A-Za-z0-9.!+-]{0,63}", "a package version starts with a digit, for example 0.1.2")
check_absolute_path = Rule(r"(?:/|~/)[^\0]*", "a local model needs the absolute path of its folder")
check_sha256 = Rule(r"[0-9a-f]{64}", "a sha256 is 64 lower-case hexadecimal digits")
check_size = Rule(r"\d{2,5}x\d{2,5}", "a size is WIDTHxHEIGHT, for example 1024x1024")


def check_url(value: str) -> str:
    """An https address on the public internet, as far as its text shows."""
    try:
        return addresses.check_url(value)
    except addresses.AddressError as error:
        raise ValueError(str(error)) from error


@functools.lru_cache(maxsize=1024)
def check_file(name: str) -> str:
    """A file name or pattern inside a repository: relative, plain, and no program."""
    if reason := _unsafe_path(name):
        raise ValueError(reason)
    if name.lower().endswith(_CODE):
        raise ValueError(f"'{name}' is a program; Ominix fetches no code from a repository")
    return name


def check_folder(name: str) -> str:
    """A folder below the model's own, or "" for that one."""
    return check_file(name) if name else name


def is_pickle(name: str) -> bool:
    """Whether a file of this name can run code when it is read. Known by its extension alone."""
    return name.lower().endswith(_PICKLE)


def select_files(names: Iterable[str], patterns: Sequence[str] = ()) -> list[str]:
    """The files of a repository that a download takes.

    Programs and unsafe names never pass. Files that can hold a pickle pass only when `patterns` names them without
    a wildcard. Of names that differ by case alone the first passes: they are one file on a Mac.
    """
    literal = {pattern for pattern in patterns if not _SHARD_DIGITS.search(pattern)}
    wanted = tuple(patterns) or DEFAULT_FILES
    taken: dict[str, str] = {}
    for name in names:
        try:
            check_file(name)
        except ValueError:
            continue
        if is_pickle(name) and name not in literal:
            continue
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in wanted):
            taken.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
    return list(taken.values())


def _unsafe_path(name: str) -> str | None:
    if not name or len(name) > 512:
        return "a file name has 1 to 512 characters"
    if name != clean_text(name):
        return f"'{clean_text(name)}' holds control characters"
    if name.startswith(("/", "~")) or "\\" in name or _DRIVE.match(name):
        return f"'{name}' is not a relative path with forward slashes"
    parts = name.split("/")
    if any(part in ("", ".", "..") or part.lower() == ".git" or len(part.encode()) > 255 for part in parts):
        return f"'{name}' leaves its folder or is not a plain path"
    return None


_SPACES = dict.fromkeys(map(ord, "\t\n\r\v\f\x85\u2028\u2029"), " ")
_INVISIBLE = (
    *range(0x00, 0x20),
    *range(0x7F, 0xA0),
    0x00AD,
    0x061C,
    0x180E,
    0x200B,
    0x200E,
    0x200F,
    *range(0x202A, 0x202F),
    *range(0x2060, 0x2070),
    0xFEFF,
    *range(0xFFF9, 0xFFFC),
    *range(0xD800, 0xE000),
    *range(0xE0000, 0xE0080),
)
_CLEANED: dict[int, str | None] = {**dict.fromkeys(_INVISIBLE, None), **_SPACES}


def clean_text(value: str) -> str:
    """`value` without what could drive a terminal or hide text: control, bidi and invisible characters."""
    return value if value.isascii() and value.isprintable() else value.translate(_CLEANED)
