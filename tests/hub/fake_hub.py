"""A small hub on this machine: the few routes of huggingface.co that a download needs, with failures on demand."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REVISION = "0123456789abcdef0123456789abcdef01234567"
LARGE = (".safetensors", ".ckpt")


class FakeHub:
    """Repositories as {repo: {path: bytes}}; `breaks` cuts the first answer of a file short.

    Files of `gated` repos need a token; anyone may list them, as there, unless they are `hidden` too.
    """

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, bytes]] = {}
        self.gated: set[str] = set()
        self.hidden: set[str] = set()
        self.breaks: set[str] = set()
        self.forged: set[str] = set()
        self.ranges: list[str] = []
        self.fetched: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.answer(self)

            def do_HEAD(self) -> None:
                hub.answer(self)

            def log_message(self, *_args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.split("?")[0].strip("/")
        asks = path.startswith("api/models/")
        repo = "/".join(path.removeprefix("api/models/").split("/")[:2])
        if repo not in self.repos:
            return _send(request, 404, b"", {"X-Error-Code": "RepoNotFound"})
        is_listing = asks and not path.endswith("/auth-check")
        is_closed = repo in (self.hidden if is_listing else self.gated)
        if is_closed and "Authorization" not in request.headers:
            return _send(request, 401, b"", {"X-Error-Code": "GatedRepo"})
        if asks:
            siblings = [_sibling(name, data) for name, data in self.repos[repo].items()]
            facts = {"id": repo, "sha": REVISION, "siblings": siblings} if is_listing else {}
            return _send(request, 200, json.dumps(facts).encode(), {})
        name = path.split(f"resolve/{REVISION}/")[1]
        return self._file(request, name, self.repos[repo][name])

    def _file(self, request: BaseHTTPRequestHandler, name: str, data: bytes) -> None:
        etag = hashlib.sha256(data).hexdigest()
        if name in self.forged:
            data = bytes(len(data))
        headers = {
            "X-Repo-Commit": REVISION,
            "ETag": f'"{etag}"',
            "Accept-Ranges": "bytes",
            "X-Linked-Size": str(len(data)),
        }
        if request.command == "HEAD":
            return _send(request, 200, data, headers)
        self.fetched.append(name)
        start = int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        if start:
            self.ranges.append(f"{name}:{start}")
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        if name in self.breaks:
            self.breaks.discard(name)
            return _send(request, 404 if not data else 200, data, headers, cut=len(data) // 2)
        return _send(request, 206 if start else 200, data[start:], headers)


def _send(
    request: BaseHTTPRequestHandler, code: int, data: bytes, headers: dict[str, str], cut: int | None = None
) -> None:
    request.send_response(code)
    for key, value in {**headers, "Content-Length": str(len(data))}.items():
        request.send_header(key, value)
    request.end_headers()
    if request.command == "GET":
        request.wfile.write(data[:cut])
        request.wfile.flush()
    request.close_connection = True


def _sibling(name: str, data: bytes) -> dict[str, object]:
    blob = hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()
    sibling: dict[str, object] = {"rfilename": name, "size": len(data), "blobId": blob}
    if name.endswith(LARGE):
        sha256 = hashlib.sha256(data).hexdigest()
        sibling["lfs"] = {"sha256": sha256, "size": len(data), "pointerSize": 130}
    return sibling
