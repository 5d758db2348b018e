"""Decoding ahead: a thread reads a file while a model listens to what came before."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from ominix_core.audio.chunks import Chunk, ChunkCutter
from ominix_core.audio.sources import Samples
from ominix_core.audio.stream import AudioStream
from ominix_core.errors import RequestError

logger = logging.getLogger(__name__)

BLOCKS_AHEAD = 60
"""Of about a second: two of the longest chunks of most models."""


@dataclass(frozen=True, slots=True)
class End:
    """The file is read: it lasts `seconds`."""

    seconds: float


class ChunkReader:
    """The chunks of a file, which a thread of its own decodes at most BLOCKS_AHEAD before they are taken.

    Args:
        rate: Sample rate in Hz.
        shortest: See ChunkCutter, as for `longest`; in seconds.
    """

    def __init__(self, path: Path, rate: int, shortest: float, longest: float) -> None:
        self._path = path
        self._rate = rate
        self._cutter = ChunkCutter(rate, shortest, longest)
        self._declared = 0.0
        self._decoded = 0
        self._end: End | None = None
        self._results: queue.Queue[Samples | End | RequestError] = queue.Queue(BLOCKS_AHEAD)
        self._closed = threading.Event()
        threading.Thread(target=self._read, name=f"decode {path.name}", daemon=True).start()

    @property
    def seconds(self) -> float:
        """How long the file is as far as is known: what it declares, or what has been decoded if that is more."""
        return max(self._declared, self._decoded / self._rate)

    def next(self, timeout: float) -> Chunk | End | None:
        """What comes next, or None if it takes longer than `timeout` seconds.

        Raises:
            RequestError: The file cannot be decoded; the text says why, or what to install.
        """
        deadline = time.monotonic() + timeout
        while (chunk := self._cutter.next(ended=self._end is not None)) is None:
            if self._end is not None:
                return self._end
            try:
                result = self._results.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return None
            if isinstance(result, RequestError):
                raise result
            if isinstance(result, End):
                self._end = result
            else:
                self._cutter.add(result)
                if time.monotonic() > deadline:  # a long silence brings no chunk, however fast it is read
                    return None
        return chunk

    def come_back_to(self, seconds: float) -> None:
        """Let the next chunk begin at this moment of the file, which lies in the last one, and not behind it."""
        self._cutter.come_back_to(seconds)

    def close(self) -> None:
        """Stop reading soon; does not wait for the thread."""
        self._closed.set()
        with contextlib.suppress(queue.Empty):
            while True:
                self._results.get_nowait()

    def _read(self) -> None:
        try:
            self._read_file()
        except RequestError as error:
            self._results.put(error)
        except Exception as error:
            logger.exception("reading %s failed", self._path)
            self._results.put(RequestError(f"{self._path.name} cannot be decoded: {error}.", "invalid_input"))

    def _read_file(self) -> None:
        stream = AudioStream(self._path, self._rate)
        try:
            self._declared = stream.seconds
            for block in stream.blocks():
                self._decoded += len(block)
                self._results.put(block)
                if self._closed.is_set():
                    return
        finally:
            stream.close()
        if not self._decoded:
            raise RequestError(f"{self._path.name} holds no sound.", "invalid_input")
        self._results.put(End(self._decoded / self._rate))
