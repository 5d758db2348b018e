"""The image engine: one model, one denoising step at a time, several requests in turns."""

from __future__ import annotations

import logging
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ominix_core.engines.base import LoadOptions, LoadReport
from ominix_core.engines.diffusion.family import Plan, Step, Work
from ominix_core.engines.diffusion.model import ImageModel
from ominix_core.engines.diffusion.plans import plan_for
from ominix_core.engines.load_errors import explained
from ominix_core.engines.loading import refuse_settings
from ominix_core.engines.queued import QueuedEngine
from ominix_core.engines.tokenizer import split_as_written
from ominix_core.errors import RequestError
from ominix_core.generation import Failed, Finished, GenerationEvent, Request
from ominix_core.image_memory import ImageMemory
from ominix_core.media import Abilities, ImageMade, ImageRequest, ImageStep
from ominix_core.memory import gigabytes
from ominix_core.mlx_setup import open_file_limit_kept, prepare

if TYPE_CHECKING:
    import mlx.core as mx

logger = logging.getLogger(__name__)

SEEDS = 2**32


@dataclass
class _Running:
    """A request in work; `seconds` is what its current image has taken so far."""

    request_id: str
    plan: Plan
    count: int
    index: int = 0
    seconds: float = 0.0
    work: Work | None = field(default=None, repr=False)


class ImageEngine(QueuedEngine[_Running], ABC):
    """Requests take turns after each image, so that one for ten images does not keep the others waiting."""

    _model: ImageModel

    def __init__(self) -> None:
        super().__init__()
        self._room: int | None = None
        self._name = ""
        self._memory = ImageMemory()

    @abstractmethod
    def _create(self, folder: Path, variant: str, on_cpu: bool) -> ImageModel:
        """The model in `folder`, not read yet. Raises LoadError."""

    @property
    def abilities(self) -> Abilities:
        limits = self._model.limits
        return Abilities(options=limits.options, images=limits.sources)

    def load(self, folder: Path, options: LoadOptions, report: LoadReport) -> None:
        """Load the model in `folder`, in float32 on a CPU. Raises LoadError that names it."""
        refuse_settings(folder, options, "draft_folder", "adapter_folder")
        prepare()
        import mlx.core as mx

        report("reading")
        split_as_written(folder)
        with explained(folder, options, "mlx"), open_file_limit_kept():
            self._model = self._create(folder, options.variant, not mx.metal.is_available())
            self._model.load(options.bits, report)
        self._room = options.room
        self._name = folder.name
        self._memory = ImageMemory.of(folder, options.bits, dense_float32=not mx.metal.is_available())

    # -- requests -----------------------------------------------------------------------------------------------

    def submit(self, request_id: str, request: Request) -> None:
        """Queue a request. Raises RequestError if the model does not take what it asks for, or memory is too small."""
        if not isinstance(request, ImageRequest):
            raise RequestError("This model makes images; it does not write text.", "wrong_kind_of_model")
        seed = secrets.randbelow(SEEDS) if request.seed is None else request.seed
        plan = plan_for(request, self._model.limits, seed)
        self._queue.append(_Running(request_id, self._fitting(plan), request.count))

    def _fitting(self, plan: Plan) -> Plan:
        """The plan with what is only for speed left out where memory is short. Raises RequestError if it cannot fit."""
        if self._room is None:
            return plan
        sources = [source.width * source.height for source in plan.sources]
        for keep_encoder, tiled in ((True, False), (False, False), (False, True)):
            room = self._room + (0 if keep_encoder else self._memory.encoder)
            need = self._memory.bytes_for(plan.width, plan.height, sources=sources, tiled=tiled)
            if need <= room:
                return replace(plan, keep_encoder=keep_encoder, tiled=tiled)
        fits = self._memory.largest_square(room)
        advice = f"{fits}x{fits} would fit." if fits else "Unload another model first."
        raise RequestError(
            f"An image of {plan.width}x{plan.height} needs {gigabytes(need)} beside the model, but only "
            f"{gigabytes(room)} are left for it. {advice}",
            "unsupported_size",
        )

    def step(self) -> Iterator[tuple[str, GenerationEvent]]:
        """Do the next step of the request whose turn it is."""
        for running in self._cancelled:
            yield running.request_id, Finished("cancelled")
        self._cancelled.clear()
        if not self._queue:
            return
        running = self._queue[0]
        try:
            events = self._advance(running)
        except RequestError as error:
            self._queue.popleft()
            events = [Failed(str(error), error.code)]
        except Exception as error:  # this request is lost, the model is not
            logger.exception("an image step failed")
            self._queue.popleft()
            events = [Failed(f"The model failed on this image: {error}.")]
        for event in events:
            yield running.request_id, event

    def _advance(self, running: _Running) -> list[GenerationEvent]:
        started = time.perf_counter()
        if running.work is None:
            running.work = self._model.make(running.plan)
            running.seconds = 0.0
        try:
            step = next(running.work)
        except StopIteration as made:
            return self._finish_image(running, made.value, started)
        running.seconds += time.perf_counter() - started
        return [] if step is None else [_step_event(running.index, step)]

    def _finish_image(self, running: _Running, pixels: mx.array, started: float) -> list[GenerationEvent]:
        from ominix_core.engines.diffusion import png

        plan = running.plan
        data = png.encode(pixels, png.parameters(plan, self._name))
        made = ImageMade(
            index=running.index,
            png=data,
            width=plan.width,
            height=plan.height,
            steps=plan.steps,
            guidance=plan.guidance,
            seed=plan.seed,
            seconds=running.seconds + time.perf_counter() - started,
        )
        running.work = None
        running.index += 1
        running.plan = replace(plan, seed=(plan.seed + 1) % SEEDS)
        self._queue.popleft()
        if running.index == running.count:
            return [made, Finished("stop")]
        self._queue.append(running)
        return [made]

    # -- memory -------------------------------------------------------------------------------------------------

    def trim(self) -> None:
        self._model.trim()

    def _let_go(self, running: _Running) -> None:
        running.work = None


def _step_event(index: int, step: Step) -> ImageStep:
    from ominix_core.engines.diffusion import png

    preview = None if step.preview is None else png.encode(step.preview)
    return ImageStep(index, step.number, step.of, preview)


class Flux2Engine(ImageEngine):
    """FLUX.2 klein."""

    def _create(self, folder: Path, variant: str, on_cpu: bool) -> ImageModel:
        import mlx.core as mx

        from ominix_core.engines.diffusion.flux2 import Flux2

        return Flux2(folder, variant, mx.float32 if on_cpu else mx.bfloat16)


class ZImageEngine(ImageEngine):
    """Z-Image."""

    def _create(self, folder: Path, variant: str, on_cpu: bool) -> ImageModel:
        import mlx.core as mx

        from ominix_core.engines.diffusion.z_image import ZImage

        return ZImage(folder, variant, mx.float32 if on_cpu else None)
