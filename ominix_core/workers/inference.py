"""What runs inside a worker, on its one inference thread, in a process or in a thread alike."""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable
from pathlib import Path

from ominix_core.engines import create_engine, import_libraries
from ominix_core.engines.base import Engine
from ominix_core.errors import OminixError, sentence_of
from ominix_core.generation import Failed, TextDelta
from ominix_core.workers.protocol import (
    Cancel,
    Command,
    Convert,
    Done,
    Load,
    Output,
    Prepare,
    Progress,
    Quit,
    Refused,
    Report,
    Submit,
    Trim,
)
from ominix_core.workers.vitals import Vitals

logger = logging.getLogger(__name__)

Inbox = queue.SimpleQueue[Command | None]
"""Commands in order; None means that the Hub has closed the worker."""


class HubGone(Exception):
    """Nobody listens to this worker any more."""


def run(inbox: Inbox, send: Callable[[Report], None]) -> None:
    """Obey the inbox until it is closed. `send` raises HubGone once nobody listens, which ends the run too."""
    with Vitals() as vitals:
        vitals.beat(send)
        loop = _Loop(inbox, send, vitals)
        try:
            loop.run()
        except HubGone:
            logger.info("the hub has closed this worker")
        finally:
            loop.close()


class _Loop:
    def __init__(self, inbox: Inbox, send: Callable[[Report], None], vitals: Vitals) -> None:
        self._inbox = inbox
        self._send = send
        self._vitals = vitals
        self._engine: Engine | None = None

    def run(self) -> None:
        while True:
            if self._engine is not None and self._engine.busy:
                self._step(self._engine)
            else:
                self._vitals.rest()
                if not self._obey(self._inbox.get()):
                    return
            while not self._inbox.empty():
                if not self._obey(self._inbox.get()):
                    return

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _obey(self, command: Command | None) -> bool:
        """Do what the command says; False ends the worker."""
        self._vitals.begin_step()
        match command:
            case None | Quit():
                return False
            case Prepare():
                import_libraries()
            case Load():
                self._load(command)
            case Convert():
                self._convert(command)
            case Submit():
                self._submit(command)
            case Cancel() if self._engine is not None:
                self._engine.cancel(command.request_id)
            case Trim() if self._engine is not None:
                self._engine.trim()
        return True

    def _step(self, engine: Engine) -> None:
        self._vitals.begin_step()
        for request_id, event in engine.step():
            self._vitals.tokens += isinstance(event, TextDelta)
            self._send(Output(request_id, event))
        self._observe(engine)

    def _observe(self, engine: Engine) -> None:
        import mlx.core as mx

        self._vitals.memory_bytes = mx.get_active_memory()
        self._vitals.running = engine.running

    def _load(self, command: Load) -> None:
        def report(stage: str, done_bytes: int = 0, total_bytes: int = 0) -> None:
            self._vitals.begin_step()
            self._send(Progress(stage, done_bytes, total_bytes))

        try:
            report("starting")
            engine = create_engine(command.engine)
            engine.load(Path(command.folder), command.options, report)
        except HubGone:
            raise
        except OminixError as error:
            self._send(Refused(str(error)))
        except Exception as error:  # a model library may raise anything; the hub shows the reason, the log has the rest
            logger.exception("loading %s failed", command.folder)
            self._send(Refused(sentence_of(error)))
        else:
            self._engine = engine
            self._observe(engine)
            self._send(Done(self._vitals.memory_bytes, engine.abilities))

    def _convert(self, command: Convert) -> None:
        from ominix_core.conversion import convert

        try:
            self._send(Progress("converting"))
            convert(command.converter, Path(command.source), Path(command.target))
        except HubGone:
            raise
        except OminixError as error:
            self._send(Refused(str(error)))
        except Exception as error:  # see _load
            logger.exception("converting %s failed", command.source)
            self._send(Refused(sentence_of(error)))
        else:
            self._send(Done())

    def _submit(self, command: Submit) -> None:
        if self._engine is None:
            self._send(Output(command.request_id, Failed("No model is loaded here.", "model_not_ready")))
            return
        try:
            self._engine.submit(command.request_id, command.request)
        except OminixError as error:
            self._send(Output(command.request_id, Failed(str(error), error.code)))
        except Exception as error:  # see _load
            logger.exception("request %s failed", command.request_id)
            reason = f"The model could not take this request: {sentence_of(error)}"
            self._send(Output(command.request_id, Failed(reason)))
