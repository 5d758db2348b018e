"""The queue as a user sees it: pause, resume, cancel, restarts, other programs, removal, verification, repair."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from ominix_core.board import StateBoard
from ominix_core.downloads.download import Stage
from ominix_core.downloads.manager import DownloadManager
from ominix_core.downloads.tickets import Tickets
from ominix_core.errors import Cancelled, DownloadError
from ominix_core.events import HubEvent, ModelStateChanged
from ominix_core.paths import Home
from ominix_core.states import Downloaded, Downloading, Error, ModelState, NotDownloaded, Paused
from tests.downloads.conftest import SHARD_BYTES, Watch, entry_for, leftovers, same_files
from tests.support.fixture_hub import FixtureHub

WEIGHTS = "*.safetensors"
PROMPT_SECONDS = 0.2


def is_paused(state: ModelState) -> bool:
    return isinstance(state, Paused)


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """For what tells nobody when it happens."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def hanging_connects(port: int) -> int:
    """How many connection requests of this process to `port` got no answer yet."""
    connections = psutil.Process().net_connections()
    return sum(each.status == psutil.CONN_SYN_SENT and each.raddr.port == port for each in connections)


@pytest.fixture
def slow(fixture_hub: FixtureHub) -> FixtureHub:
    """A hub that takes seconds for what the tests stop long before."""
    fixture_hub.fault("slow", path=WEIGHTS, rate=200_000)
    return fixture_hub


class TestPause:
    def test_pause_is_prompt_and_resume_loses_nothing(
        self, manager: DownloadManager, board: StateBoard, slow: FixtureHub, home: Home
    ) -> None:
        watch = Watch(board)
        download = manager.start(entry_for())
        watch.bytes_arrive(SHARD_BYTES // 4)
        begin = time.monotonic()
        manager.pause("model")
        paused = watch.until(is_paused)
        assert time.monotonic() - begin <= PROMPT_SECONDS
        assert isinstance(paused, Paused)
        assert paused.done_bytes >= SHARD_BYTES // 4
        assert not download.done()
        assert manager.library.state_of(entry_for()) == paused
        slow.mend()
        slow.forget()
        manager.start(entry_for())
        download.result(30)
        assert board.get("model") == Downloaded()
        on_the_wire = 64 << 10
        assert slow.body_bytes <= paused.total_bytes - paused.done_bytes + on_the_wire
        assert same_files(home.model("model"), slow.root / "acme/model")

    def test_start_resumes_too_and_joins(self, manager: DownloadManager, board: StateBoard, slow: FixtureHub) -> None:
        watch = Watch(board)
        download = manager.start(entry_for())
        assert manager.start(entry_for()) is download
        watch.bytes_arrive()
        manager.pause("model")
        assert manager.start(entry_for()) is download  # even while it is still stopping
        slow.mend()
        download.result(30)

    def test_a_waiting_download_can_be_paused(
        self, new_manager: Callable[..., DownloadManager], board: StateBoard, slow: FixtureHub
    ) -> None:
        manager = new_manager(board, at_once=1)
        first, second = manager.start(entry_for()), manager.start(entry_for(model_id="second"))
        manager.pause("second")
        assert [item.stage for item in manager.queue()] == [Stage.RUNNING, Stage.PAUSED]
        slow.mend()
        first.result(30)
        manager.start(entry_for(model_id="second"))
        second.result(30)


class TestCancel:
    def test_is_prompt_and_keeps_the_bytes(self, manager: DownloadManager, board: StateBoard, slow: FixtureHub) -> None:
        watch = Watch(board)
        download = manager.start(entry_for())
        watch.bytes_arrive()
        begin = time.monotonic()
        manager.cancel("model")
        with pytest.raises(Cancelled):
            download.result(60)
        assert time.monotonic() - begin <= PROMPT_SECONDS
        assert is_paused(board.get("model"))
        assert manager.queue() == ()

    def test_can_discard_the_bytes(
        self, manager: DownloadManager, board: StateBoard, slow: FixtureHub, home: Home
    ) -> None:
        watch = Watch(board)
        download = manager.start(entry_for())
        watch.bytes_arrive()
        manager.cancel("model", discard=True)
        with pytest.raises(Cancelled):
            download.result(60)
        assert board.get("model") == NotDownloaded()
        assert not home.model("model").exists()

    @pytest.mark.parametrize("path", ["/api/*", WEIGHTS])
    def test_is_prompt_while_the_server_says_nothing(
        self, path: str, manager: DownloadManager, fixture_hub: FixtureHub
    ) -> None:
        asked = threading.Event()
        fixture_hub.fault("hang", path=path)
        fixture_hub.on_hang = asked.set
        download = manager.start(entry_for())
        assert asked.wait(60)
        begin = time.monotonic()
        manager.cancel("model")
        with pytest.raises(Cancelled):
            download.result(60)
        assert time.monotonic() - begin <= PROMPT_SECONDS

    def test_is_prompt_while_a_connect_hangs(self, manager: DownloadManager, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf, contextlib.ExitStack() as callers:
            for _ in range(2):  # fills the queue of a server that never accepts: the next connect gets no answer
                caller = callers.enter_context(socket.socket())
                caller.setblocking(False)
                caller.connect_ex(deaf.getsockname())
            port = deaf.getsockname()[1]
            monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
            before = hanging_connects(port)
            download = manager.start(entry_for())
            wait_until(lambda: hanging_connects(port) > before)
            begin = time.monotonic()
            manager.cancel("model")
            with pytest.raises(Cancelled):
                download.result(60)
            assert time.monotonic() - begin <= PROMPT_SECONDS

    def test_is_prompt_during_a_long_wait(
        self, manager: DownloadManager, board: StateBoard, fixture_hub: FixtureHub
    ) -> None:
        fixture_hub.fault("status", path="/api/*", code=429, headers={"Retry-After": "300"})
        watch = Watch(board)
        download = manager.start(entry_for())
        watch.until(lambda state: isinstance(state, Downloading) and state.note == "rate limited, 300 s")
        begin = time.monotonic()
        manager.cancel("model")
        with pytest.raises(Cancelled):
            download.result(60)
        assert time.monotonic() - begin <= PROMPT_SECONDS


class TestQueue:
    def test_so_many_at_once(
        self, new_manager: Callable[..., DownloadManager], board: StateBoard, slow: FixtureHub
    ) -> None:
        manager = new_manager(board, at_once=2)
        ids = ["one", "two", "three", "four"]
        downloads = [manager.start(entry_for(model_id=model_id)) for model_id in ids]
        stages = [item.stage for item in manager.queue()]
        assert stages == [Stage.RUNNING, Stage.RUNNING, Stage.WAITING, Stage.WAITING]
        waiting = board.get("three")
        assert isinstance(waiting, Downloading)
        assert waiting.note == "waiting for another download"
        slow.mend()
        for download in downloads:
            download.result(30)
        assert manager.queue() == ()

    def test_survives_a_restart(
        self, new_manager: Callable[..., DownloadManager], slow: FixtureHub, home: Home
    ) -> None:
        board = StateBoard()
        first = new_manager(board, at_once=1)
        watch = Watch(board)
        downloads = [first.start(entry_for(model_id=model_id)) for model_id in ("model", "waiting", "paused")]
        first.pause("paused")
        watch.bytes_arrive()
        first.close()
        for download in downloads:
            with pytest.raises(Cancelled):
                download.result(60)
        slow.mend()
        second = new_manager()
        assert is_paused(second.library.state_of(entry_for()))
        second.resume_queue(lambda model_id: entry_for(model_id=model_id))
        assert [item.model_id for item in second.queue()] == ["model", "waiting"]
        for model_id in ("model", "waiting"):
            second.start(entry_for(model_id=model_id)).result(30)
        assert [ticket.model_id for ticket in Tickets(home.downloads).all()] == ["paused"]

    def test_a_finished_model_is_not_fetched_again(self, manager: DownloadManager, fixture_hub: FixtureHub) -> None:
        manager.start(entry_for()).result(30)
        fixture_hub.forget()
        manager.start(entry_for()).result(30)
        assert fixture_hub.requests == []


class TestEvents:
    def test_at_most_ten_a_second(self, manager: DownloadManager, board: StateBoard, slow: FixtureHub) -> None:
        times: list[float] = []
        enough = threading.Event()

        def on_event(event: HubEvent) -> None:
            if isinstance(event, ModelStateChanged) and isinstance(event.state, Downloading) and event.state.file:
                times.append(time.monotonic())
                if len(times) > 8:
                    enough.set()

        board.subscribe(on_event)
        manager.start(entry_for())
        assert enough.wait(60)
        # measured where they are received, so with a little slack for the scheduler
        assert min(later - earlier for earlier, later in itertools.pairwise(times)) > 0.08

    def test_tell_file_speed_and_time_left(self, manager: DownloadManager, board: StateBoard, slow: FixtureHub) -> None:
        watch = Watch(board)
        manager.start(entry_for())
        state = watch.until(lambda state: isinstance(state, Downloading) and state.speed > 0)
        assert isinstance(state, Downloading)
        assert state.file.endswith(".safetensors")
        assert state.total_bytes > 2 * SHARD_BYTES
        assert state.eta is not None
        assert state.eta > 0

    def test_a_late_subscriber_hears_the_present_state(
        self, manager: DownloadManager, board: StateBoard, fixture_hub: FixtureHub
    ) -> None:
        manager.start(entry_for()).result(30)
        heard: list[HubEvent] = []
        board.subscribe(heard.append, replay=True)
        assert heard == [ModelStateChanged("model", Downloaded())]


PULL = """
import sys
from pathlib import Path
from ominix_core.board import StateBoard
from ominix_core.downloads.job import Options
from ominix_core.downloads.manager import DownloadManager
from ominix_core.paths import Home
from ominix_core.registry.entry_json import read_entry
from ominix_core.settings import Settings
board = StateBoard()
board.subscribe(lambda event: print(type(event.state).__name__, flush=True))
manager = DownloadManager(Home(Path(sys.argv[1])), board, Settings(), lambda *_: None, Options(segment_bytes=256 << 10))
source = {"type": "HuggingFace", "repo": "acme/model"}
manager.start(read_entry({"id": "model", "name": "A Model", "source": source})).result(60)
manager.close()
"""


class TestTwoPrograms:
    def test_see_each_other_and_fetch_once(
        self, manager: DownloadManager, board: StateBoard, slow: FixtureHub, home: Home
    ) -> None:
        watch = Watch(board)
        command = [sys.executable, "-c", PULL, str(home.root)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as other:
            shown = watch.bytes_arrive()
            assert shown.note == "by another Ominix program"
            with pytest.raises(DownloadError, match="Another Ominix program"):
                manager.remove(entry_for())
            download = manager.start(entry_for())
            slow.mend()
            download.result(30)
            assert other.wait(30) == 0
        assert slow.body_bytes < 1.01 * slow.repos["acme/model"].total_bytes
        assert same_files(home.model("model"), slow.root / "acme/model")

    def test_one_goes_on_when_the_other_is_killed(
        self, manager: DownloadManager, board: StateBoard, slow: FixtureHub, home: Home
    ) -> None:
        watch = Watch(board)
        command = [sys.executable, "-c", PULL, str(home.root)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as other:
            watch.bytes_arrive()
            download = manager.start(entry_for())
            other.kill()
        slow.mend()
        download.result(30)
        assert same_files(home.model("model"), slow.root / "acme/model")


class TestRemove:
    def test_gives_the_space_back(self, manager: DownloadManager, fixture_hub: FixtureHub, home: Home) -> None:
        manager.start(entry_for()).result(30)
        assert [usage.model_id for usage in manager.library.usage()] == ["model"]
        assert manager.remove(entry_for()) >= 2 * SHARD_BYTES
        assert not home.model("model").exists()
        assert manager.library.usage() == []
        assert manager.library.state_of(entry_for()) == NotDownloaded()

    def test_stops_a_download_first(
        self, manager: DownloadManager, board: StateBoard, slow: FixtureHub, home: Home
    ) -> None:
        watch = Watch(board)
        download = manager.start(entry_for())
        watch.bytes_arrive()
        manager.remove(entry_for())
        assert isinstance(download.exception(5), Cancelled)
        assert not home.model("model").exists()

    def test_leaves_alone_what_others_put_there(self, manager: DownloadManager, home: Home) -> None:
        home.model("model").mkdir(parents=True)
        (home.model("model") / "notes.txt").write_text("mine")
        with pytest.raises(DownloadError, match="not filled by Ominix"):
            manager.remove(entry_for())
        assert (home.model("model") / "notes.txt").exists()

    def test_of_a_link_only_the_link(self, manager: DownloadManager, home: Home, tmp_path: Path) -> None:
        elsewhere = tmp_path / "elsewhere"
        (elsewhere / ".ominix").mkdir(parents=True)
        (elsewhere / "config.json").write_text("{}")
        home.models.mkdir()
        home.model("model").symlink_to(elsewhere)
        manager.remove(entry_for())
        assert not home.model("model").exists()
        assert (elsewhere / "config.json").exists()

    def test_never_a_local_folder(self, manager: DownloadManager, tmp_path: Path) -> None:
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine/config.json").write_text("{}")
        local = entry_for({"type": "Local", "path": str(tmp_path / "mine")})
        assert manager.library.state_of(local) == Downloaded()
        with pytest.raises(DownloadError, match="not Ominix's own"):
            manager.remove(local)
        assert (tmp_path / "mine/config.json").exists()


class TestVerify:
    def test_finds_and_repairs_a_flipped_byte(
        self, manager: DownloadManager, fixture_hub: FixtureHub, home: Home
    ) -> None:
        manager.start(entry_for()).result(30)
        shard = home.model("model") / "model-00002-of-00002.safetensors"
        content = bytearray(shard.read_bytes())
        content[1000] ^= 1
        shard.write_bytes(content)
        assert manager.library.state_of(entry_for()) == Downloaded()
        (fault,) = manager.verify(entry_for()).faults
        assert (fault.path, fault.reason) == (shard.name, "does not match its checksum")
        fixture_hub.forget()
        manager.repair(entry_for()).result(30)
        assert same_files(home.model("model"), fixture_hub.root / "acme/model")
        assert fixture_hub.body_bytes == SHARD_BYTES
        assert leftovers(home.model("model")) == []

    def test_a_cut_file_is_no_complete_model(
        self, manager: DownloadManager, fixture_hub: FixtureHub, home: Home
    ) -> None:
        manager.start(entry_for()).result(30)
        shard = home.model("model") / "model-00002-of-00002.safetensors"
        shard.write_bytes(shard.read_bytes()[:-1])
        fault = f"has {SHARD_BYTES - 1:,} bytes instead of {SHARD_BYTES:,}"
        damaged = f"A Model is damaged: {shard.name} {fault}. Get it again: ominix pull model"
        assert manager.library.state_of(entry_for()) == Error(damaged)
        assert manager.verify(entry_for()).faults[0].reason == fault
        manager.start(entry_for()).result(30)
        assert same_files(home.model("model"), fixture_hub.root / "acme/model")

    def test_knows_nothing_about_folders_of_others(self, manager: DownloadManager) -> None:
        with pytest.raises(DownloadError, match="nothing to compare"):
            manager.verify(entry_for())


def test_a_broken_manifest_is_made_anew(manager: DownloadManager, fixture_hub: FixtureHub, home: Home) -> None:
    manager.start(entry_for()).result(30)
    manifest = home.model("model") / ".ominix/manifest.json"
    manifest.write_text(manifest.read_text()[:40])
    (home.model("model") / "config.json").unlink()
    fixture_hub.forget()
    manager.start(entry_for()).result(30)
    assert same_files(home.model("model"), fixture_hub.root / "acme/model")
    assert fixture_hub.body_bytes < SHARD_BYTES  # the weights were there, and were compared
    assert json.loads(manifest.read_text())["files"]
