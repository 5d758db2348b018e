"""Who may be in memory: the guard, swaps, pins, idle models, hung and crashing workers, memory pressure."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from ominix_core.errors import BusyError, LoadError, NotReadyError
from ominix_core.generation import ChatMessage, ChatRequest, Failed, Finished, PrefillProgress
from ominix_core.guard import MemoryGuard
from ominix_core.housekeeping import Housekeeper
from ominix_core.hub import Hub
from ominix_core.memory import Machine
from ominix_core.paths import Home
from ominix_core.settings import Settings
from ominix_core.states import Downloaded, Error, Loaded
from tests.conftest import local_entry
from tests.support.chat import GREEDY, ask, collect
from tests.support.tiny_models import make_tiny_llm

GIB = 1 << 30
MakeHub = Callable[..., Hub]


@pytest.fixture
def make_hub(home: Home, add_models: Callable[..., None], tiny_llm: Path) -> Iterator[MakeHub]:
    """A hub with three equal models and the settings that a test wants, on threads unless it says otherwise."""
    add_models(*(local_entry(name, tiny_llm) for name in ("one", "two", "three")))
    hubs: list[Hub] = []

    def make(**settings: Any) -> Hub:
        hub = Hub(home, Settings(**{"isolation": "thread"} | settings))
        hubs.append(hub)
        return hub

    yield make
    for hub in hubs:
        hub.close()


def with_memory(hub: Hub, available: int, total: int = 64 * GIB) -> None:
    """Let the hub believe that this is all the memory that the machine has."""
    hub._guard.read_machine = lambda: Machine(total, available)


class TestGuard:
    def test_a_refusal_says_the_numbers_and_loads_nothing(self, make_hub: MakeHub) -> None:
        hub = make_hub()
        with_memory(hub, GIB // 4)
        with pytest.raises(LoadError, match=r"Needs 0\.5 GB, only 0\.3 GB available\. Close other programs first\."):
            hub.load("one").result(60)
        assert isinstance(hub.state("one"), Error)

    def test_the_verdict_is_known_before_the_load(self, make_hub: MakeHub) -> None:
        hub = make_hub()
        assert hub.weigh("one").fits
        with_memory(hub, GIB // 4)
        assert not hub.weigh("one").fits

    def test_a_refusal_names_a_smaller_quantization_that_would_fit(
        self, home: Home, add_models: Callable[..., None], tiny_llm: Path
    ) -> None:
        def of(bits: int, gigabytes: float) -> dict[str, Any]:
            runtime = {"engine": "mlx-lm", "memory_gb": gigabytes, "parameters": "8B", "quantization": f"{bits}-bit"}
            return local_entry(f"qwen-8b-{bits}bit", tiny_llm, name=f"Qwen 8B {bits}-bit", runtime=runtime)

        add_models(of(8, 9.5), of(4, 5.5), of(3, 4.5), local_entry("other", tiny_llm))
        with Hub(home, Settings(isolation="thread")) as hub:
            with_memory(hub, 6 * GIB)
            with pytest.raises(LoadError, match=r"Qwen 8B 4-bit \(qwen-8b-4bit\) would fit: it needs 5\.5 GB"):
                hub.load("qwen-8b-8bit").result(60)

    def test_force_loads_all_the_same(self, make_hub: MakeHub) -> None:
        hub = make_hub()
        with_memory(hub, GIB // 4)
        hub.load("one", force=True).result(60)
        assert isinstance(hub.state("one"), Loaded)

    def test_off_asks_nobody(self, make_hub: MakeHub) -> None:
        hub = make_hub(guard="off")
        with_memory(hub, 0)
        hub.load("one").result(60)

    def test_a_model_in_memory_survives_the_refusal_of_another(self, make_hub: MakeHub) -> None:
        hub = make_hub()
        hub.load("one").result(60)
        with_memory(hub, 0)
        with pytest.raises(LoadError, match="Needs"):
            hub.load("two").result(60)
        assert isinstance(hub.state("one"), Loaded)

    def test_the_registry_cannot_talk_a_model_small(
        self, home: Home, add_models: Callable[..., None], tiny_llm: Path
    ) -> None:
        add_models(local_entry("liar", tiny_llm, runtime={"engine": "mlx-lm", "memory_gb": 0.0001}))
        with Hub(home, Settings(isolation="thread")) as hub:
            assert hub.weigh("liar").need.total > GIB // 3


class TestKVCacheRoom:
    @pytest.fixture
    def cramped(self, make_hub: MakeHub) -> Hub:
        """A loaded model with room for 512 tokens of KV cache."""
        hub = make_hub(context=512)
        verdict = hub.weigh("one")
        with_memory(hub, verdict.need.total)
        hub.load("one").result(60)
        return hub

    def test_a_request_that_can_never_fit_is_refused_with_the_numbers(self, cramped: Hub) -> None:
        _, end = collect(cramped.generate("one", ask("hello", 2000)))
        assert isinstance(end, Failed)
        assert end.code == "context_length_exceeded"
        assert "tokens need" in end.message

    def test_one_that_must_wait_is_told_so(self, cramped: Hub) -> None:
        first = cramped.generate("one", ask("hello", 400))
        next(event for event in first if isinstance(event, PrefillProgress))
        _, end = collect(cramped.generate("one", ask("hello", 400)))
        assert isinstance(end, Failed)
        assert end.code == "kv_cache_full"
        assert isinstance(collect(first)[1], Finished)
        assert isinstance(collect(cramped.generate("one", ask("hello", 400)))[1], Finished)

    def test_an_answer_without_a_limit_ends_where_the_room_does(self, cramped: Hub) -> None:
        request = ChatRequest(messages=[ChatMessage("user", "hello")], max_tokens=None, sampling=GREEDY)
        _, end = collect(cramped.generate("one", request))
        assert isinstance(end, Finished)
        assert end.usage.prompt_tokens + end.usage.completion_tokens <= 512


class TestSwaps:
    def test_the_least_recently_used_model_leaves(self, make_hub: MakeHub) -> None:
        hub = make_hub(max_loaded_per_category=2)
        hub.load("one").result(60)
        hub.load("two").result(60)
        collect(hub.generate("one", ask("hello")))
        hub.load("three").result(60)
        assert isinstance(hub.state("one"), Loaded)
        assert isinstance(hub.state("two"), Downloaded)
        assert isinstance(hub.state("three"), Loaded)

    def test_a_pinned_model_stays(self, make_hub: MakeHub) -> None:
        hub = make_hub()
        hub.load("one").result(60)
        hub.pin("one")
        with pytest.raises(LoadError, match="One is pinned"):
            hub.load("two").result(60)
        hub.pin("one", False)
        hub.load("two").result(60)
        with pytest.raises(NotReadyError, match="not loaded"):
            hub.pin("one")


class TestHousekeeping:
    def test_an_idle_model_leaves_a_pinned_or_busy_one_stays(self, make_hub: MakeHub) -> None:
        hub = make_hub(idle_minutes=1e-9, max_loaded_per_category=3)
        hub._housekeeper.close()
        for name in ("one", "two", "three"):
            hub.load(name).result(60)
        hub.pin("two")
        busy = hub.generate("three", ask("hello", 4000))
        next(iter(busy))
        _keeper(hub).look()
        assert isinstance(hub.state("one"), Downloaded)
        assert isinstance(hub.state("two"), Loaded)
        assert isinstance(hub.state("three"), Loaded)

    def test_memory_pressure_refuses_new_work_and_unloads_idle_models(self, make_hub: MakeHub) -> None:
        hub = make_hub(max_loaded_per_category=2)
        hub.load("one").result(60)
        hub.load("two").result(60)
        keeper = _keeper(hub)
        with_memory(hub, 3 * GIB)
        keeper.look()
        with pytest.raises(BusyError, match="short of memory"):
            hub.generate("one", ask("hello"))
        assert isinstance(hub.state("one"), Loaded)
        with_memory(hub, GIB)
        keeper.look()
        assert isinstance(hub.state("one"), Downloaded), "the one that was idle longer"
        with_memory(hub, 32 * GIB)
        keeper.look()
        assert isinstance(collect(hub.generate("two", ask("hello")))[1], Finished)

    def test_a_silent_worker_is_ended(self, make_hub: MakeHub) -> None:
        hub = make_hub(isolation="process", warm_spare=False)
        hub.load("one").result(60)
        (resident,) = hub._runtime.residents
        running = hub.generate("one", ask("hello", 4000))
        next(iter(running))
        (worker,) = psutil.Process(os.getpid()).children(recursive=True)
        worker.send_signal(signal.SIGSTOP)
        resident.last_beat -= 60
        _keeper(hub).look()
        state = hub.state("one")
        assert isinstance(state, Error)
        assert "silent for 6" in state.message
        assert isinstance(collect(running)[1], Failed)
        assert not worker.is_running()


def _keeper(hub: Hub) -> Housekeeper:
    """A housekeeper that looks when the test says so; the hub's own, which looks every second, has ended."""
    hub._housekeeper.close()
    guard: MemoryGuard = hub._guard
    return Housekeeper(hub._runtime, guard, hub.settings)


class TestWorkers:
    def test_a_warm_spare_takes_the_load(self, make_hub: MakeHub) -> None:
        hub = make_hub(isolation="process")
        hub.warm_up()
        (spare,) = psutil.Process(os.getpid()).children(recursive=True)
        hub.load("one").result(60)
        workers = psutil.Process(os.getpid()).children(recursive=True)
        assert spare in workers
        assert len(workers) == 2, "the next spare is warming up"
        hub.unload("one")
        assert not spare.is_running()
        hub.close()
        assert not any(worker.is_running() for worker in workers)

    def test_a_spare_that_died_is_replaced(self, make_hub: MakeHub) -> None:
        hub = make_hub(isolation="process")
        hub.warm_up()
        (spare,) = psutil.Process(os.getpid()).children(recursive=True)
        spare.kill()
        psutil.wait_procs([spare], timeout=60)
        hub.load("one").result(60)
        assert isinstance(collect(hub.generate("one", ask("hello")))[1], Finished)

    def test_an_impossible_allocation_costs_only_its_worker(
        self, make_hub: MakeHub, add_models: Callable[..., None], tiny_llm: Path, tmp_path: Path
    ) -> None:
        folder = make_tiny_llm(tmp_path / "greedy")
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoConfig": "configuration_x.Config"}}))
        # What a model with absurd sizes does to its process: MLX allocates 4 TB, past any `except`.
        (folder / "configuration_x.py").write_text(
            "import mlx.core as mx\nmx.eval(mx.zeros((1024, 1024, 1024, 1024), dtype=mx.float32) + 1)\n"
        )
        add_models(local_entry("one", tiny_llm), local_entry("greedy", folder, category="VLM"))
        hub = make_hub(isolation="process", allow_code=("greedy",))
        hub.load("one").result(60)
        with pytest.raises(LoadError, match=r"stopped: The model's worker (crashed|was killed)"):
            hub.load("greedy").result(60)
        assert isinstance(collect(hub.generate("one", ask("hello")))[1], Finished)

    def test_what_a_worker_says_is_in_its_model_s_log(self, make_hub: MakeHub, home: Home) -> None:
        hub = make_hub(isolation="process")
        hub.load("one").result(60)
        hub.close()
        assert (home.logs / "worker-one.log").is_file()


class TestPromptCacheOnDisk:
    def test_a_conversation_goes_on_after_a_restart(self, make_hub: MakeHub, home: Home) -> None:
        question = ask("a long story " * 40, 8)
        first = make_hub()
        first.load("one").result(60)
        text, _ = collect(first.generate("one", question))
        first.close()
        again = make_hub()
        again.load("one").result(60)
        repeated, end = collect(again.generate("one", question))
        assert repeated == text
        assert isinstance(end, Finished)
        assert end.usage.cached_tokens >= end.usage.prompt_tokens - 1

    def test_another_revision_does_not_see_them(
        self, make_hub: MakeHub, home: Home, add_models: Callable[..., None], tmp_path: Path
    ) -> None:
        question = ask("a long story " * 40, 8)
        folder = make_tiny_llm(tmp_path / "model")
        add_models(local_entry("one", folder))
        first = make_hub()
        first.load("one").result(60)
        collect(first.generate("one", question))
        first.close()
        make_tiny_llm(folder, seed=1)
        again = make_hub()
        again.load("one").result(60)
        _, end = collect(again.generate("one", question))
        assert isinstance(end, Finished)
        assert end.usage.cached_tokens == 0

    def test_a_damaged_cache_is_dropped(self, make_hub: MakeHub, home: Home) -> None:
        first = make_hub()
        first.load("one").result(60)
        collect(first.generate("one", ask("a long story " * 40, 8)))
        first.close()
        (cache,) = home.prompt_caches.rglob("*.safetensors")
        cache.write_bytes(cache.read_bytes()[:100])
        again = make_hub()
        again.load("one").result(60)
        assert isinstance(collect(again.generate("one", ask("a long story " * 40, 8)))[1], Finished)

    def test_the_disk_budget_is_kept(self, make_hub: MakeHub, home: Home) -> None:
        hub = make_hub(prompt_cache_gb=1e-6)
        hub.load("one").result(60)
        collect(hub.generate("one", ask("a long story " * 40, 8)))
        hub.close()
        assert not list(home.prompt_caches.rglob("*.safetensors"))


class TestCode:
    def test_a_checkpoint_with_python_is_refused_unless_allowed(
        self, home: Home, add_models: Callable[..., None], tmp_path: Path
    ) -> None:
        folder = make_tiny_llm(tmp_path / "codeful")
        config = json.loads((folder / "config.json").read_text())
        config["auto_map"] = {"AutoConfig": "configuration_x.Config"}
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "configuration_x.py").write_text("raise RuntimeError('its code was run')")
        add_models(local_entry("codeful", folder))
        careful = Settings(isolation="thread")
        with Hub(home, careful) as hub, pytest.raises(LoadError, match=r"configuration_x\.py.*allow_code"):
            hub.load("codeful").result(60)
        trusting = Settings(isolation="thread", allow_code=("codeful",))
        with Hub(home, trusting) as hub, pytest.raises(LoadError, match="its code was run"):
            hub.load("codeful").result(60)

    def test_an_auto_map_without_its_files_is_harmless(
        self, home: Home, add_models: Callable[..., None], tmp_path: Path
    ) -> None:
        folder = make_tiny_llm(tmp_path / "mapped")
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "modeling_x.Model"}}))
        add_models(local_entry("mapped", folder))
        with Hub(home, Settings(isolation="thread")) as hub:
            hub.load("mapped").result(60)


def test_a_worker_that_gets_nonsense_ends_instead_of_staying_behind(make_hub: MakeHub) -> None:
    hub = make_hub(isolation="process", warm_spare=False)
    hub.load("one").result(60)
    (worker,) = psutil.Process(os.getpid()).children(recursive=True)
    (resident,) = hub._runtime.residents
    resident.worker._link._connection.sendall(b"\x00\x00\x00\x04oops")  # type: ignore[union-attr]
    psutil.wait_procs([worker], timeout=60)
    assert not worker.is_running()
