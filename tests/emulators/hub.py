"""A hub of models over real HTTP, as `huggingface_hub` asks it: listing, sizes, and files in ranges."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

COMMIT = "5" * 40


@dataclass
class Hub:
    """Its models, by name. A `gated` one is refused; of the files in `breaks` only so many bytes come, once."""

    url: str
    models: dict[str, Path] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    breaks: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)  # what the listing claims instead of the truth
    sent: list[tuple[str, int]] = field(default_factory=list)  # each file sent, and from which byte


@contextmanager
def serve() -> Iterator[Hub]:
    """A hub on a free port of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    hub = Hub(f"http://127.0.0.1:{server.server_address[1]}")
    server.hub = hub  # type: ignore[attr-defined]  # where its handlers find it
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> Hub:
        found: Hub = self.server.hub  # type: ignore[attr-defined]
        return found

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(tree|revision)/.*)?", path):
            self._api(found[1], found[2])
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)", path):
            self._file(found[1], found[2])
        else:
            self._json({"error": "not found"}, 404)

    def _api(self, model: str, kind: str | None) -> None:
        if model not in self.hub.models:
            self._json({"error": "Repository not found"}, 401, code="RepoNotFound")
            return
        files = [path for path in sorted(self.hub.models[model].iterdir()) if path.is_file()]
        if kind == "tree":
            self._json([{"type": "file", "path": f.name, "size": self._size(f), "oid": _digest(f)} for f in files])
            return
        self._json(
            {
                "id": model,
                "modelId": model,
                "sha": COMMIT,
                "private": False,
                "gated": "manual" if model in self.hub.gated else False,
                "tags": ["license:apache-2.0"],
                "siblings": [{"rfilename": f.name} for f in files],
            }
        )

    def _size(self, file: Path) -> int:
        return self.hub.sizes.get(file.name, file.stat().st_size)

    def _file(self, model: str, name: str) -> None:
        if model in self.hub.gated:
            self._json({"error": "Access to it is restricted"}, 403, code="GatedRepo")
            return
        file = self.hub.models[model] / name
        data = file.read_bytes()
        asked = re.fullmatch(r"bytes=(\d+)-.*", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.send_header("ETag", f'"{_digest(file)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("X-Linked-Size", str(self._size(file)))
        self.end_headers()
        if self.command == "HEAD":
            return
        self.hub.sent.append((name, start))
        stop = self.hub.breaks.pop(name, len(data))
        self.wfile.write(data[start:stop])
        self.close_connection = stop < len(data)

    def _json(self, data: Any, status: int = 200, code: str = "") -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if code:
            self.send_header("X-Error-Code", code)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named by the base class
        """Quiet."""


def _digest(file: Path) -> str:
    return hashlib.sha1(file.read_bytes()).hexdigest()
