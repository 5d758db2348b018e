"""Decoding ahead: a thread that turns a file into chunks while a model listens to the former ones."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from dataclasses import dataclass
from pathlib import Path

from ominix_core.audio.chunks import Chunk, ChunkCutter
from ominix_core.audio.stream import AudioStream
from ominix_core.errors import RequestError

logger = logging.getLogger(__name__)

CHUNKS_AHEAD = 2


@dataclass(frozen=True, slots=True)
class End:
    """The file is read: it lasts `seconds`."""

    seconds: float


class ChunkReader:
    """The chunks of a file, decoded on a thread of its own at most CHUNKS_AHEAD before they are taken.

    Args:
        rate: Sample rate in Hz.
        shortest: See ChunkCutter, as for `longest`; in seconds.
    """

    def __init__(self, path: Path, rate: int, shortest: float, longest: float) -> None:
        self._path = path
        self._rate = rate
        self._cutter = ChunkCutter(rate, shortest, longest)
        self._declared = 0.0
        self._results: queue.Queue[Chunk | End | RequestError] = queue.Queue(CHUNKS_AHEAD)
        self._closed = threading.Event()
        threading.Thread(target=self._read, name=f"decode {path.name}", daemon=True).start()

    @property
    def seconds(self) -> float:
        """How long the file is as far as is known: what it declares, or what has been decoded if that is more."""
        return max(self._declared, self._cutter.seconds)

    def next(self, timeout: float) -> Chunk | End | None:
        """What comes next, or None if it takes longer than `timeout` seconds.

        Raises:
            RequestError: The file cannot be decoded; the text says why, or what to install.
        """
        try:
            result = self._results.get(timeout=timeout)
        except queue.Empty:
            return None
        if isinstance(result, RequestError):
            raise result
        return result

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
            for chunk in self._cutter.cut(stream.blocks()):
                self._results.put(chunk)
                if self._closed.is_set():
                    return
        finally:
            stream.close()
        if self._cutter.seconds == 0:
            raise RequestError(f"{self._path.name} holds no sound.", "invalid_input")
        self._results.put(End(self._cutter.seconds))
