"""A stand-in for the Hugging Face hub and ModelScope on the loopback interface, with faults on demand.

`DIR/<owner>/<name>/` are repositories, `DIR/_static/` plain files. With `cdn=True` large files are answered by a
redirect to another host name (`localhost` instead of `127.0.0.1`), as the real hub does.

Run it alone with `python -m tests.support.fixture_hub DIR`; it prints its address.
"""

from __future__ import annotations

import contextlib
import fnmatch
import http.server
import json
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import parse_qs, quote, unquote, urlsplit

from tests.support.fixture_repo import Repo, StoredFile

BLOCK = 1 << 18
TOKEN = "hf_fixture"

FaultKind = Literal[
    "status",  # answer with `code` (and `headers`); matches any path, also of the API
    "drop",  # close the connection after `after` bytes of the body
    "reset",  # the same with a TCP reset
    "hang",  # accept the request and answer nothing
    "stall",  # send nothing more after `after` bytes
    "slow",  # send `rate` bytes a second
    "corrupt",  # flip the byte at offset `at` of the file
    "short",  # declare and send one byte less than asked for
    "lie_length",  # declare `value` as Content-Length
    "lie_range",  # declare `value` as Content-Range
    "no_range",  # ignore Range and send the whole file
    "etag",  # send `value` as ETag
    "redirect",  # redirect to `value`
    "compress",  # claim Content-Encoding: gzip
    "body",  # answer 200 with `value` as the body
]


@dataclass
class Fault:
    """What goes wrong, for which paths, how often (-1: always)."""

    kind: FaultKind
    path: str = "*"
    times: int = -1
    code: int = 503
    after: int = 0
    at: int = 0
    rate: int = 1 << 20
    value: str = ""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """What was asked for."""

    host: str
    path: str
    authorization: str | None
    range: tuple[int, int] | None


class FixtureHub:
    """The server, its faults, and a record of what was asked of it. A context manager.

    Attributes:
        page_headers: What every page of a listing adds to its headers.
        hub_url: Where pages of a listing say that the next one is; another one makes this a mirror.
        prefix: The folder that everything lies in, as of a mirror behind a proxy.
        on_hang: Called when a request hangs.
    """

    def __init__(self, root: Path, *, cdn: bool = False, page_size: int = 1000) -> None:
        self.root = root
        self.cdn = cdn
        self.page_size = page_size
        self.page_headers: dict[str, str] = {}
        self.on_hang: Callable[[], None] = lambda: None
        owners = [folder for folder in sorted(root.iterdir()) if folder.is_dir() and not folder.name.startswith("_")]
        names = [f"{owner.name}/{folder.name}" for owner in owners for folder in sorted(owner.iterdir())]
        self.repos = {name: Repo(name, root / name) for name in names}
        self.requests: list[Request] = []
        self.body_bytes = 0
        self.closing = threading.Event()
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._sent = threading.Condition(self._lock)
        self._server = _Server(("127.0.0.1", 0), _handler_for(self))
        self.port = self._server.server_address[1]
        self.url = self.hub_url = f"http://127.0.0.1:{self.port}"
        self.prefix = ""
        self.other_host = f"http://localhost:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def fault(self, kind: FaultKind, **fields: Any) -> Fault:
        fault = Fault(kind, **fields)
        with self._lock:
            self._faults.append(fault)
        return fault

    def mend(self) -> None:
        """Take every fault away."""
        with self._lock:
            self._faults.clear()

    def forget(self) -> None:
        """Start the record of requests over."""
        with self._lock:
            self.requests.clear()
            self.body_bytes = 0

    def asked(self, pattern: str) -> list[Request]:
        with self._lock:
            return [request for request in self.requests if fnmatch.fnmatchcase(request.path, pattern)]

    def take(self, path: str, *kinds: FaultKind) -> Fault | None:
        """The first fault of these kinds that matches, spending one of its times."""
        with self._lock:
            for fault in self._faults:
                if fault.kind in kinds and fault.times != 0 and fnmatch.fnmatchcase(path, fault.path):
                    fault.times -= fault.times > 0
                    return replace(fault)
        return None

    def note(self, request: Request) -> None:
        with self._lock:
            self.requests.append(request)

    def count(self, sent: int) -> None:
        with self._sent:
            self.body_bytes += sent
            self._sent.notify_all()

    def wait_for_bytes(self, least: int, seconds: float = 20.0) -> None:
        """Wait until so many bytes of files were sent."""
        with self._sent:
            assert self._sent.wait_for(lambda: self.body_bytes >= least, seconds), f"only {self.body_bytes} were sent"


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away are what many tests are about."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    hub: FixtureHub

    def log_message(self, *_: object) -> None:
        pass

    # -- routes -------------------------------------------------------------------------------------------------

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        path, query = unquote(parts.path), {key: values[-1] for key, values in parse_qs(parts.query).items()}
        asked = Request(self.headers.get("Host", ""), path, self.headers.get("Authorization"), self._range())
        self.hub.note(asked)
        if self.hub.take(path, "hang"):
            self.hub.on_hang()
            self.hub.closing.wait(60)
            self.close_connection = True
        elif fault := self.hub.take(path, "status"):
            self._refuse(fault.code, headers=fault.headers)
        elif fault := self.hub.take(path, "redirect"):
            self._answer(302, {"Location": fault.value, "Content-Length": "0"})
        elif fault := self.hub.take(path, "body"):
            self._answer(200, {"Content-Length": str(len(fault.value))}, fault.value.encode())
        else:
            self._route(path.removeprefix(self.hub.prefix).strip("/").split("/"), query)

    do_HEAD = do_GET

    def _route(self, parts: list[str], query: dict[str, str]) -> None:  # noqa: PLR0912
        match parts:
            case ["api", "models", owner, name, "revision", revision]:
                if repo := self._allowed(f"{owner}/{name}", revision):
                    self._json({"id": repo.id, "sha": repo.commit})
            case ["api", "models", owner, name, "tree", revision]:
                if repo := self._allowed(f"{owner}/{name}", revision):
                    self._tree(repo, query)
            case ["api", "v1", "models", owner, name, "repo", "files"]:
                if repo := self.hub.repos.get(f"{owner}/{name}"):
                    items = repo.modelscope_files(query.get("Root", ""), query.get("Recursive") == "true")
                    self._json({"Code": 200, "Success": True, "Data": {"Files": items}})
                else:
                    self._json({"Code": 10010205001, "Success": False, "Data": None}, 404)
            case ["models", owner, name, "resolve", _, *rest]:
                repo = self.hub.repos.get(f"{owner}/{name}")
                self._file(repo.files.get("/".join(rest)) if repo else None)
            case ["_cdn", owner, name, *rest]:
                self._file(self.hub.repos[f"{owner}/{name}"].files.get("/".join(rest)))
            case ["_static", *rest] if (self.hub.root / "_static" / "/".join(rest)).is_file():
                self._file(StoredFile.read(self.hub.root / "_static" / "/".join(rest)))
            case [owner, name, "resolve", revision, *rest]:
                if repo := self._allowed(f"{owner}/{name}", revision):
                    self._resolve(repo, "/".join(rest))
            case _:
                self._refuse(404)

    def _allowed(self, name: str, revision: str) -> Repo | None:
        """The repository, or None once the hub's own refusal is sent."""
        repo = self.hub.repos.get(name)
        signed_in = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if repo is None or (repo.is_private and not signed_in):
            self._refuse(404 if signed_in else 401, "RepoNotFound")
        elif revision not in ("main", repo.commit):
            self._refuse(404, "RevisionNotFound")
        elif repo.is_gated and not signed_in and "/revision/" not in self.path:
            self._refuse(401, "GatedRepo")
        else:
            return repo
        return None

    def _tree(self, repo: Repo, query: dict[str, str]) -> None:
        items, start, size = repo.tree(), int(query.get("cursor", 0)), self.hub.page_size
        headers = dict(self.hub.page_headers)
        if start + size < len(items):
            address = f"{self.hub.hub_url}/api/models/{repo.id}/tree/{repo.commit}?recursive=true&cursor={start + size}"
            headers["Link"] = f'<{address}>; rel="next"'
        self._json(items[start : start + size], headers=headers)

    def _resolve(self, repo: Repo, name: str) -> None:
        file, headers = repo.files.get(name), {"X-Repo-Commit": repo.commit}
        if file is not None and file.is_large:
            headers |= {"X-Linked-Size": str(file.size), "X-Linked-Etag": f'"{file.sha256}"'}
        if file is not None and file.is_large and self.hub.cdn:
            address = f"{self.hub.other_host}/_cdn/{repo.id}/{quote(name)}?signature=1"
            self._answer(302, headers | {"Location": address, "Content-Length": "0"})
        else:
            self._file(file, headers)

    # -- answers ------------------------------------------------------------------------------------------------

    def _answer(self, code: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _json(self, value: Any, code: int = 200, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(value).encode()
        self._answer(
            code, {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}, body
        )

    def _refuse(self, code: int, name: str = "", headers: dict[str, str] | None = None) -> None:
        self._json({"error": "refused"}, code, {"X-Error-Code": name, **(headers or {})} if name else headers)

    def _range(self) -> tuple[int, int] | None:
        asked = self.headers.get("Range", "")
        if not asked.startswith("bytes="):
            return None
        first, _, last = asked.removeprefix("bytes=").partition("-")
        return int(first), int(last)

    def _file(self, file: StoredFile | None, extra_headers: dict[str, str] | None = None) -> None:
        if file is None:
            self._refuse(404, "EntryNotFound")
            return
        path, asked = unquote(urlsplit(self.path).path), self._range()
        headers = {"Accept-Ranges": "bytes", "ETag": f'"{file.sha256 if file.is_large else file.git_oid}"'}
        headers |= extra_headers or {}
        first, last, code = 0, file.size - 1, 200
        if asked and file.size and not self.hub.take(path, "no_range"):
            first, last, code = asked[0], min(asked[1], file.size - 1), 206
            if first > last:
                self._answer(416, {"Content-Range": f"bytes */{file.size}", "Content-Length": "0"})
                return
            headers["Content-Range"] = f"bytes {first}-{last}/{file.size}"
        length = last + 1 - first - bool(self.hub.take(path, "short"))
        headers["Content-Length"] = str(length)
        for kind, header in (("lie_length", "Content-Length"), ("lie_range", "Content-Range"), ("etag", "ETag")):
            if fault := self.hub.take(path, kind):  # type: ignore[arg-type]
                headers[header] = fault.value
        if self.hub.take(path, "compress"):
            headers["Content-Encoding"] = "gzip"
        self._answer(code, headers)
        if self.command != "HEAD":
            self.wfile.flush()
            with contextlib.suppress(OSError):
                self._send(file.path, path, first, length)

    # -- bodies -------------------------------------------------------------------------------------------------

    def _send(self, source: Path, path: str, offset: int, length: int) -> None:
        cut = self.hub.take(path, "drop", "reset", "stall")
        slow = self.hub.take(path, "slow")
        corrupt = self.hub.take(path, "corrupt")
        limit = min(length, cut.after) if cut else length
        with source.open("rb") as file:
            if slow or corrupt or not hasattr(os, "sendfile") or sys.platform != "linux":
                file.seek(offset)
                self._send_blocks(file.read, offset, limit, slow, corrupt)
            else:
                end = offset + limit
                while offset < end:
                    sent = os.sendfile(self.connection.fileno(), file.fileno(), offset, min(end - offset, 8 << 20))
                    offset += sent
                    self.hub.count(sent)
        if cut and limit < length:
            self._cut(cut)

    def _send_blocks(self, read: Any, offset: int, left: int, slow: Fault | None, corrupt: Fault | None) -> None:
        begin, sent = time.monotonic(), 0
        size = max(1024, min(BLOCK, slow.rate // 50)) if slow else BLOCK
        while left:
            block = bytearray(read(min(left, size)))
            if corrupt and offset <= corrupt.at < offset + len(block):
                block[corrupt.at - offset] ^= 0xFF
            self.connection.sendall(block)
            self.hub.count(len(block))
            offset, left, sent = offset + len(block), left - len(block), sent + len(block)
            if slow and self.hub.closing.wait(max(0.0, sent / slow.rate - (time.monotonic() - begin))):
                return

    def _cut(self, fault: Fault) -> None:
        self.close_connection = True
        if fault.kind == "stall":
            self.hub.closing.wait(60)
        if fault.kind == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        else:
            self.connection.shutdown(socket.SHUT_RDWR)


def _handler_for(hub: FixtureHub) -> type[_Handler]:
    return type("Handler", (_Handler,), {"hub": hub})


if __name__ == "__main__":
    with FixtureHub(Path(sys.argv[1]), cdn="--cdn" in sys.argv) as running:
        print(running.url, flush=True)  # noqa: T201
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
