"""Workers that tell the user what goes wrong in them, which would otherwise end the program."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import ParamSpec, cast

from textual.widget import Widget

from ominix_core.errors import Cancelled, OminixError

Arguments = ParamSpec("Arguments")


def telling(
    method: Callable[Arguments, Coroutine[None, None, None]],
) -> Callable[Arguments, Coroutine[None, None, None]]:
    """Show an OminixError of a widget's method as a notification. Goes below `@work`."""

    @wraps(method)
    async def tell(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        try:
            await method(*args, **kwargs)
        except Cancelled:
            pass
        except OminixError as error:
            cast("Widget", args[0]).notify(str(error), severity="error", markup=False)

    return tell
