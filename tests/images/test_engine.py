"""Images through the Hub: the same seed gives the same image, whatever came before; bad wishes are told."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ominix_core.engines.base import LoadOptions
from ominix_core.engines.diffusion.family import Limits, Plan
from ominix_core.engines.diffusion.plans import plan_for
from ominix_core.engines.image import Flux2Engine, ImageEngine, ZImageEngine
from ominix_core.errors import LoadError, RequestError
from ominix_core.generation import Failed, Finished, GenerationEvent
from ominix_core.hub import Hub
from ominix_core.image_memory import ImageMemory
from ominix_core.media import ImageMade, ImageRequest, ImageStep
from ominix_core.paths import Home
from ominix_core.settings import Settings
from ominix_core.states import Loaded
from tests.images.conftest import image_entry
from tests.support.chat import ask, collect


def asked(**wishes: Any) -> ImageRequest:
    """A small image in two steps."""
    settings: dict[str, Any] = {"prompt": "a red fox", "width": 64, "height": 64, "steps": 2, "seed": 5}
    return ImageRequest(**(settings | wishes))


def images(events: Iterator[GenerationEvent] | list[GenerationEvent]) -> list[ImageMade]:
    collected = list(events)
    assert isinstance(collected[-1], Finished), collected[-1]
    return [event for event in collected if isinstance(event, ImageMade)]


def one(hub: Hub, model: str = "flux", **wishes: Any) -> ImageMade:
    (image,) = images(iter(hub.generate(model, asked(**wishes))))
    return image


def refusal(hub: Hub, model: str = "flux", **wishes: Any) -> Failed:
    last = list(hub.generate(model, asked(**wishes)))[-1]
    assert isinstance(last, Failed)
    return last


@pytest.fixture
def flux(image_hub: Hub) -> Hub:
    image_hub.load("flux").result(60)
    return image_hub


def picture(side: int = 64, color: str = "teal", *, height: int | None = None) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, height or side), color).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("model", ["flux", "z"])
class TestBothFamilies:
    def test_the_seed_gives_the_identical_image_again_also_after_a_cancel(self, image_hub: Hub, model: str) -> None:
        image_hub.load(model).result(60)
        first = one(image_hub, model)
        running = image_hub.generate(model, asked(steps=100, count=10, seed=9))
        for event in running:
            if isinstance(event, ImageStep):
                running.cancel()
            last = event
        assert last == Finished("cancelled")
        assert one(image_hub, model).png == first.png
        assert one(image_hub, model, seed=6).png != first.png

    def test_progress_previews_and_metadata(self, image_hub: Hub, model: str) -> None:
        image_hub.load(model).result(60)
        events = list(image_hub.generate(model, asked(prompt="ein Fuchs — 狐", steps=3, width=96, previews=True)))
        steps = [event for event in events if isinstance(event, ImageStep)]
        assert [(step.index, step.step, step.steps) for step in steps] == [(0, 1, 3), (0, 2, 3), (0, 3, 3)]
        shown = Image.open(io.BytesIO(steps[0].preview or b""))
        assert shown.size == (96, 64)
        assert steps[-1].preview is None  # the image itself follows
        (made,) = images(events)
        assert made.seconds > 0
        image = Image.open(io.BytesIO(made.png))
        assert image.size == (made.width, made.height) == (96, 64)
        written = {"prompt": "ein Fuchs — 狐", "seed": "5", "steps": "3", "guidance": f"{made.guidance:g}"}
        assert image.info.items() >= written.items()

    def test_several_images_count_the_seed_up(self, image_hub: Hub, model: str) -> None:
        image_hub.load(model).result(60)
        made = images(iter(image_hub.generate(model, asked(count=3))))
        assert [(image.index, image.seed) for image in made] == [(0, 5), (1, 6), (2, 7)]
        assert one(image_hub, model, seed=7).png == made[2].png

    def test_a_seed_is_drawn_and_told(self, image_hub: Hub, model: str) -> None:
        image_hub.load(model).result(60)
        drawn = one(image_hub, model, seed=None)
        assert one(image_hub, model, seed=drawn.seed).png == drawn.png

    def test_an_image_to_start_from(self, image_hub: Hub, model: str) -> None:
        image_hub.load(model).result(60)
        teal = one(image_hub, model, sources=(picture(color="teal"),), steps=4)
        assert teal.png == one(image_hub, model, sources=(picture(color="teal"),), steps=4).png
        assert teal.png != one(image_hub, model, sources=(picture(color="orange"),), steps=4).png
        assert teal.png != one(image_hub, model, steps=4).png
        assert one(image_hub, model, sources=(picture(160),), width=None, height=None).width == 160

    def test_weights_are_quantized_at_load(
        self, home: Home, image_hub: Hub, model: str, tiny_flux2: Path, tiny_z_image: Path
    ) -> None:
        image_hub.load(model).result(60)
        dense = image_hub.state(model)
        image_hub.unload(model)
        with Hub(home, Settings(isolation="thread", quantize={model: 8})) as hub:
            hub.load(model).result(60)
            small = hub.state(model)
            assert one(hub, model).png != b""
        assert isinstance(dense, Loaded)
        assert isinstance(small, Loaded)
        assert small.memory_bytes < dense.memory_bytes


class TestRequests:
    @pytest.mark.parametrize(
        ("wishes", "code", "words"),
        [
            ({"prompt": " "}, "invalid_input", "prompt is empty"),
            ({"prompt": "fox " * 300}, "context_length_exceeded", "this model reads 512"),
            ({"width": 500}, "invalid_input", "multiple of 16 from 64 to 2048, not 500. 496 would be right"),
            ({"height": 4096}, "invalid_input", "not 4096. 2048 would be right"),
            ({"width": 0}, "invalid_input", "not 0. 64 would be right"),
            ({"steps": 0}, "invalid_input", "steps must be from 1 to 100, not 0"),
            ({"count": 11}, "invalid_input", "count must be from 1 to 10"),
            ({"seed": -1}, "invalid_input", "seed must be from 0"),
            ({"guidance": 7.5}, "unsupported_option", "always works with guidance 1"),
            ({"negative_prompt": "blurry"}, "unsupported_option", "does not use a negative prompt"),
            ({"strength": 0.5}, "unsupported_option", "does not use a strength"),
            ({"sources": (b"GIF89a",)}, "invalid_image", "GIF"),
            ({"sources": (picture(),) * 5}, "too_many_images", "takes 4 images to start from, not 5"),
            ({"sources": (picture(60),)}, "invalid_image", "at least 64 pixels on each side .* this one is 60x60"),
            ({"sources": (picture(640, height=64),)}, "invalid_image", "at most 8 times as long as wide"),
        ],
    )
    def test_what_cannot_be_is_told(self, flux: Hub, wishes: dict[str, Any], code: str, words: str) -> None:
        failed = refusal(flux, **wishes)
        assert failed.code == code
        assert re.search(words, failed.message)

    def test_every_image_to_start_from_is_seen(self, flux: Hub) -> None:
        teal, orange = picture(), picture(color="orange", height=96)
        both = one(flux, sources=(teal, orange))
        assert both.png not in (one(flux, sources=(orange, teal)).png, one(flux, sources=(teal,)).png)

    def test_the_size_of_an_image_to_start_from_is_its_own(self) -> None:
        limits = Limits(("sources",), 4, 1.0, sources=2, own_sizes=True)
        large, odd = picture(2400, height=1200), picture(100, height=70)
        plan = plan_for(ImageRequest(prompt="a fox", sources=(large, odd)), limits, 1)
        assert [source.size for source in plan.sources] == [(1440, 720), (96, 64)]
        assert (plan.width, plan.height) == (1456, 720)

    def test_one_image_to_start_from_is_all_that_some_take(self, image_hub: Hub) -> None:
        image_hub.load("z").result(60)
        abilities = image_hub.abilities("z")
        assert abilities is not None
        assert abilities.images == 1
        assert "takes one image to start from, not 2" in refusal(image_hub, "z", sources=(picture(),) * 2).message

    def test_a_negative_prompt_without_guidance_is_not_ignored(self, image_hub: Hub) -> None:
        image_hub.load("flux-base").result(60)
        failed = refusal(image_hub, "flux-base", guidance=1.0, negative_prompt="blurry")
        assert "needs guidance above 1" in failed.message

    def test_guidance_and_negative_prompts_where_the_model_honours_them(self, image_hub: Hub) -> None:
        image_hub.load("flux-base").result(60)
        abilities = image_hub.abilities("flux-base")
        assert abilities is not None
        assert {"guidance", "negative_prompt"} <= set(abilities.options)
        plain = one(image_hub, "flux-base", guidance=3.0)
        assert plain.guidance == 3.0
        assert one(image_hub, "flux-base", guidance=3.0, negative_prompt="blurry").png != plain.png

    def test_the_usual_guidance_may_be_said(self, flux: Hub) -> None:
        assert one(flux, guidance=1.0).guidance == 1.0

    def test_a_conversation_is_refused(self, flux: Hub) -> None:
        _, end = collect(flux.generate("flux", ask("hello")))
        assert isinstance(end, Failed)
        assert end.code == "wrong_kind_of_model"

    def test_requests_take_turns_after_each_image(self, flux: Hub) -> None:
        many = flux.generate("flux", asked(count=4))
        single = flux.generate("flux", asked(seed=99))
        assert images(iter(single))[0].seed == 99
        assert len(images(iter(many))) == 4


class TestMemory:
    def engine(self, folder: Path, room: int | None, encoder: int = 0) -> Flux2Engine:
        engine = Flux2Engine()
        engine.load(folder, LoadOptions(variant="klein-4b", room=room), lambda *_: None)
        engine._memory = replace(engine._memory, encoder=encoder)
        return engine

    def test_an_image_that_cannot_fit_is_refused_with_the_numbers(self, tiny_flux2: Path) -> None:
        engine = self.engine(tiny_flux2, 400_000_000)
        with pytest.raises(RequestError, match=r"2048x2048 needs .* GB beside the model, but only 0\.4 GB") as refused:
            engine.submit("a", asked(width=2048, height=2048))
        assert refused.value.code == "unsupported_size"
        assert "256x256 would fit" in str(refused.value)
        engine.submit("b", asked())
        assert engine.running == 1
        engine.close()

    @pytest.mark.slow
    def test_where_memory_is_short_the_text_encoder_goes_and_then_the_image_is_decoded_in_pieces(
        self, tiny_flux2: Path
    ) -> None:
        need = ImageMemory.of(tiny_flux2, dense_float32=True).bytes_for(64, 64)
        ample, tight, tightest = (self.engine(tiny_flux2, room, need) for room in (None, need - 1, need))
        made = [self.make(engine) for engine in (ample, tight, tightest)]
        assert made[0] == made[1] == made[2]
        plan = plan_for(asked(width=1024, height=1024), ample._model.limits, 1)
        assert not tight._fitting(replace(plan, width=64, height=64)).keep_encoder
        roomy = self.engine(tiny_flux2, tight._memory.bytes_for(1024, 1024, tiled=True))
        assert roomy._fitting(plan).tiled
        for engine in (ample, tight, tightest, roomy):
            engine.close()

    def make(self, engine: Flux2Engine) -> list[bytes]:
        """Two images of different prompts."""
        made = []
        for prompt in ("a fox", "a hare"):
            engine.submit(prompt, asked(prompt=prompt))
            while engine.busy:
                made += [event.png for _, event in engine.step() if isinstance(event, ImageMade)]
        return made

    @pytest.mark.parametrize("family", ["flux2", "z_image"])
    def test_pieces_make_the_same_picture_size(
        self, tiny_flux2: Path, tiny_z_image: Path, monkeypatch: pytest.MonkeyPatch, family: str
    ) -> None:
        engine = Flux2Engine() if family == "flux2" else ZImageEngine()
        monkeypatch.setattr(f"ominix_core.engines.diffusion.{family}.TILE", 64)
        monkeypatch.setattr(f"ominix_core.engines.diffusion.{family}.TILE_OVERLAP", 16)
        engine.load(tiny_flux2 if family == "flux2" else tiny_z_image, LoadOptions(), lambda *_: None)
        plan = plan_for(asked(width=96), engine._model.limits, 1)
        whole, pieces = (self.pixels(engine, replace(plan, tiled=tiled)) for tiled in (False, True))
        assert pieces.shape == whole.shape == (64, 96, 3)
        assert np.abs(pieces.astype(int) - whole.astype(int)).mean() < 64
        engine.close()

    def pixels(self, engine: ImageEngine, plan: Plan) -> np.ndarray[Any, np.dtype[np.uint8]]:
        work = engine._model.make(plan)
        while True:
            try:
                next(work)
            except StopIteration as made:
                return np.array(made.value)


class TestLoading:
    def test_progress_is_in_bytes(self, image_hub: Hub, tiny_flux2: Path) -> None:
        reports: list[tuple[str, int, int]] = []
        engine = Flux2Engine()
        engine.load(tiny_flux2, LoadOptions(), lambda stage, done=0, total=0: reports.append((stage, done, total)))
        stages = [(done, total) for stage, done, total in reports if stage == "loading weights"]
        assert stages[0][0] == 0
        assert stages[-1][0] == stages[-1][1] == pytest.approx(_size(tiny_flux2), rel=0.05)
        assert len(stages) > 20
        engine.close()

    @pytest.mark.parametrize("model", ["flux", "z"])
    def test_an_unknown_variant_is_told(
        self, home: Home, add_models: Callable[..., None], tiny_flux2: Path, tiny_z_image: Path, model: str
    ) -> None:
        folder, engine = (tiny_flux2, "flux2") if model == "flux" else (tiny_z_image, "z-image")
        add_models(image_entry("odd", folder, engine, "nonsense"))
        with Hub(home, Settings(isolation="thread")) as hub, pytest.raises(LoadError, match="no variant 'nonsense'"):
            hub.load("odd").result(60)

    @pytest.mark.parametrize("part", ["transformer", "text_encoder", "vae"])
    def test_a_missing_part_is_told(
        self, tmp_path: Path, home: Home, add_models: Callable[..., None], tiny_flux2: Path, part: str
    ) -> None:
        import shutil

        folder = Path(shutil.copytree(tiny_flux2, tmp_path / "broken"))
        for weights in (folder / part).glob("*.safetensors"):
            weights.unlink()
        add_models(image_entry("broken", folder, "flux2", "klein-4b"))
        with Hub(home, Settings(isolation="thread")) as hub, pytest.raises(LoadError, match=f"no weights in {part}"):
            hub.load("broken").result(60)

    def test_a_folder_of_another_family_is_told(
        self, home: Home, add_models: Callable[..., None], tiny_z_image: Path
    ) -> None:
        add_models(image_entry("odd", tiny_z_image, "flux2", "klein-4b"))
        with Hub(home, Settings(isolation="thread")) as hub, pytest.raises(LoadError, match="files"):
            hub.load("odd").result(60)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.safetensors"))


def test_weights_without_numbers_make_no_black_image(
    home: Home, add_models: Callable[..., None], tmp_path: Path, tiny_flux2: Path
) -> None:
    import shutil

    import mlx.core as mx

    folder = shutil.copytree(tiny_flux2, tmp_path / "ill")
    (path,) = (folder / "transformer").glob("*.safetensors")
    weights = mx.load(str(path))
    assert isinstance(weights, dict)
    name = next(name for name in weights if name.startswith("transformer_blocks.0.") and name.endswith(".weight"))
    mx.save_safetensors(str(path), weights | {name: mx.full(weights[name].shape, float("nan"))})
    add_models(image_entry("ill", folder, "flux2", "klein-4b"))
    with Hub(home, Settings(isolation="thread")) as hub:
        hub.load("ill").result(60)
        assert "yield no numbers (NaN)" in refusal(hub, "ill").message
