"""The command that asks a model: run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ominix_core.errors import OminixError

if TYPE_CHECKING:
    from ominix_core.facade import HubFacade
    from ominix_core.generation import ChatRequest, Usage

ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="Its id, API id or repository; see `ominix list`.")]


def run(
    context: typer.Context,
    model: ModelName,
    prompt: Annotated[str | None, typer.Argument(help="What to ask; read from standard input when left out.")] = None,
    image: Annotated[
        list[Path] | None, typer.Option(help="An image to ask about, for models that see; may be repeated.")
    ] = None,
    system: Annotated[str, typer.Option(help="The system prompt.")] = "",
    max_tokens: Annotated[int, typer.Option(min=1, help="The longest answer, in tokens.")] = 512,
    temperature: Annotated[
        float | None,
        typer.Option(min=0.0, max=2.0, help="0 always takes the likeliest token; default: as the model's authors say."),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Makes a sampled answer repeatable.")] = None,
) -> None:
    """Ask a model one question; the answer streams to standard output."""
    import msgspec

    from ominix_core.generation import ChatMessage, ChatRequest
    from ominix_tui.commands.progress import follow
    from ominix_tui.commands.session import chosen_server, open_hub_in_use

    question = text_or_stdin(prompt, "ominix run MODEL")
    messages = [ChatMessage("system", system)] if system else []
    messages.append(ChatMessage("user", question, images=tuple(map(read_image, image or ()))))
    with open_hub_in_use(chosen_server(context)) as hub:
        entry = hub.resolve(model)
        given = {"seed": seed} if temperature is None else {"seed": seed, "temperature": temperature}
        sampling = msgspec.structs.replace(entry.defaults.sampling, **given)
        request = ChatRequest(messages=messages, max_tokens=max_tokens, sampling=sampling)
        follow(hub, entry.id, hub.load(entry.id))
        usage = _stream(hub, entry.id, request)
    if sys.stderr.isatty():
        speed = f"{usage.decode_tps:.1f} tokens/s, first token after {usage.ttft:.2f} s"
        typer.secho(f"{usage.completion_tokens} tokens, {speed}", err=True, dim=True)


def read_image(path: Path) -> bytes:
    """The bytes of an image, checked here, so that nothing is loaded in vain. Raises OminixError."""
    from ominix_core import images

    try:
        return images.read_image(path).data
    except images.ImageError as error:
        raise OminixError(f"{path}: {error}") from error


def text_or_stdin(text: str | None, command: str) -> str:
    """The text that was given, else what is piped into `command`. Raises OminixError if there is neither."""
    if text is not None:
        # an argument may hold bytes that are no characters
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if sys.stdin.isatty():
        raise OminixError(f'There is no text. Give one in quotes, or pipe it in: echo "Hello" | {command}')
    piped = sys.stdin.buffer.read().decode("utf-8", "replace").strip()
    if not piped:
        raise OminixError("Standard input is empty, and no text was given.")
    return piped


def _stream(hub: HubFacade, model_id: str, request: ChatRequest) -> Usage:
    from ominix_core.errors import RequestError
    from ominix_core.generation import Failed, Finished, TextDelta
    from ominix_tui.text import printable

    shown = printable if sys.stdout.isatty() else str  # a pipe gets what the model said, a terminal takes no orders
    usage: Usage | None = None
    for event in hub.generate(model_id, request):
        if isinstance(event, TextDelta):
            sys.stdout.write(shown(event.text))
            sys.stdout.flush()
        elif isinstance(event, Failed):
            raise RequestError(event.message, event.code)
        elif isinstance(event, Finished):
            usage = event.usage
    sys.stdout.write("\n")
    assert usage is not None
    return usage
