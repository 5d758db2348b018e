"""The messages between the Hub and a worker, and how they travel: length-prefixed MessagePack, never pickle."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import Any

import msgspec

from ominix_core.engines.base import LoadOptions
from ominix_core.generation import GenerationEvent, Request
from ominix_core.media import Abilities


class Prepare(msgspec.Struct, frozen=True, tag="prepare"):
    """Import what engines need, so that a later load starts at once."""


class Load(msgspec.Struct, frozen=True, tag="load"):
    """Bring the model in `folder` into memory with the engine of this name; a process writes to `log` from now on."""

    engine: str
    folder: str
    log: str
    options: LoadOptions = LoadOptions()


class Convert(msgspec.Struct, frozen=True, tag="convert"):
    """Turn downloaded `source` files into an MLX model folder at `target`."""

    converter: str
    source: str
    target: str


class Submit(msgspec.Struct, frozen=True, tag="submit"):
    """Start answering a request."""

    request_id: str
    request: Request


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """Stop answering a request; its stream still ends with `Finished`."""

    request_id: str


class Trim(msgspec.Struct, frozen=True, tag="trim"):
    """Give back memory that only saves time."""


class Quit(msgspec.Struct, frozen=True, tag="quit"):
    """Keep what should outlive the worker, and end."""


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """How far a load or conversion is; both byte counts are 0 where a stage has none."""

    stage: str
    done_bytes: int = 0
    total_bytes: int = 0


class Done(msgspec.Struct, frozen=True, tag="done"):
    """A load or conversion ended well; `memory_bytes` is what MLX holds now."""

    memory_bytes: int = 0
    abilities: Abilities = Abilities()


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """A load or conversion failed; `message` is written for people."""

    message: str


class Heartbeat(msgspec.Struct, frozen=True, tag="heartbeat"):
    """The worker is alive.

    Attributes:
        memory_bytes: What MLX holds.
        running: Requests in work.
        tokens_per_second: Over the last beat, all requests together.
        step_seconds: How long the current piece of work has been going on; 0 when idle.
    """

    memory_bytes: int
    running: int
    tokens_per_second: float
    step_seconds: float


class Output(msgspec.Struct, frozen=True, tag="output"):
    """An event of a running request."""

    request_id: str
    event: GenerationEvent


Command = Prepare | Load | Convert | Submit | Cancel | Trim | Quit
Report = Progress | Done | Refused | Heartbeat | Output

_LENGTH = struct.Struct("!I")
_decode_command = msgspec.msgpack.Decoder(Command).decode
_decode_report = msgspec.msgpack.Decoder(Report).decode
pack = msgspec.msgpack.Encoder().encode


class Link:
    """One end of the socket between the Hub and a worker process. Any thread may send; one thread receives."""

    def __init__(self, connection: socket.socket, *, at_hub: bool) -> None:
        self._connection = connection
        self._reader = connection.makefile("rb")
        self._send_lock = threading.Lock()
        self._decode: Any = _decode_report if at_hub else _decode_command

    def send(self, message: Command | Report) -> None:
        """Raises OSError when the other end is gone; waits for it to read while it is busy."""
        self.write(pack(message))

    def write(self, payload: bytes) -> None:
        """The same with a message that is packed already."""
        with self._send_lock:
            self._connection.sendall(_LENGTH.pack(len(payload)) + payload)

    def receive(self) -> Any:
        """The next message, or None when the other end is gone."""
        try:
            header = self._reader.read(_LENGTH.size)
            if len(header) < _LENGTH.size:
                return None
            (length,) = _LENGTH.unpack(header)
            payload = self._reader.read(length)
        except (OSError, ValueError):  # gone, or closed here by another thread
            return None
        return self._decode(payload) if len(payload) == length else None

    def close(self) -> None:
        """End the connection; a `receive` that waits on either end returns None."""
        with contextlib.suppress(OSError):  # the other end may have gone first
            self._connection.shutdown(socket.SHUT_RDWR)
        self._reader.close()
        self._connection.close()
