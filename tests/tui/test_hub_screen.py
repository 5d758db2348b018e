"""Pictures of the hub screen in every state of a model."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from textual.pilot import Pilot

from ominix_core.generation import Finished, TextDelta, Usage
from ominix_core.hub import Hub
from ominix_core.states import Downloading, Error, Loaded, Loading, ModelState, Unsupported
from ominix_tui.app import OminixApp
from tests.tui.support import answer_with, set_state, settled, type_prompt, until, until_connected, visible_panel

SnapCompare = Callable[..., bool]
SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])

ANSWER = """\
## Paris

The capital of **France** is *Paris*, on the river Seine. It has been so, with
`interruptions`, since 987.

- It has about two million people,
  spread over twenty arrondissements.
- Its nearest rivals are
  1. Marseille
  2. Lyon

| City | People | River |
|---|---:|---|
| Paris | 2,103,000 | Seine |
| Lyon | 520,000 | Rhône and Saône |

```python
def capital(country: str) -> str:
    return {"France": "Paris"}[country]  # a short list
```

> All roads lead to Rome, but [this one](https://example.org) does not.
"""
DONE = Finished("stop", Usage(prompt_tokens=23, completion_tokens=187, ttft=0.21, decode_tps=42.13))


def in_state(hub: Hub, state: ModelState) -> Callable[[Pilot[None]], object]:
    async def act(pilot: Pilot[None]) -> None:
        await until_connected(pilot)
        set_state(hub, "qwen3-8b", state)
        await pilot.pause()

    return act


@SIZES
class TestModelStates:
    def test_downloaded(self, snap_compare: SnapCompare, catalogue_app: OminixApp, size: tuple[int, int]) -> None:
        assert snap_compare(catalogue_app, terminal_size=size, run_before=until_connected)

    @pytest.mark.parametrize(
        "state",
        [
            Downloading(1_230_000_000, 8_590_000_000, "model-00001-of-00002.safetensors", 48_300_000),
            Loading(0.65, "loading weights"),
            Loaded(9_100_000_000, 6.2),
            Error(
                "Qwen3 8B stopped: The model's worker was killed (SIGKILL), perhaps by the system for want of memory. "
                "Load it again to go on."
            ),
            Unsupported("This model needs a newer version of mlx-lm."),
        ],
        ids=lambda state: type(state).__name__.lower(),
    )
    def test_state(
        self,
        snap_compare: SnapCompare,
        catalogue_hub: Hub,
        catalogue_app: OminixApp,
        size: tuple[int, int],
        state: ModelState,
    ) -> None:
        assert snap_compare(catalogue_app, terminal_size=size, run_before=in_state(catalogue_hub, state))

    def test_facts_of_a_model_without_panel(
        self, snap_compare: SnapCompare, catalogue_hub: Hub, size: tuple[int, int]
    ) -> None:
        app = OminixApp(lambda: catalogue_hub, "flux-klein")
        assert snap_compare(app, terminal_size=size, run_before=until_connected)


@SIZES
class TestLanguagePanel:
    def test_answer(
        self, snap_compare: SnapCompare, catalogue_hub: Hub, catalogue_app: OminixApp, size: tuple[int, int]
    ) -> None:
        answer_with(catalogue_hub, TextDelta(ANSWER), DONE)

        async def act(pilot: Pilot[None]) -> None:
            await in_state(catalogue_hub, Loaded())(pilot)
            await type_prompt("What is the capital of France?")(pilot)
            await pilot.press("enter")
            await until(pilot, lambda: "tokens/s" in str(visible_panel(pilot).query_one("#response").border_subtitle))
            await settled(pilot)

        assert snap_compare(catalogue_app, terminal_size=size, run_before=act)

    def test_bad_number(
        self, snap_compare: SnapCompare, catalogue_hub: Hub, catalogue_app: OminixApp, size: tuple[int, int]
    ) -> None:
        async def act(pilot: Pilot[None]) -> None:
            await in_state(catalogue_hub, Loaded())(pilot)
            await type_prompt("What is the capital of France?")(pilot)
            await pilot.press("tab", *"12x", "enter")

        assert snap_compare(catalogue_app, terminal_size=size, run_before=act)


class TestThemes:
    def test_light(self, snap_compare: SnapCompare, catalogue_hub: Hub, catalogue_app: OminixApp) -> None:
        answer_with(catalogue_hub, TextDelta(ANSWER), DONE)

        async def act(pilot: Pilot[None]) -> None:
            pilot.app.theme = "textual-light"
            await in_state(catalogue_hub, Loaded())(pilot)
            await type_prompt("What is the capital of France?")(pilot)
            await pilot.press("enter")
            await until(pilot, lambda: "tokens/s" in str(visible_panel(pilot).query_one("#response").border_subtitle))
            await settled(pilot)

        assert snap_compare(catalogue_app, terminal_size=(120, 40), run_before=act)
