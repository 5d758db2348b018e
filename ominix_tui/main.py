"""The `ominix` command. Standard output carries data, standard error tells what is going on, the exit code says how it
ended: 0 well, 1 a failure that the message explains, 2 wrong usage, 3 a fault of Ominix itself, 130 interrupted.
"""

from __future__ import annotations

import logging
import os
import sys

from ominix_core.errors import OminixError
from ominix_tui import standard_streams

INTERRUPTED = 130
COMPLETION = "_OMINIX_COMPLETE"
"""The variable by which a shell asks for completions, without arguments."""


def main() -> None:
    """Run the command line; every failure becomes one line on standard error and an exit code."""
    standard_streams.prepare()
    try:
        try:
            _run()
        finally:
            sys.stdout.flush()
    except standard_streams.OutputError as error:
        standard_streams.give_up_output()
        _complain(str(error))
        sys.exit(1)
    except OminixError as error:
        _complain(str(error))
        sys.exit(1)
    except BrokenPipeError:  # the reader of our output has gone (`| head`)
        standard_streams.give_up_output()
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as error:
        logging.getLogger(__name__).critical("unexpected failure", exc_info=True)
        _complain(f"something went wrong inside Ominix: {error!r}. {_where_the_log_is()}")
        sys.exit(3)


def _run() -> None:
    if len(sys.argv) > 1 or COMPLETION in os.environ:
        from ominix_tui.cli import app

        app()
    else:  # parsing no arguments at all would take a fifth of the time to the first list of models
        from ominix_tui.commands.tui import open_hub

        open_hub()


def _complain(text: str) -> None:
    from ominix_tui.text import printable

    sys.stderr.write(f"ominix: {printable(text)}\n")


def _where_the_log_is() -> str:
    from ominix_core.paths import Home

    return f"The log has the details: {Home.from_environment().log_file}"
