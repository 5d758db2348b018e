"""The command that makes images: image."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ominix_core.errors import OminixError
from ominix_tui.commands.models import read_image

if TYPE_CHECKING:
    from ominix_core.facade import HubFacade
    from ominix_core.media import ImageMade, ImageRequest
    from ominix_core.registry.entry import RegistryEntry

WIDEST_PICTURE = 80
QUALITY = 95
"""Of JPEG and WebP files, in 0..100."""


def image(
    context: typer.Context,
    prompt: Annotated[str, typer.Argument(help="What the image shows.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where it goes: a .png, .jpg or .webp; image-SEED.png if left out."),
    ] = None,
    model: Annotated[str, typer.Option(help="The image model; the one that is on this machine if left out.")] = "",
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT in pixels; the model's own if left out.")] = "",
    steps: Annotated[int | None, typer.Option(help="Denoising steps.")] = None,
    guidance: Annotated[float | None, typer.Option(help="How strictly to follow the prompt.")] = None,
    negative_prompt: Annotated[str | None, typer.Option(help="What the image shall not show.")] = None,
    seed: Annotated[int | None, typer.Option(min=-1, help="Makes the image repeatable; -1 draws one.")] = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=10, help="How many images.")] = 1,
    sources: Annotated[
        list[Path] | None, typer.Option("--image", help="An image to start from; FLUX.2 takes several.")
    ] = None,
    strength: Annotated[float | None, typer.Option(help="How far to leave that image, in 0..1.")] = None,
) -> None:
    """Make an image, save it, and show it in a terminal that can."""
    from ominix_core.image_formats import SUFFIXES, format_of
    from ominix_core.media import ImageRequest
    from ominix_tui.commands.choice import choose
    from ominix_tui.commands.progress import follow
    from ominix_tui.commands.session import chosen_server, open_hub_in_use

    width, height = _parsed(size)
    if output is not None and format_of(output) is None:
        raise typer.BadParameter(f"'{output}' should end with {', '.join(SUFFIXES)}.", param_hint="--output")
    request = ImageRequest(
        prompt=prompt,
        negative_prompt=negative_prompt,
        width=width,
        height=height,
        steps=steps,
        guidance=guidance,
        seed=None if seed == -1 else seed,
        count=count,
        sources=tuple(map(read_image, sources or ())),
        strength=strength,
    )
    with open_hub_in_use(chosen_server(context)) as hub:
        entry = choose(hub, model, "ImageGen")
        follow(hub, entry.id, hub.load(entry.id))
        made: list[ImageMade] = []
        try:
            _make(hub, entry, request, made)
        finally:  # the first images are not lost with the one that fails
            for picture in made:
                _keep(hub, picture, _path_for(output, picture))


def _parsed(size: str) -> tuple[int | None, int | None]:
    if not size:
        return None, None
    width, cross, height = size.lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal()):
        raise typer.BadParameter(
            f"'{size}' is no size. Write it as WIDTHxHEIGHT, such as 512x512.", param_hint="--size"
        )
    return int(width), int(height)


def _make(hub: HubFacade, entry: RegistryEntry, request: ImageRequest, made: list[ImageMade]) -> None:
    """Add each image to `made` once it is done."""
    from ominix_core.errors import RequestError
    from ominix_core.generation import Failed
    from ominix_core.media import ImageMade, ImageStep
    from ominix_tui.commands.progress import steps_shown

    with steps_shown(entry.name) as show:
        for event in hub.generate(entry.id, request):
            if isinstance(event, ImageStep):
                show(event.step + event.index * event.steps, event.steps * request.count)
            elif isinstance(event, ImageMade):
                made.append(event)
            elif isinstance(event, Failed):
                raise RequestError(event.message, event.code)


def _path_for(output: Path | None, picture: ImageMade) -> Path:
    """Where the picture goes; all but the first get a number."""
    path = output or Path(f"image-{picture.seed - picture.index}.png")
    return path if picture.index == 0 else path.with_stem(f"{path.stem}-{picture.index + 1}")


def _keep(hub: HubFacade, picture: ImageMade, path: Path) -> None:
    """Write the picture, say where and what it was made with, and show it in a terminal that can."""
    from ominix_core.image_formats import format_of, in_format

    try:
        path.write_bytes(in_format(picture.png, format_of(path) or "png", QUALITY))
    except OSError as error:
        raise OminixError(f"Cannot write {path}: {error.strerror}.") from error
    typer.echo(str(path))
    facts = f"seed {picture.seed}, {picture.steps} steps, {picture.seconds:.1f} s"
    typer.secho(facts, err=True, dim=sys.stderr.isatty())
    if sys.stdout.isatty():
        _show(hub, picture)


def _show(hub: HubFacade, picture: ImageMade) -> None:
    """Draw the picture below what the terminal shows."""
    from rich.console import Console
    from rich.segment import Segments

    from ominix_core.images import open_image
    from ominix_tui import terminal_images
    from ominix_tui.pictures import paint

    terminal_images.prepare(hub.settings.images)
    if terminal_images.mode() == "off":
        return
    console = Console()
    columns, rows = min(console.width, WIDEST_PICTURE), max(1, min(console.height - 2, WIDEST_PICTURE // 2))
    painted = paint(open_image(picture.png), columns, rows, terminal_images.mode())
    if painted.sixels:
        sys.stdout.write(f"{painted.sixels}\n")
        return
    for line in painted.lines:
        console.print(Segments(line))
