"""Models behind an OpenAI-compatible address, for conversations while no model of this machine is active."""

from __future__ import annotations

import codecs
import contextlib
import json
import logging
import os
import threading
import time
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ominix_core.errors import NotReadyError, RequestError
from ominix_core.event_data import EventData
from ominix_core.generation import ChatMessage, Failed, Finished, GenerationEvent, ReasoningDelta, TextDelta, Usage
from ominix_core.images import WEB_FORMATS, data_url
from ominix_core.stream import Generation

if TYPE_CHECKING:
    import httpx

    from ominix_core.settings import Provider

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 120.0


def generate(name: str, provider: Provider, model: str, messages: list[ChatMessage]) -> Generation:
    """Ask a provider's model to continue a conversation, on a thread of its own. Raises NotReadyError without a key."""
    key = os.environ.get(provider.key_env, "") if provider.key_env else ""
    if provider.key_env and not key:
        raise NotReadyError(
            f"The key for {name} is missing. Set the variable {provider.key_env} and start Ominix again."
        )
    body = {
        "model": model,
        "messages": [{"role": message.role, "content": _content(message)} for message in messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    exchange = _Exchange(name, provider.base_url.rstrip("/"), key, body)
    generation = Generation(uuid.uuid4().hex, lambda _: exchange.cancel(generation))
    threading.Thread(target=exchange.run, args=(generation,), name=f"provider-{name}", daemon=True).start()
    return generation


def _content(message: ChatMessage) -> str | list[dict[str, Any]]:
    """The text alone, or images and text in parts."""
    if not message.images:
        return message.content
    urls = (data_url(image, WEB_FORMATS) for image in message.images)
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return [*parts, {"type": "text", "text": message.content}]


class _Exchange:
    """One request and the stream that answers it."""

    def __init__(self, name: str, url: str, key: str, body: dict[str, Any]) -> None:
        self._name, self._url, self._key, self._body = name, url, key, body
        self._cancelled = threading.Event()
        self._started = time.monotonic()
        self._first: float | None = None
        self._reason = "stop"
        self._usage: dict[str, int] = {}
        self._pieces = 0
        # some services cut between the two halves of a character beyond U+FFFF; the first one waits here for the other
        self._whole_characters = codecs.getincrementaldecoder("utf-16-le")("replace")

    def cancel(self, generation: Generation) -> None:
        """End the answer now; the connection ends with the next thing that the provider says."""
        self._cancelled.set()
        generation.put(Finished("cancelled", self._figures()))

    def run(self, generation: Generation) -> None:
        """Put the answer's events, the last one included, whatever happens."""
        import httpx

        try:
            for event in self._events():
                generation.put(event)
        except RequestError as error:
            generation.put(Failed(str(error), error.code))
        except httpx.TimeoutException:
            generation.put(Failed(f"{self._name} did not answer in time. Try again."))
        except httpx.HTTPError as error:
            generation.put(Failed(f"{self._name} cannot be reached at {self._url}: {error}."))
        except Exception:
            logger.exception("the answer of %s", self._name)
            generation.put(Failed(f"{self._name} sent an answer that Ominix does not understand."))

    def _events(self) -> Iterator[GenerationEvent]:
        import httpx

        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        timeout = httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
        with (
            httpx.Client(timeout=timeout) as client,
            client.stream("POST", f"{self._url}/chat/completions", json=self._body, headers=headers) as response,
        ):
            if response.status_code != 200:
                raise RequestError(self._refusal(response))
            lines = EventData()
            for part in response.iter_bytes():
                for data in lines.feed(part):
                    if self._cancelled.is_set():
                        return
                    if data and data != b"[DONE]":
                        yield from self._read(json.loads(data))
        yield Finished(self._reason, self._figures())  # type: ignore[arg-type]

    def _read(self, chunk: dict[str, Any]) -> Iterator[GenerationEvent]:
        if error := chunk.get("error"):
            said = error.get("message") if isinstance(error, dict) else None
            raise RequestError(f"{self._name}: {said or error}")
        if usage := chunk.get("usage"):
            self._usage = {name: count for name, count in usage.items() if isinstance(count, int)}
        for choice in chunk.get("choices", ())[:1]:
            delta = choice.get("delta") or {}
            text, thought = self._text(delta.get("content")), self._text(delta.get("reasoning_content"))
            if text or thought:
                self._first = self._first or time.monotonic()
                self._pieces += 1
            if thought:
                yield ReasoningDelta(thought)
            if text:
                yield TextDelta(text)
            if choice.get("finish_reason") in ("stop", "length"):
                self._reason = choice["finish_reason"]

    def _text(self, value: object) -> str:
        if not isinstance(value, str):
            return ""
        return self._whole_characters.decode(value.encode("utf-16-le", "surrogatepass"))

    def _figures(self) -> Usage:
        now = time.monotonic()
        first = self._first or now
        tokens = self._usage.get("completion_tokens", self._pieces)
        speed = (tokens - 1) / (now - first) if tokens > 1 and now > first else 0.0
        return Usage(self._usage.get("prompt_tokens", 0), tokens, first - self._started, speed)

    def _refusal(self, response: httpx.Response) -> str:
        said = ""
        with contextlib.suppress(ValueError, AttributeError, TypeError):
            said = json.loads(response.read())["error"]["message"]
        match response.status_code:
            case 401 | 403:
                return f"{self._name} refuses the key. Check it. {said}".strip()
            case 404:
                return f"{self._name} has no model '{self._body['model']}', or base_url is wrong. {said}".strip()
            case status:
                return f"{self._name} answered with error {status}. {said}".strip()
