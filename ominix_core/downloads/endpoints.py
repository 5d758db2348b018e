"""The hubs that models come from: their addresses, which the user's environment may change, and their tokens."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

PATIENCE = 4.0


def huggingface() -> str:
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def modelscope() -> str:
    return (os.environ.get("MODELSCOPE_ENDPOINT") or "https://modelscope.cn").rstrip("/")


def reachable() -> bool:
    """Whether the Hugging Face hub answers at all, by whatever way the environment names."""
    import httpx

    try:
        httpx.head(huggingface(), timeout=PATIENCE)
    except (httpx.HTTPError, httpx.InvalidURL):
        return False
    return True


def named_origins() -> frozenset[str]:
    """Origins that the user's own environment names; these may be plain http or a machine of the local network."""
    return frozenset({origin(huggingface()), origin(modelscope())})


def origin(url: str) -> str:
    """`scheme://host:port` of a URL, lower-cased, always with its port; empty for what is not a URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or (80 if parts.scheme == "http" else 443)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.hostname or ''}:{port}".lower()


def tokens() -> dict[str, str]:
    """The user's own token, from the environment or `hf auth login`, by the only origin it may be sent to."""
    from huggingface_hub import get_token

    token = get_token()
    return {origin(huggingface()): token} if token else {}
