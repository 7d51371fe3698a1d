"""The thinnest HTTP/1.1 client there is, so that what is measured is the server: one kept connection, whole answers."""

from __future__ import annotations

import json
import socket
from types import TracebackType


class Wire:
    """One connection to a loopback port; `call` is one request and its answer."""

    def __init__(self, port: int, key: str) -> None:
        self.port, self.key = port, key
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.kept = b""

    def call(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Status and body. Raises: ConnectionError when the server hangs up."""
        self.send(method, path, body)
        while b"\r\n\r\n" not in self.kept:
            self._more()
        head, _, self.kept = self.kept.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
        while len(self.kept) < length:
            self._more()
        answer, self.kept = self.kept[:length], self.kept[length:]
        return int(lines[0].split()[1]), answer

    def send(self, method: str, path: str, body: bytes = b"") -> None:
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nAuthorization: Bearer {self.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.socket.sendall(head.encode() + body)

    def _more(self) -> None:
        chunk = self.socket.recv(65536)
        if not chunk:
            raise ConnectionError("the server hung up")
        self.kept += chunk

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()


def created(answer: tuple[int, bytes]) -> str:
    """The id of what a submit made."""
    status, body = answer
    if status != 202:
        raise RuntimeError(f"a submit was answered {status}: {body[:200]!r}")
    return str(json.loads(body)["id"])
