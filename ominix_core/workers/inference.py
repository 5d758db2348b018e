"""What runs inside a worker, on its one inference thread, in a process or in a thread alike."""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable
from pathlib import Path

from ominix_core.engines import create_engine
from ominix_core.engines.base import Engine
from ominix_core.errors import OminixError
from ominix_core.generation import Failed
from ominix_core.workers.protocol import Cancel, Command, Convert, Done, Load, Output, Progress, Refused, Report, Submit

logger = logging.getLogger(__name__)

Inbox = queue.SimpleQueue[Command | None]
"""Commands in order; None means that the Hub has closed the worker."""


class HubGone(Exception):
    """Nobody listens to this worker any more."""


def run(inbox: Inbox, send: Callable[[Report], None]) -> None:
    """Obey the inbox until it is closed. `send` raises HubGone once nobody listens, which ends the run too."""
    engine: Engine | None = None
    try:
        while True:
            if engine is not None and engine.busy:
                _step(engine, send)
                commands = _arrived(inbox)
            else:
                commands = [inbox.get()]
            for command in commands:
                match command:
                    case None:
                        return
                    case Load():
                        engine = _load(command, send)
                    case Convert():
                        _convert(command, send)
                    case Submit():
                        _submit(engine, command, send)
                    case Cancel() if engine is not None:
                        engine.cancel(command.request_id)
    except HubGone:
        logger.info("the hub has closed this worker")
    finally:
        if engine is not None:
            engine.close()


def _arrived(inbox: Inbox) -> list[Command | None]:
    commands: list[Command | None] = []
    while not inbox.empty():
        commands.append(inbox.get())
    return commands


def _step(engine: Engine, send: Callable[[Report], None]) -> None:
    for request_id, event in engine.step():
        send(Output(request_id, event))


def _load(command: Load, send: Callable[[Report], None]) -> Engine | None:
    def report(stage: str, done_bytes: int = 0, total_bytes: int = 0) -> None:
        send(Progress(stage, done_bytes, total_bytes))

    try:
        report("starting")
        engine = create_engine(command.engine)
        engine.load(Path(command.folder), report)
    except HubGone:
        raise
    except OminixError as error:
        send(Refused(str(error)))
    except Exception as error:  # a model library may raise anything; the hub shows the reason, the log has the rest
        logger.exception("loading %s failed", command.folder)
        send(Refused(_sentence(error)))
    else:
        send(Done(engine.memory_bytes))
        return engine
    return None


def _convert(command: Convert, send: Callable[[Report], None]) -> None:
    from ominix_core.conversion import convert

    try:
        send(Progress("converting"))
        convert(command.converter, Path(command.source), Path(command.target))
    except OminixError as error:
        send(Refused(str(error)))
    except Exception as error:  # see _load
        logger.exception("converting %s failed", command.source)
        send(Refused(_sentence(error)))
    else:
        send(Done())


def _submit(engine: Engine | None, command: Submit, send: Callable[[Report], None]) -> None:
    if engine is None:
        send(Output(command.request_id, Failed("No model is loaded here.", "model_not_ready")))
        return
    try:
        engine.submit(command.request_id, command.request)
    except OminixError as error:
        send(Output(command.request_id, Failed(str(error), error.code)))
    except Exception as error:  # see _load
        logger.exception("request %s failed", command.request_id)
        send(Output(command.request_id, Failed(f"The model could not take this request: {_sentence(error)}")))


def _sentence(error: Exception) -> str:
    first_line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return first_line or type(error).__name__
