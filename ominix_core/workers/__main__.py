"""The process of a worker: `python -m ominix_core.workers FD`, started by the Hub with one end of a socket."""

from __future__ import annotations

import logging
import os
import queue
import socket
import sys
import threading

from ominix_core.workers import inference
from ominix_core.workers.protocol import Link, Load, Report


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    link = Link(socket.socket(fileno=int(sys.argv[1])), at_hub=False)
    inbox: inference.Inbox = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(link, inbox), name="receiver", daemon=True).start()

    def send(report: Report) -> None:
        try:
            link.send(report)
        except OSError as error:
            raise inference.HubGone from error

    inference.run(inbox, send)


def _receive(link: Link, inbox: inference.Inbox) -> None:
    try:
        while (command := link.receive()) is not None:
            if isinstance(command, Load):
                _write_to(command.log)
            inbox.put(command)
    except Exception:  # a command that cannot be read: no later one can be trusted either
        logging.getLogger(__name__).exception("the connection to the hub is broken")
    # The Hub closed this worker or died. Leave at once, even from the middle of a long computation: the system
    # takes the memory back faster than any orderly end would.
    os._exit(0)


def _write_to(log: str) -> None:
    """Everything that this process and its C libraries print goes to the model's log."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)


if __name__ == "__main__":
    main()
