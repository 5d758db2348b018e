"""One contract for a Hub in this program and one behind a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from ominix_core.downloads.download import Stage
from ominix_core.errors import (
    Cancelled,
    DownloadError,
    InsufficientMemoryError,
    LoadError,
    NotReadyError,
    RegistryError,
    UnknownModelError,
)
from ominix_core.events import ModelActivity, ModelStateChanged, RegistryChanged
from ominix_core.facade import HubFacade
from ominix_core.generation import (
    ChatMessage,
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    Embeddings,
    Failed,
    Finished,
    PrefillProgress,
    Sampling,
    TextDelta,
)
from ominix_core.hub import Hub
from ominix_core.memory import Machine
from ominix_core.states import Downloaded, Downloading, Error, Loaded, Loading, NotDownloaded
from tests.conftest import local_entry
from tests.downloads.conftest import SHARD_BYTES
from tests.remote.conftest import Events
from tests.server.conftest import wait_until
from tests.support.chat import GREEDY, ask, collect
from tests.support.fixture_hub import FixtureHub

WEIGHTS = "*.safetensors"


class TestRegistry:
    def test_models_are_found_by_every_name(self, either: HubFacade) -> None:
        assert either.resolve("acme/model").id == "model"
        assert either.resolve("tiny").name == "Tiny"
        assert [entry.id for entry in either.registry.search("endless")] == ["endless"]
        with pytest.raises(UnknownModelError, match=r"'tinyy'\. Did you mean tiny"):
            either.resolve("tinyy")

    def test_every_state_is_known_from_the_start(self, either: HubFacade) -> None:
        assert either.state("tiny") == Downloaded()
        assert either.state("model") == NotDownloaded()
        assert (either.downloaded("tiny"), either.downloaded("model")) == (True, False)

    def test_a_late_subscriber_hears_every_state(self, either: HubFacade) -> None:
        events = Events(either, replay=True)
        states = {it.model_id: it.state for it in events.heard if isinstance(it, ModelStateChanged)}
        assert states["tiny"] == Downloaded()
        assert states["model"] == NotDownloaded()

    def test_a_change_of_the_registry_arrives(
        self, either: HubFacade, near: Hub, add_models: object, tiny_llm: Path
    ) -> None:
        events = Events(either)
        add_models(local_entry("new", tiny_llm))  # type: ignore[operator]
        near.reload_registry()
        change = events.until(lambda it: isinstance(it, RegistryChanged))
        assert isinstance(change, RegistryChanged)
        assert change.added == ("new",)
        assert "tiny" in change.removed
        assert either.resolve("new").name == "New"
        assert either.state("new") == Downloaded()

    def test_updates_that_are_off(self, either: HubFacade) -> None:
        with pytest.raises(RegistryError, match="Updates are off"):
            either.update_registry().result(30)


class TestLoading:
    def test_the_life_of_a_model_in_memory(self, either: HubFacade) -> None:
        events = Events(either)
        assert either.loaded("LLM") is None
        either.load("tiny").result(60)
        assert isinstance(either.state("tiny"), Loaded)
        loaded = either.loaded("LLM")
        assert loaded is not None
        assert loaded.id == "tiny"
        assert either.abilities("tiny") is not None
        events.until_state("tiny", lambda state: isinstance(state, Loaded))
        either.unload("tiny")
        assert either.state("tiny") == Downloaded()
        assert either.abilities("tiny") is None
        events.until_state("tiny", lambda state: state == Downloaded())
        assert events.kinds("tiny")[-2:] == [Loaded, Downloaded]
        assert set(events.kinds("tiny")) <= {Loading, Loaded, Downloaded}

    def test_a_second_load_joins_the_first(self, either: HubFacade) -> None:
        first, second = either.load("tiny"), either.load("tiny")
        first.result(60)
        second.result(60)

    def test_a_loaded_model_tells_what_it_does(self, either: HubFacade) -> None:
        either.load("tiny").result(60)
        events = Events(either)
        activity = events.until(lambda it: isinstance(it, ModelActivity))
        assert isinstance(activity, ModelActivity)
        assert (activity.model_id, activity.running) == ("tiny", 0)
        wait_until(lambda: either.system().models.get("tiny", 0) > 0)
        assert either.system().memory.total > 0

    def test_what_is_not_downloaded_cannot_be_loaded(self, either: HubFacade) -> None:
        with pytest.raises(NotReadyError, match=r"A Model is not on .* yet.*ominix pull model"):
            either.load("model")

    def test_a_load_that_fails(self, either: HubFacade) -> None:
        with pytest.raises(LoadError) as raised:
            either.load("broken").result(60)
        state = either.state("broken")
        assert isinstance(state, Error)
        assert state.message == str(raised.value)
        assert either.downloaded("broken")

    def test_the_guard_s_verdict_and_force(self, either: HubFacade, near: Hub) -> None:
        assert either.weigh("tiny").fits
        near._guard.read_machine = lambda: Machine(64 << 30, 1 << 28)
        verdict = either.weigh("tiny")
        assert verdict == near.weigh("tiny")
        assert not verdict.fits
        with pytest.raises(InsufficientMemoryError) as raised:
            either.load("tiny").result(60)
        assert str(raised.value) == verdict.message
        either.load("tiny", force=True).result(60)
        assert isinstance(either.state("tiny"), Loaded)

    def test_a_pinned_model_stays(self, either: HubFacade) -> None:
        with pytest.raises(NotReadyError, match="not loaded"):
            either.pin("tiny")
        either.load("tiny").result(60)
        either.pin("tiny")
        with pytest.raises(LoadError, match="Tiny is pinned"):
            either.load("tiny-two").result(60)
        either.pin("tiny", False)
        either.load("tiny-two").result(60)
        assert either.state("tiny") == Downloaded()


class TestAnswers:
    def test_the_same_request_gets_the_same_answer(self, either: HubFacade, near: Hub) -> None:
        either.load("tiny").result(60)
        request = ChatRequest(
            messages=[ChatMessage("system", "Be odd.\u2028\x85"), ChatMessage("user", "Hello \u2028 é 漢 🙂")],
            max_tokens=24,
            sampling=Sampling(temperature=0.9, top_k=40, top_p=0.9, min_p=0.01, seed=7),
            logprobs=2,
        )
        events = list(either.generate("tiny", request))
        assert isinstance(events[0], PrefillProgress)
        text = "".join(event.text for event in events if isinstance(event, TextDelta))
        assert text == collect(near.generate("tiny", request))[0]
        assert all(event.logprobs for event in events if isinstance(event, TextDelta) and event.text)
        end = events[-1]
        assert isinstance(end, Finished)
        assert end.usage.completion_tokens > 0
        assert end.usage.decode_tps > 0

    def test_a_completion(self, either: HubFacade) -> None:
        either.load("tiny").result(60)
        text, end = collect(either.generate("tiny", CompletionRequest(prompt="once", max_tokens=4, sampling=GREEDY)))
        assert isinstance(end, Finished)
        assert text

    def test_what_the_model_cannot_do_is_told_in_its_words(self, either: HubFacade) -> None:
        either.load("tiny").result(60)
        end = list(either.generate("tiny", EmbeddingRequest(texts=["hello"])))[-1]
        assert isinstance(end, Failed | Embeddings)
        assert isinstance(end, Failed)
        assert "Tiny" in end.message or "model" in end.message

    def test_a_model_that_is_not_loaded(self, either: HubFacade) -> None:
        with pytest.raises(NotReadyError, match=r"Tiny is not loaded\. Load it first"):
            either.generate("tiny", ask("Hello"))

    def test_cancelling_frees_the_slot_and_tells_what_was_used(self, either: HubFacade) -> None:
        either.load("endless").result(60)
        events = Events(either)
        answer = either.generate("endless", ask("Hello", max_tokens=100_000))
        stream = iter(answer)
        next(event for event in stream if isinstance(event, TextDelta))
        answer.cancel()
        end = list(stream)[-1]
        assert isinstance(end, Finished)
        assert end.reason == "cancelled"
        assert end.usage.completion_tokens > 0
        count = len(events.heard)
        wait_until(lambda: any(isinstance(it, ModelActivity) and not it.running for it in events.heard[count:]))

    def test_cancelling_at_once(self, either: HubFacade) -> None:
        either.load("endless").result(60)
        answer = either.generate("endless", ask("Hello", max_tokens=100_000))
        answer.cancel()
        end = list(answer)[-1]
        assert isinstance(end, Finished)
        assert end.reason == "cancelled"

    def test_answers_overlap(self, either: HubFacade) -> None:
        either.load("endless").result(60)
        answers = [either.generate("endless", ask(f"Hello {number}", max_tokens=32)) for number in range(4)]
        ends = [collect(answer)[1] for answer in answers]
        assert [end.usage.completion_tokens for end in ends if isinstance(end, Finished)] == [32] * 4


class TestFiles:
    def test_a_download_with_progress_pause_and_end(self, either: HubFacade, fixture_hub: FixtureHub) -> None:
        fixture_hub.fault("slow", path=WEIGHTS, rate=SHARD_BYTES // 4)
        events = Events(either)
        download = either.download("model")
        events.until_state("model", lambda state: isinstance(state, Downloading) and state.done_bytes > 0)
        assert [item.model_id for item in either.download_queue()] == ["model"]
        either.pause_download("model")
        wait_until(lambda: [item.stage for item in either.download_queue()] == [Stage.PAUSED])
        assert not download.done()
        fixture_hub.mend()
        again = either.download("model")
        again.result(60)
        download.result(60)
        assert either.state("model") == Downloaded()
        assert either.downloaded("model")
        wait_until(lambda: not either.download_queue())

        (usage,) = either.disk_usage()
        assert (usage.model_id, usage.is_complete) == ("model", True)
        reports: list[Downloading] = []
        found = either.verify("model", reports.append)
        assert (found.faults, found.unverified) == ((), 0)
        assert found.checked > 2
        assert either.remove("model") == usage.bytes
        assert either.state("model") == NotDownloaded()

    def test_damage_is_found_and_mended(self, either: HubFacade, near: Hub, fixture_hub: FixtureHub) -> None:
        either.download("model").result(60)
        weights = sorted(near.home.model("model").glob(WEIGHTS))[0]
        content = weights.read_bytes()
        weights.write_bytes(b"x" + content[1:])
        (fault,) = either.verify("model").faults
        assert (fault.path, fault.reason) == (weights.name, "does not match its checksum")
        either.repair("model").result(60)
        assert weights.read_bytes() == content
        assert either.verify("model").faults == ()

    def test_a_cancelled_download(self, either: HubFacade, fixture_hub: FixtureHub) -> None:
        fixture_hub.fault("slow", path=WEIGHTS, rate=SHARD_BYTES // 4)
        events = Events(either)
        download = either.download("model")
        events.until_state("model", lambda state: isinstance(state, Downloading) and state.done_bytes > 0)
        either.cancel_download("model", discard=True)
        with pytest.raises(Cancelled):
            download.result(30)
        wait_until(lambda: either.state("model") == NotDownloaded())
        assert not either.download_queue()

    def test_a_download_that_fails(self, either: HubFacade, fixture_hub: FixtureHub) -> None:
        fixture_hub.fault("status", code=404)
        with pytest.raises(DownloadError) as raised:
            either.download("model").result(60)
        state = either.state("model")
        assert isinstance(state, Error)
        assert state.message == str(raised.value)

    def test_what_is_not_in_the_queue_cannot_be_paused_or_cancelled(self, either: HubFacade) -> None:
        either.pause_download("model")
        either.cancel_download("model")

    def test_what_lies_elsewhere_is_left_alone(self, either: HubFacade) -> None:
        with pytest.raises(DownloadError, match="not Ominix's own"):
            either.remove("tiny")
        with pytest.raises(DownloadError, match="nothing to compare"):
            either.verify("tiny")
