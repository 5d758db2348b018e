"""Models that see, as programs and people reach them: the Hub with workers in processes, and `ominix run --image`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ominix_core.errors import LoadError
from ominix_core.generation import ChatMessage, ChatRequest, Failed, Finished, Sampling, TextDelta
from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.settings import Settings
from ominix_core.states import Error, Loaded
from tests.conftest import local_entry
from tests.support.command import ominix
from tests.support.tiny_moxin import make_tiny_moxin
from tests.support.tiny_vision_models import picture
from tests.vision.conftest import turn

Vlms = Callable[[str], Path]


def entry(model_id: str, folder: Path, engine: str = "mlx-vlm") -> dict[str, Any]:
    runtime = {"engine": engine, "parameters": "0.1M", "quantization": "float32", "memory_gb": 0.1}
    return local_entry(model_id, folder, category="VLM", runtime=runtime, ui={"panel_type": "VLMChat"})


@pytest.fixture
def models(add_models: Callable[..., None], tiny_vlms: Vlms, tmp_path: Path) -> None:
    """The models "seer" and "moxin"."""
    moxin = make_tiny_moxin(tmp_path / "tiny-moxin")
    add_models(entry("seer", tiny_vlms("qwen3_vl")), entry("moxin", moxin, "moxin-vlm"))


@pytest.fixture
def vision_hub(models: None, home: Home) -> Iterator[Hub]:
    with Hub(home, Settings(isolation="process", warm_spare=False)) as hub:
        yield hub


def ask(hub: Hub, model: str, *messages: ChatMessage) -> tuple[str, Finished | Failed]:
    request = ChatRequest(messages=list(messages), max_tokens=16, sampling=Sampling(temperature=0))
    events = list(hub.generate(model, request))
    last = events[-1]
    assert isinstance(last, Finished | Failed)
    return "".join(event.text for event in events if isinstance(event, TextDelta)), last


@pytest.mark.parametrize(("model", "images"), [("seer", 64), ("moxin", 1)])
def test_a_worker_process_looks_at_images(model: str, images: int, vision_hub: Hub) -> None:
    vision_hub.load(model).result()
    state = vision_hub.state(model)
    assert isinstance(state, Loaded)
    assert state.memory_bytes > 100_000
    abilities = vision_hub.abilities(model)
    assert abilities is not None
    assert abilities.images == images
    red, last = ask(vision_hub, model, turn("What is this?", picture("red")))
    assert isinstance(last, Finished)
    assert red != ask(vision_hub, model, turn("What is this?", picture("blue")))[0]
    assert red == ask(vision_hub, model, turn("What is this?", picture("red")))[0]


def test_a_conversation_about_an_image_outlives_its_model(models: None, home: Home) -> None:
    history = [turn("Look", picture("red"))]
    with Hub(home, Settings(isolation="thread")) as hub:
        hub.load("seer").result()
        text, first = ask(hub, "seer", *history)
    history += [ChatMessage("assistant", text), turn("and now?")]
    with Hub(home, Settings(isolation="thread")) as hub:
        hub.load("seer").result()
        _, after = ask(hub, "seer", *history)
    assert isinstance(first, Finished)
    assert isinstance(after, Finished)
    assert after.usage.cached_tokens >= first.usage.prompt_tokens - 1


def test_a_bad_image_fails_its_request_alone(vision_hub: Hub) -> None:
    vision_hub.load("seer").result()
    _, refused = ask(vision_hub, "seer", turn("What is this?", b"<svg/>"))
    assert isinstance(refused, Failed)
    assert refused.code == "invalid_image"
    assert "SVG" in refused.message
    assert isinstance(ask(vision_hub, "seer", turn("And this?", picture("red")))[1], Finished)


def test_code_in_a_checkpoint_ends_the_load_with_a_sentence(
    add_models: Callable[..., None], home: Home, tiny_vlms: Vlms, tmp_path: Path
) -> None:
    import json
    import shutil

    folder = tmp_path / "carrier"
    shutil.copytree(tiny_vlms("qwen3_vl"), folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_file": "own.py"}))
    (folder / "own.py").write_text("raise SystemExit('the code ran')")
    add_models(entry("carrier", folder))
    with Hub(home, Settings(isolation="thread")) as hub:
        with pytest.raises(LoadError, match="Python code of its own"):
            hub.load("carrier").result()
        assert isinstance(hub.state("carrier"), Error)


class TestRun:
    def test_an_image_is_asked_about(self, models: None, tmp_path: Path) -> None:
        def answer(color: str) -> str:
            path = tmp_path / f"{color}.png"
            path.write_bytes(picture(color))
            result = ominix(
                "run", "moxin", "--image", str(path), "What is this?", "--temperature", "0", "--max-tokens", "12"
            )
            assert result.returncode == 0, result.stderr
            return result.stdout

        assert answer("red") != answer("blue")

    @pytest.mark.slow
    def test_several_images_go_in_their_order(self, models: None, tmp_path: Path) -> None:
        paths = []
        for color in ("red", "blue"):
            paths.append(str(tmp_path / f"{color}.png"))
            Path(paths[-1]).write_bytes(picture(color))

        def answer(first: str, second: str) -> str:
            images = ("--image", first, "--image", second)
            return ominix("run", "seer", *images, "Which?", "--temperature", "0", "--max-tokens", "12").stdout

        assert answer(*paths) != answer(*reversed(paths))

    def test_more_images_than_the_model_takes_are_refused(self, models: None, tmp_path: Path) -> None:
        path = tmp_path / "red.png"
        path.write_bytes(picture("red"))
        result = ominix("run", "moxin", "--image", str(path), "--image", str(path), "Which?")
        assert result.returncode == 1
        assert "takes one image" in result.stderr.splitlines()[-1]

    @pytest.mark.parametrize(
        ("content", "reason"), [(None, "no such file"), (b"text", "not an image"), (b"", "no bytes")]
    )
    def test_a_bad_file_is_told_before_anything_is_loaded(
        self, content: bytes | None, reason: str, models: None, tmp_path: Path
    ) -> None:
        path = tmp_path / "picture.png"
        if content is not None:
            path.write_bytes(content)
        result = ominix("run", "seer", "--image", str(path), "What is this?")
        assert result.returncode == 1
        (line,) = result.stderr.strip().splitlines()
        assert line.startswith("ominix: ")
        assert "picture.png" in line
        assert reason in line
