"""How long the event loop is blocked while an answer streams into the panel.

    python -m tests.bench.tui_streaming [tokens]

A thread writes Markdown at 200 tokens/s, as a fast model would, into a real Generation, while two models are being
downloaded and the registry holds 10,000 others; a coroutine on the app's loop wakes every 5 ms and notes how late it is
("wall") and how long the loop's thread computed meanwhile ("busy").
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ominix_core.generation import Finished, TextDelta, TextRequest, Usage
from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.registry.catalogue import Registry
from ominix_core.registry.entry_json import read_entry
from ominix_core.settings import Settings
from ominix_core.states import Downloading, Loaded
from ominix_core.stream import Generation
from ominix_tui.app import OminixApp
from ominix_tui.panels.llm_chat import LLMChatPanel
from ominix_tui.widgets.prompt_area import PromptArea
from tests.support.catalogue import many_models
from tests.support.fixture_repo import make_model

TOKENS_PER_SECOND = 200
TOKEN = 4
STEP = 0.005

PROSE = "The **quick** brown fox jumps over the lazy dog, while `models` stream *tokens* and nobody has to wait. " * 4
LIST = "".join(f"- item {number}: some words that say what it is about, at length\n" for number in range(12))
CODE = "".join(f"    total_{number} = compute(total, {number}) + 'text'  # a note\n" for number in range(12))
TABLE = "| name | size | speed |\n|---|---:|---:|\n" + "| a model | 9.5 GB | 42.1 |\n" * 6
DOCUMENTS = {
    "mixed": f"## A heading\n\n{PROSE}\n\n{LIST}\n```python\n{CODE}```\n\n{TABLE}\n",
    "one list": LIST,
    "one fence": CODE,
    "one paragraph": PROSE,
}
DOWNLOADS = {"one": "bench/one", "two": "bench/two"}
"""Repositories by model."""
WEB = """
import sys, threading
from pathlib import Path
from tests.support.fixture_hub import FixtureHub
with FixtureHub(Path(sys.argv[1])) as web:
    web.fault("slow", path="*.safetensors", rate=2 << 20)
    print(web.url, flush=True)
    threading.Event().wait()
"""


@dataclass
class LoopProbe:
    """Wakes every 5 ms and notes by how much it came late.

    Attributes:
        wall: Seconds late by the clock; other programs on the machine add to it.
        busy: Seconds that this thread computed between two wakes: what the program itself is to blame for.
    """

    wall: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)

    async def run(self) -> None:
        """Probe until cancelled."""
        while True:
            wall, busy = time.perf_counter(), time.thread_time()
            await asyncio.sleep(STEP)
            self.wall.append(time.perf_counter() - wall - STEP)
            self.busy.append(time.thread_time() - busy)


def quantile(values: list[float], share: float) -> float:
    """The value that this share of the values does not exceed."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def document(kind: str, tokens: int) -> str:
    """Markdown of this kind, `tokens` times TOKEN characters long."""
    start = "```python\n" if kind == "one fence" else ""
    body = DOCUMENTS[kind]
    return (start + body * (tokens * TOKEN // len(body) + 1))[: tokens * TOKEN]


def feed(generation: Generation, text: str) -> None:
    """Put the text into the generation at TOKENS_PER_SECOND, and its end."""
    started = time.perf_counter()
    for count, at in enumerate(range(0, len(text), TOKEN), 1):
        generation.put(TextDelta(text[at : at + TOKEN]))
        time.sleep(max(0.0, started + count / TOKENS_PER_SECOND - time.perf_counter()))
    usage = Usage(8, len(text) // TOKEN, 0.1, TOKENS_PER_SECOND)
    generation.put(Finished("stop", usage))


async def stream(hub: Hub, model_id: str, text: str, size: tuple[int, int] = (120, 40)) -> LoopProbe:
    """Show the text in the model's panel as an answer that streams while both repositories are downloaded."""
    generation = Generation("scripted", lambda _: None)

    def generate(name: str, request: TextRequest) -> Generation:
        threading.Thread(target=feed, args=(generation, text), daemon=True).start()
        return generation

    hub.generate = generate  # type: ignore[method-assign]
    probe = LoopProbe()
    app = OminixApp(lambda: hub, model_id, load_initial=False)
    async with app.run_test(size=size) as pilot:
        while not app.screen.query(LLMChatPanel):
            await pilot.pause(STEP)
        for model in DOWNLOADS:
            hub.download(model)
        while not all(isinstance(hub.state(model), Downloading) for model in DOWNLOADS):
            await pilot.pause(STEP)
        hub._board.set(model_id, Loaded())
        await pilot.pause()
        panel = app.screen.query_one(LLMChatPanel)
        panel.query_one(PromptArea).text = "Go on."
        probing = asyncio.create_task(probe.run())
        panel.action_generate()
        while "tokens/s" not in str(panel.query_one("#response").border_subtitle):
            await asyncio.sleep(STEP)
        probing.cancel()
        if not all(isinstance(hub.state(model), Downloading) for model in DOWNLOADS):
            raise RuntimeError(f"the downloads ended meanwhile: {[hub.state(model) for model in DOWNLOADS]}")
    return probe


@contextlib.contextmanager
def web(folder: Path) -> Iterator[str]:
    """The address of a hub in a process of its own, whose models come at some 16 MiB/s each."""
    for repo in DOWNLOADS.values():
        make_model(folder / repo, 2, 256 << 20)
    with subprocess.Popen([sys.executable, "-c", WEB, str(folder)], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.kill()


def main() -> None:
    tokens = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    with tempfile.TemporaryDirectory() as name, web(Path(name) / "web") as url:
        os.environ["HF_ENDPOINT"] = url
        sources = {"model": {"type": "Local", "path": name}}
        sources |= {model: {"type": "HuggingFace", "repo": repo} for model, repo in DOWNLOADS.items()}
        entries = [read_entry({"id": model, "name": model, "source": source}) for model, source in sources.items()]
        registry = Registry([*entries, *many_models(10_000)])
        for kind in DOCUMENTS:
            hub = Hub(Home(Path(name) / kind), Settings(isolation="thread"), registry)
            before = time.process_time()
            probe = asyncio.run(stream(hub, "model", document(kind, tokens)))
            share = (time.process_time() - before) / (tokens / TOKENS_PER_SECOND)
            figures = "  ".join(
                f"{name} p99 {quantile(values, 0.99) * 1000:.1f} worst {max(values) * 1000:.1f} ms"
                for name, values in (("wall", probe.wall), ("busy", probe.busy))
            )
            print(f"{kind:14} {figures}  cpu {share:.0%}")


if __name__ == "__main__":
    main()
