"""`add REPO`: what a repository's files say about a model."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ominix_core.errors import RegistryError
from ominix_core.registry.entry_json import read_entry
from ominix_core.registry.repository import Repository, draft_entry, inspect
from tests.registry.web import Answer, Request, Site

COMMIT = "0123456789abcdef0123456789abcdef01234567"
QWEN_CONFIG: dict[str, Any] = {
    "model_type": "qwen3",
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "hidden_size": 4096,
    "max_position_embeddings": 40960,
    "quantization": {"group_size": 64, "bits": 4},
}
QWEN_FILES = {"config.json": 900, "model.safetensors": 4_610_000_000, "tokenizer.json": 11_000_000, "train.py": 5}
LOADABLE = {"model.safetensors": 1000, "config.json": 2}
WHISPER_FILES = {"tokenizer.json": 9, "preprocessor_config.json": 5}


@pytest.fixture
def hub_site(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The site as Hugging Face hub, with the repository owner/Qwen3-8B-4bit."""
    monkeypatch.setenv("HF_ENDPOINT", site.url)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    add_repository(site, "owner/Qwen3-8B-4bit", QWEN_CONFIG, QWEN_FILES)
    return site


def add_repository(site: Site, name: str, config: Any, files: dict[str, int], **about: Any) -> None:
    about = {"sha": COMMIT, "pipeline_tag": "text-generation", "cardData": {"license": "apache-2.0"}, **about}
    tree = [{"type": "file", "path": path, "size": size} for path, size in files.items()]
    site.routes |= {
        f"/api/models/{name}/revision/main": Answer(json.dumps(about).encode()),
        f"/api/models/{name}/tree/{COMMIT}?recursive=true": Answer(json.dumps(tree).encode()),
        f"/{name}/resolve/{COMMIT}/config.json": Answer(json.dumps(config).encode()),
    }


def test_a_language_model(hub_site: Site) -> None:
    entry = read_entry(draft_entry(inspect("owner/Qwen3-8B-4bit")))
    assert (entry.id, entry.category, entry.runtime.engine) == ("qwen3-8b-4bit", "LLM", "mlx-lm")
    assert (entry.license, entry.runtime.quantization, entry.runtime.parameters) == ("apache-2.0", "4-bit", "8B")
    assert entry.size_bytes == 4_610_000_000 + 11_000_000 + 900
    assert entry.runtime.context == 40960
    assert entry.runtime.memory_gb == 6.5, "1.05 x 4.61 GB, 1.2 GB of keys and values for 8,192 tokens, and 0.5 GB"
    assert entry.said["source"]["revision"] == COMMIT


def test_the_token_goes_to_the_hub(hub_site: Site) -> None:
    inspect("owner/Qwen3-8B-4bit")
    assert {request.headers["authorization"] for request in hub_site.requests} == {"Bearer hf_secret"}


def test_a_list_of_files_in_pages(hub_site: Site) -> None:
    first = f"/api/models/owner/Qwen3-8B-4bit/tree/{COMMIT}?recursive=true"
    rest = [{"type": "file", "path": "model.safetensors", "size": 7}, {"type": "directory", "path": "sub"}]
    hub_site.routes["/page2"] = Answer(json.dumps(rest).encode())
    hub_site.routes[first] = Answer(b"[]", headers={"Link": f'<{hub_site.url}/page2>; rel="next"'})
    assert inspect("owner/Qwen3-8B-4bit").sizes == {"model.safetensors": 7}


def test_a_mirror_that_passes_on_the_hub_s_own_links_is_asked_itself(hub_site: Site) -> None:
    first = f"/api/models/owner/Qwen3-8B-4bit/tree/{COMMIT}?recursive=true"
    there = f"https://huggingface.co{first}&cursor=2"
    hub_site.routes[first] = Answer(b"[]", headers={"Link": f'<{there}>; rel="next"'})
    page = [{"type": "file", "path": "model.safetensors", "size": 7}]
    hub_site.routes[f"{first}&cursor=2"] = Answer(json.dumps(page).encode())
    assert inspect("owner/Qwen3-8B-4bit").sizes == {"model.safetensors": 7}


def test_where_a_redirect_led_the_token_does_not_follow_for_the_next_page(hub_site: Site) -> None:
    first = f"/api/models/owner/Qwen3-8B-4bit/tree/{COMMIT}?recursive=true"
    elsewhere = hub_site.url.replace("127.0.0.1", "localhost")
    hub_site.routes[first] = Answer(status=308, headers={"Location": f"{elsewhere}/real{first}"})
    link = {"Link": f'<{elsewhere}/real{first}&cursor=2>; rel="next"'}
    hub_site.routes[f"/real{first}"] = Answer(b"[]", headers=link)
    hub_site.routes[f"{first}&cursor=2"] = Answer(b"[]")
    inspect("owner/Qwen3-8B-4bit")
    hosts = [(request.headers["host"], "authorization" in request.headers) for request in hub_site.requests]
    assert {token for host, token in hosts if host.startswith("localhost")} == {False}


def test_a_list_of_files_without_an_end_is_told(hub_site: Site) -> None:
    first = f"/api/models/owner/Qwen3-8B-4bit/tree/{COMMIT}?recursive=true"
    hub_site.routes[first] = Answer(b"[]", headers={"Link": f'<{first}>; rel="next"'})
    with pytest.raises(RegistryError, match="does not end"):
        inspect("owner/Qwen3-8B-4bit")


def test_pages_on_another_host_would_get_the_token_and_are_refused(hub_site: Site) -> None:
    first = f"/api/models/owner/Qwen3-8B-4bit/tree/{COMMIT}?recursive=true"
    hub_site.routes[first] = Answer(b"[]", headers={"Link": '<https://evil.example.com/page2>; rel="next"'})
    with pytest.raises(RegistryError, match=r"evil\.example\.com"):
        inspect("owner/Qwen3-8B-4bit")


@pytest.mark.parametrize(
    ("tag", "config", "files", "expected"),
    [
        ("image-text-to-text", {"model_type": "qwen3_vl"}, {}, ("VLM", "mlx-vlm")),
        ("", {"model_type": "qwen2_5_vl", "vision_config": {}}, {}, ("VLM", "mlx-vlm")),
        ("", {"model_type": "whisper"}, WHISPER_FILES, ("ASR", "mlx-audio")),
        ("automatic-speech-recognition", {}, {}, ("ASR", "mlx-audio")),
        ("", {"model_type": "qwen3_tts"}, {}, ("TTS", "mlx-audio-tts")),
        ("text-to-image", {}, {"model_index.json": 1, "transformer/a.safetensors": 9}, ("ImageGen", "z-image")),
        ("", {"model_type": "llama"}, {}, ("LLM", "mlx-lm")),
    ],
)
def test_the_category_and_the_engine_follow_from_the_files(
    tag: str, config: dict[str, Any], files: dict[str, int], expected: tuple[str, str]
) -> None:
    name = "owner/Z-Image-Turbo" if expected[0] == "ImageGen" else "owner/model"
    repository = Repository(name, COMMIT, {**LOADABLE, **files}, config, pipeline_tag=tag)
    entry = read_entry(draft_entry(repository))
    assert (entry.category, entry.runtime.engine) == expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"quantization": {"bits": 8, "group_size": 64}}, "8-bit"),
        ({"quantization": {"bits": 4, "mode": "mxfp4"}}, "mxfp4"),
        ({"torch_dtype": "bfloat16"}, "bf16"),
        ({}, ""),
    ],
)
def test_the_quantization(config: dict[str, Any], expected: str) -> None:
    repository = Repository("owner/m", COMMIT, LOADABLE, {"model_type": "llama", **config})
    assert read_entry(draft_entry(repository)).runtime.quantization == expected


def test_numbers_of_a_multimodal_model_are_found_one_level_down() -> None:
    config = {"model_type": "qwen3_vl", "vision_config": {}, "text_config": {"max_position_embeddings": 262144}}
    repository = Repository("owner/m", COMMIT, LOADABLE, config)
    assert read_entry(draft_entry(repository)).runtime.context == 262144


LLAMA = {"model_type": "llama"}


@pytest.mark.parametrize(
    ("files", "config", "why"),
    [
        ({"model-Q4_K_M.gguf": 5}, {}, "only GGUF weights"),
        ({"pytorch_model.bin": 5}, {}, "only weights of PyTorch"),
        ({"onnx/model.onnx": 5, "config.json": 2}, LLAMA, "only weights for ONNX"),
        ({"weights.npz": 5, "config.json": 2}, LLAMA, "only weights as NumPy arrays"),
        ({"README.md": 5}, {}, "no weights as safetensors"),
        ({"model.safetensors": 5, "config.json": 2}, {}, "cannot be told"),
        ({"model.safetensors": 5}, {}, r"no config\.json.*conversion"),
        ({"adapters.safetensors": 5, "adapter_config.json": 2}, {}, r"an adapter, not a whole model.*\[adapters\]"),
        ({**LOADABLE, "model.safetensors.index.json": 2}, {"model_type": "zzz_new"}, r"'zzz_new', which mlx-lm \d"),
        (
            LOADABLE,
            {"model_type": "zzz_vl", "vision_config": {}},
            r"'zzz_vl', which mlx-vlm \d.*newer version of Ominix",
        ),
        ({"weights.00.safetensors": 5, "config.json": 2}, LLAMA, r"weights\.00\.safetensors; mlx-lm reads model\*"),
        ({"consolidated.safetensors": 5, "config.json": 2}, LLAMA, r"consolidated\.safetensors; mlx-lm reads model\*"),
        ({"part/model.safetensors": 5, "config.json": 2}, LLAMA, "in folders below"),
        ({"weights.npz": 5, "config.json": 2}, {"model_type": "whisper"}, r"no tokenizer\.json.*whisper-tiny-asr-fp16"),
    ],
)
def test_what_cannot_be_added_says_why(files: dict[str, int], config: dict[str, Any], why: str) -> None:
    with pytest.raises(RegistryError, match=why):
        draft_entry(Repository("owner/m", COMMIT, files, config))


@pytest.mark.parametrize(
    "config",
    [
        LLAMA,
        {"model_type": "mistral"},  # an alias of mlx-lm's
        {"model_type": "bailing_hybrid", "architectures": ["BailingMoeV3ForCausalLM"]},
        {"model_type": "qwen3_moe"},
        {"model_type": "brand_new", "model_file": "brand_new.py"},  # Python of its own, which the user may allow
        {"model_type": "Qwen3_VL", "vision_config": {}},
        {"model_type": "lfm2-vl", "vision_config": {}},
    ],
    ids=str,
)
def test_what_the_installed_libraries_know_under_any_name_is_added(config: dict[str, Any]) -> None:
    assert draft_entry(Repository("owner/m", COMMIT, LOADABLE, config))


def test_a_whisper_as_numpy_arrays_is_added_by_the_name_of_its_weights() -> None:
    files = {"weights.npz": 5000, "config.json": 2, **WHISPER_FILES}
    entry = read_entry(draft_entry(Repository("owner/whisper", COMMIT, files, {"model_type": "whisper"})))
    assert entry.said["source"]["files"] == ["weights.npz"]
    assert entry.size_bytes == 5016


def test_the_size_leaves_copies_of_the_weights_out() -> None:
    copies = {"consolidated.safetensors": 1000, "fp16/model.safetensors": 500, "checkpoint-5/model.safetensors": 1000}
    entry = read_entry(draft_entry(Repository("owner/m", COMMIT, {**LOADABLE, **copies}, LLAMA)))
    assert entry.size_bytes == 1002


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (401, "no such repository, or it is private"),
        (403, "gated"),
        (404, "no such repository"),
        (429, "wait"),
        (500, "500"),
    ],
)
def test_the_hub_s_refusals_are_explained(hub_site: Site, status: int, why: str) -> None:
    hub_site.routes["/api/models/owner/gone/revision/main"] = Answer(status=status)
    with pytest.raises(RegistryError, match=why):
        inspect("owner/gone")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'"x"'])
def test_nonsense_from_the_hub_is_named(hub_site: Site, body: bytes) -> None:
    hub_site.routes["/api/models/owner/Qwen3-8B-4bit/revision/main"] = Answer(body)
    with pytest.raises(RegistryError, match="The hub's answer about owner/Qwen3-8B-4bit"):
        inspect("owner/Qwen3-8B-4bit")


@pytest.mark.parametrize("name", ["plain", "../x/y", "a/b/c", "owner/na me"])
def test_a_name_that_is_no_repository(name: str) -> None:
    with pytest.raises(RegistryError, match="owner/name"):
        inspect(name)


def test_a_hub_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(RegistryError, match="cannot be reached"):
        inspect("owner/name")


def test_a_redirect_leaves_the_token_behind(hub_site: Site) -> None:
    path = f"/owner/Qwen3-8B-4bit/resolve/{COMMIT}/config.json"
    port = hub_site.url.rpartition(":")[2]
    seen: list[Request] = []

    def cdn(request: Request) -> Answer:
        seen.append(request)
        return Answer(json.dumps(QWEN_CONFIG).encode())

    hub_site.routes[path] = Answer(status=302, headers={"Location": f"http://localhost:{port}/cdn"})
    hub_site.routes["/cdn"] = cdn
    assert inspect("owner/Qwen3-8B-4bit").config == QWEN_CONFIG
    assert "authorization" not in seen[0].headers
