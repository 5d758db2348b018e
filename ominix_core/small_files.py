"""Files of the user's that are read whole, and so must not be too large."""

from __future__ import annotations

from pathlib import Path

from ominix_core.errors import OminixError


def read_small_file(path: Path, kind: str, most_bytes: int, refusal: type[OminixError]) -> bytes:
    """The content of a file. Raises `refusal` with a sentence that does not name the file.

    Args:
        kind: What the file is to be, such as "an image".
    """
    try:
        if not path.exists():
            raise refusal("There is no such file.")
        if not path.is_file():  # reading from a pipe might never end
            raise refusal("This is not a file.")
        if path.stat().st_size > most_bytes:
            most = f"{most_bytes // 10**6} MB" if most_bytes >= 10**6 else f"{most_bytes // 1000} kB"
            raise refusal(f"This file is too large: {kind} may have {most}.")
        return path.read_bytes()
    except OSError as error:
        raise refusal(f"This file cannot be read: {error.strerror}.") from error
