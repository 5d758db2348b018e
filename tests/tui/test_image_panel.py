"""The panel of image models, by keyboard: on a tiny real model, and with scripted answers."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from textual.events import Paste
from textual.pilot import Pilot
from textual.widgets import Button, Input, Label, Select

from ominix_core.generation import Failed, Finished
from ominix_core.hub import Hub
from ominix_core.media import Abilities, ImageMade, ImageRequest, ImageStep
from ominix_core.memory import Machine
from ominix_core.paths import Home
from ominix_core.registry.catalogue import Registry
from ominix_core.registry.entry import RegistryEntry
from ominix_core.registry.entry_json import read_entry
from ominix_core.settings import Settings
from ominix_core.states import Loaded
from ominix_core.stream import Generation
from ominix_core.system import System
from ominix_tui.app import OminixApp
from ominix_tui.panels.image_generation import ImageGenerationPanel
from ominix_tui.widgets.attachments import Attachments
from ominix_tui.widgets.image_stage import ImageStage
from ominix_tui.widgets.image_view import ImageView
from ominix_tui.widgets.prompt_area import PromptArea
from tests.images.conftest import image_entry
from tests.support.tiny_images import make_tiny_flux2, make_tiny_z_image
from tests.tui.support import set_state, until, until_connected

OPTIONS = ("width", "height", "steps", "seed", "count", "sources", "previews")
SIZES = [(80, 24), (120, 40)]


@pytest.fixture(scope="session")
def tiny_flux2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_flux2(tmp_path_factory.mktemp("models") / "tiny-flux2")


@pytest.fixture(scope="session")
def tiny_z_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_z_image(tmp_path_factory.mktemp("models") / "tiny-z-image")


@pytest.fixture
def entry(tiny_flux2: Path) -> RegistryEntry:
    """The one model of the hub."""
    return read_entry(image_entry("flux", tiny_flux2, "flux2", "klein-4b", name="FLUX.2-klein 4B"))


@pytest.fixture
def hub(home: Home, entry: RegistryEntry) -> Iterator[Hub]:
    """A hub that knows one image model, on a machine that is always the same."""
    machine = Machine(32_000_000_000, 20_400_000_000)
    with Hub(home, Settings(isolation="thread"), Registry([entry])) as hub:
        system = System(machine, {"flux": 8_100_000_000}, 1_000_000_000_000, 412_000_000_000, "balanced")
        hub.system = lambda: system  # type: ignore[method-assign]
        yield hub


def panel(pilot: Pilot[None]) -> ImageGenerationPanel:
    return next(panel for panel in pilot.app.screen.query(ImageGenerationPanel) if panel.display)


def shown(pilot: Pilot[None], selector: str) -> str:
    label = panel(pilot).query_one(selector, Label)
    return str(label.render()) if label.display else ""


def figures(pilot: Pilot[None]) -> str:
    return str(panel(pilot).query_one("#stage").border_subtitle)


def png(color: str = "teal") -> bytes:
    file = io.BytesIO()
    image = Image.new("RGB", (64, 64), color)
    image.paste("white", (8, 8, 24, 24))
    image.save(file, "PNG")
    return file.getvalue()


def made(seed: int = 5, **facts: Any) -> ImageMade:
    known: dict[str, Any] = {"width": 64, "height": 64, "steps": 2, "guidance": 1.0, "seconds": 12.34}
    return ImageMade(index=0, png=png(), seed=seed, **(known | facts))


class Script:
    """Answers every request of a hub with a stream that the test fills."""

    def __init__(self, hub: Hub, options: tuple[str, ...] = OPTIONS, sources: int = 1) -> None:
        self.requests: list[ImageRequest] = []
        self.streams: list[Generation] = []
        self.cancelled: list[str] = []
        hub.abilities = lambda model_id: Abilities(options=options, images=sources)  # type: ignore[method-assign]
        hub.generate = self.generate  # type: ignore[method-assign, assignment]
        set_state(hub, "flux", Loaded())

    def generate(self, model_id: str, request: ImageRequest) -> Generation:
        self.requests.append(request)
        self.streams.append(Generation(str(len(self.streams)), self.cancelled.append))
        return self.streams[-1]

    def put(self, *events: Any) -> None:
        for event in events:
            self.streams[-1].put(event)


@pytest.fixture
def script(hub: Hub) -> Script:
    return Script(hub)


@pytest.fixture
def app(hub: Hub) -> OminixApp:
    return OminixApp(lambda: hub, "flux", load_initial=False)


async def ask(pilot: Pilot[None], prompt: str = "a red fox") -> None:
    await until_connected(pilot)
    panel(pilot).focus_first()
    panel(pilot).query_one(PromptArea).text = prompt
    await pilot.pause()
    await pilot.press("enter")


class TestOnARealModel:
    @pytest.fixture(params=["flux2", "z-image"])
    def entry(self, request: pytest.FixtureRequest, tiny_flux2: Path, tiny_z_image: Path) -> RegistryEntry:
        folder, variant = (tiny_flux2, "klein-4b") if request.param == "flux2" else (tiny_z_image, "turbo")
        return read_entry(image_entry("flux", folder, request.param, variant))

    async def test_load_make_save_and_make_again(self, app: OminixApp, hub: Hub, home: Home) -> None:
        async with app.run_test(size=(100, 30)) as pilot:
            await until_connected(pilot)
            await pilot.press("l")
            await until(pilot, lambda: isinstance(hub.state("flux"), Loaded))
            await until(pilot, lambda: not panel(pilot).query_one("#generate").disabled)
            panel(pilot).query_one("#seed Input", Input).value = "5"
            await ask(pilot)
            await until(pilot, lambda: "seed 5 · 2 steps" in figures(pilot))
            await until(pilot, lambda: panel(pilot).query_one(ImageView).shows_picture)
            await pilot.press("ctrl+s")
            await until(pilot, lambda: list(home.outputs.glob("flux-5-*.png")))
            (saved,) = home.outputs.glob("flux-5-*.png")
            assert Image.open(io.BytesIO(saved.read_bytes())).info["prompt"] == "a red fox"
            await pilot.press("ctrl+r")
            await until(pilot, lambda: len(panel(pilot).query_one(ImageStage).takes) == 2)
            assert "seed 5 ·" not in figures(pilot)

    async def test_stop_frees_the_model_and_the_seed_gives_the_same_again(self, app: OminixApp, hub: Hub) -> None:
        hub.load("flux").result(60)
        async with app.run_test(size=(100, 30)) as pilot:
            await until_connected(pilot)
            stage = panel(pilot).query_one(ImageStage)
            panel(pilot).query_one("#seed Input", Input).value = "7"
            await ask(pilot)
            await until(pilot, lambda: stage.takes)
            panel(pilot).query_one("#steps Input", Input).value = "100"
            await pilot.press("enter")
            await until(pilot, lambda: "step" in figures(pilot))
            await pilot.press("escape")
            await until(pilot, lambda: "stopped" in str(stage.border_title))
            panel(pilot).query_one("#steps Input", Input).value = "2"
            await pilot.press("enter")
            await until(pilot, lambda: len(stage.takes) == 2)
            assert stage.takes[0].image.png == stage.takes[1].image.png


class TestForm:
    async def test_what_the_form_asks_for(self, app: OminixApp, script: Script) -> None:
        async with app.run_test() as pilot:
            await until_connected(pilot)
            panel(pilot).query_one("#size", Select).value = "96x64"
            panel(pilot).query_one("#steps Input", Input).value = "3"
            panel(pilot).query_one("#seed Input", Input).value = "12"
            await ask(pilot)
            assert script.requests == [
                ImageRequest(prompt="a red fox", width=96, height=64, steps=3, seed=12, previews=True)
            ]

    async def test_what_the_model_does_not_honour_is_hidden_and_why(self, app: OminixApp, script: Script) -> None:
        async with app.run_test() as pilot:
            await until_connected(pilot)
            await until(pilot, lambda: shown(pilot, "#note"))
            assert shown(pilot, "#note") == "Distilled: no CFG, no negatives."
            assert not panel(pilot).query_one("#guidance").display
            assert not panel(pilot).query_one("#negative-row").display

    async def test_a_model_that_honours_them_gets_them(self, app: OminixApp, hub: Hub) -> None:
        script = Script(hub, (*OPTIONS, "guidance", "negative_prompt"))
        async with app.run_test() as pilot:
            await until_connected(pilot)
            await until(pilot, lambda: panel(pilot).query_one("#negative-row").display)
            panel(pilot).query_one("#negative", Input).value = "blurry"
            panel(pilot).query_one("#guidance Input", Input).value = "3.5"
            await ask(pilot)
            assert (script.requests[0].negative_prompt, script.requests[0].guidance) == ("blurry", 3.5)

    @pytest.mark.parametrize(
        ("field", "typed", "words"),
        [
            ("#seed Input", "x", "Seed must be a whole number from 0 to 4,294,967,295"),
            ("#seed Input", "4294967296", "Seed must be a whole number"),
            ("#steps Input", "0", "Steps must be a whole number from 1 to 100"),
            ("#steps Input", "", "Steps must be a whole number"),
        ],
    )
    async def test_bad_values_are_told_at_the_field(
        self, app: OminixApp, script: Script, field: str, typed: str, words: str
    ) -> None:
        async with app.run_test() as pilot:
            await until_connected(pilot)
            panel(pilot).query_one(field, Input).value = typed
            await ask(pilot)
            assert words in shown(pilot, "#problem")
            assert panel(pilot).query_one(field, Input).has_focus
            assert script.requests == []

    async def test_an_empty_prompt_is_asked_for(self, app: OminixApp, script: Script) -> None:
        async with app.run_test() as pilot:
            await ask(pilot, "  ")
            assert shown(pilot, "#problem") == "Type a prompt first."

    async def test_a_model_that_is_not_loaded_says_so(self, app: OminixApp) -> None:
        async with app.run_test() as pilot:
            await ask(pilot)
            assert "is not loaded" in shown(pilot, "#problem")
            assert panel(pilot).query_one("#generate", Button).disabled


class TestSource:
    async def test_a_dropped_image_is_what_the_new_one_starts_from(
        self, app: OminixApp, script: Script, tmp_path: Path
    ) -> None:
        (tmp_path / "in.png").write_bytes(png())
        async with app.run_test(size=(100, 30)) as pilot:
            await until_connected(pilot)
            await until(pilot, lambda: panel(pilot).query_one(Attachments).display)
            area = panel(pilot).query_one(PromptArea)
            area.focus()
            area.post_message(Paste(str(tmp_path / "in.png")))
            await until(pilot, lambda: panel(pilot).query_one(Attachments).images)
            await ask(pilot)
            await until(pilot, lambda: script.requests)
            assert script.requests[0].sources == (png(),)
            script.put(Finished("cancelled"))
            await pilot.click("Chip")
            await until(pilot, lambda: not panel(pilot).query_one(Attachments).images)

    async def test_several_images_where_the_model_combines_them(self, app: OminixApp, hub: Hub, tmp_path: Path) -> None:
        script = Script(hub, sources=2)
        images = [png(color) for color in ("teal", "orange", "red")]
        paths = [tmp_path / f"{index}.png" for index in range(3)]
        for path, image in zip(paths, images, strict=True):
            path.write_bytes(image)
        async with app.run_test(size=(100, 30)) as pilot:
            await until_connected(pilot)
            await until(pilot, lambda: panel(pilot).query_one(Attachments).display)
            row = panel(pilot).query_one(Attachments)
            row.attach(paths)
            await until(pilot, lambda: "The model takes 2 images" in shown(pilot, "#problem"))
            await ask(pilot)
            await until(pilot, lambda: script.requests)
            assert script.requests[0].sources == tuple(images[:2])
            script.put(Finished("cancelled"))

    async def test_what_is_no_image_is_told(self, app: OminixApp, script: Script, tmp_path: Path) -> None:
        (tmp_path / "in.png").write_bytes(b"<svg></svg>")
        async with app.run_test(size=(100, 30)) as pilot:
            await until_connected(pilot)
            panel(pilot).query_one(Attachments).attach([tmp_path / "in.png"])
            await until(pilot, lambda: "SVG" in shown(pilot, "#problem"))

    async def test_a_model_that_cannot_start_from_an_image_offers_none(self, app: OminixApp, hub: Hub) -> None:
        Script(hub, tuple(option for option in OPTIONS if option != "sources"), 0)
        async with app.run_test() as pilot:
            await until_connected(pilot)
            await until(pilot, lambda: shown(pilot, "#note"))
            assert not panel(pilot).query_one(Attachments).display


class TestImages:
    async def test_progress_preview_and_measured_seconds(self, app: OminixApp, script: Script) -> None:
        async with app.run_test(size=(100, 30)) as pilot:
            await ask(pilot)
            await until(pilot, lambda: figures(pilot).startswith("reading the prompt"))
            script.put(ImageStep(0, 1, 2, png("orange")))
            await until(pilot, lambda: figures(pilot).startswith("step 1 of 2"))
            await until(pilot, lambda: panel(pilot).query_one(ImageView).shows_picture)
            script.put(ImageStep(0, 2, 2), made(), Finished("stop"))
            await until(pilot, lambda: figures(pilot) == "64×64 · seed 5 · 2 steps · 12.3 s")

    async def test_the_gallery_shows_earlier_images(self, app: OminixApp, script: Script) -> None:
        async with app.run_test(size=(100, 30)) as pilot:
            for seed in (5, 6, 7):
                await ask(pilot)
                script.put(made(seed), Finished("stop"))
                await until(pilot, lambda seed=seed: f"seed {seed}" in figures(pilot))
            panel(pilot).query_one("#gallery").focus()
            await pilot.press("left")
            await until(pilot, lambda: "seed 6" in figures(pilot))
            assert str(panel(pilot).query_one("#gallery").render()) == "‹ 2 of 3 ›"
            await pilot.press("left", "left")
            await until(pilot, lambda: "seed 5" in figures(pilot))

    async def test_a_failure_is_told_and_keeps_the_last_image(self, app: OminixApp, script: Script) -> None:
        async with app.run_test(size=(100, 30)) as pilot:
            await ask(pilot)
            script.put(made(), Finished("stop"))
            await until(pilot, lambda: "seed 5" in figures(pilot))
            await pilot.press("ctrl+g")
            script.put(Failed("It needs [9.1 GB] beside the model."))
            await until(pilot, lambda: shown(pilot, "#problem") == "It needs [9.1 GB] beside the model.")
            assert "seed 5" in figures(pilot)

    async def test_escape_cancels(self, app: OminixApp, script: Script) -> None:
        async with app.run_test() as pilot:
            await ask(pilot)
            await pilot.press("escape")
            assert script.cancelled == ["0"]
            script.put(Finished("cancelled"))
            await until(pilot, lambda: "stopped" in str(panel(pilot).query_one("#stage").border_title))
            assert not panel(pilot).query_one(ImageView).display

    async def test_the_prompt_is_copied(self, app: OminixApp, script: Script) -> None:
        async with app.run_test() as pilot:
            await ask(pilot)
            script.put(made(), Finished("stop"))
            await until(pilot, lambda: "seed 5" in figures(pilot))
            panel(pilot).query_one(PromptArea).text = "another"
            panel(pilot).query_one("#save").focus()
            await pilot.press("c")
            assert app.clipboard == "a red fox"

    async def test_again_draws_another_seed(self, app: OminixApp, script: Script) -> None:
        async with app.run_test() as pilot:
            await until_connected(pilot)
            panel(pilot).query_one("#seed Input", Input).value = "5"
            await ask(pilot)
            script.put(made(), Finished("stop"))
            await until(pilot, lambda: "seed 5" in figures(pilot))
            await pilot.press("ctrl+r")
            await until(pilot, lambda: [request.seed for request in script.requests] == [5, None])


class TestPictures:
    @pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40"])
    def test_an_image(self, app: OminixApp, script: Script, snap_compare: Any, size: tuple[int, int]) -> None:
        async def act(pilot: Pilot[None]) -> None:
            for seed in (4, 5):
                await ask(pilot, "A red fox in the snow, late light")
                script.put(made(seed), Finished("stop"))
                await until(pilot, lambda seed=seed: f"seed {seed}" in figures(pilot))
            await until(pilot, lambda: panel(pilot).query_one(ImageView).shows_picture)

        assert snap_compare(app, run_before=act, terminal_size=size)

    @pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40"])
    def test_everything_offered(self, app: OminixApp, hub: Hub, snap_compare: Any, size: tuple[int, int]) -> None:
        script = Script(hub, (*OPTIONS, "guidance", "negative_prompt"))

        async def act(pilot: Pilot[None]) -> None:
            await until_connected(pilot)
            await until(pilot, lambda: panel(pilot).query_one("#negative-row").display)
            panel(pilot).query_one("#seed Input", Input).value = "x"
            await ask(pilot)
            assert script.requests == []

        assert snap_compare(app, run_before=act, terminal_size=size)
