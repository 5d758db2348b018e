"""Models that come and go with the registry do so on a running screen."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from textual.widgets._toast import Toast

from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.settings import Settings
from ominix_tui.app import OminixApp
from ominix_tui.widgets.registry_tree import RegistryTree
from tests.conftest import local_entry
from tests.tui.support import until, until_connected


async def test_new_models_appear_without_a_restart(home: Home, add_models: Callable[..., None]) -> None:
    hub = Hub(home, Settings(isolation="thread"))
    app = OminixApp(lambda: hub, "qwen3-8b", load_initial=False)
    async with app.run_test() as pilot:
        await until_connected(pilot)
        tree = app.screen.query_one(RegistryTree)
        assert "brand-new" not in shown(tree)
        (home.root / "registry").mkdir()
        fetched = {"models": [{"id": "brand-new", "name": "Brand New", "category": "LLM", "source": "owner/new"}]}
        (home.registry / "fetched.json").write_text(json.dumps(fetched))
        add_models({"id": "qwen3-72b", "hidden": True})
        await until(pilot, lambda: "brand-new" in shown(tree))
        assert "qwen3-72b" not in shown(tree)
        await until(pilot, lambda: tree.cursor_node and tree.cursor_node.data == "qwen3-8b")


async def test_a_file_that_breaks_is_told_and_costs_no_model(
    home: Home, add_models: Callable[..., None], tiny_llm: Path
) -> None:
    add_models(local_entry("own", tiny_llm))
    hub = Hub(home, Settings(isolation="thread"))
    app = OminixApp(lambda: hub, "own", load_initial=False)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until_connected(pilot)
        home.registry_override.write_text('{"models": [')
        await until(pilot, lambda: any("is still used" in str(toast.render()) for toast in app.screen.query(Toast)))
        assert "own" in shown(app.screen.query_one(RegistryTree))


def shown(tree: RegistryTree) -> set[str | None]:
    return {leaf.data for group in tree.root.children for leaf in group.children}
