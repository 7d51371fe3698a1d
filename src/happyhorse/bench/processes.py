"""Real processes of the service for measurements: an API, workers, and a web server that webhooks go to."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TypeVar

from happyhorse.errors import EngineError
from happyhorse.settings import Settings

_HAPPYHORSE = ("-c", "from happyhorse.cli.app import main; main()")
_START_S = 300.0
_LAST_WORDS_CHARS = 400
SCENE = {"prompt": "A cat sits on a red mat.", "duration": 3, "resolution": "480P", "draft": True}
"""What every run asks for, each time with a seed."""
T = TypeVar("T")


class Child:
    """A Python process that can be killed and started again."""

    def __init__(self, arguments: Sequence[str], settings: Settings, log: Path) -> None:
        self.command = [sys.executable, *arguments]
        self.environment, self.log = settings.environment(), log
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as file:
            return subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=self.environment
            )

    def kill(self) -> None:
        """SIGKILL: nothing of it gets to do anything more."""
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        self.kill()
        self.process = self._start()

    def listens(self, port: int) -> bool:
        """Whether it serves yet. Raises: EngineError, with its last words, when it has ended instead."""
        if self.process.poll() is not None:
            last = self.log.read_text(encoding="utf-8", errors="replace")[-_LAST_WORDS_CHARS:].strip()
            raise EngineError(f"'{' '.join(self.command[-4:])}' ended before it served: {last}")
        with socket.socket() as caller:
            return caller.connect_ex(("127.0.0.1", port)) == 0


def api(settings: Settings, port: int, log: Path) -> Child:
    """The API alone, on a loopback port."""
    options = ("--engine", settings.engine, "--no-worker", "--port", str(port))
    return Child([*_HAPPYHORSE, "serve", *options], settings, log)


def worker(settings: Settings, log: Path, *, seconds: float = 0.0) -> Child:
    """A worker; `seconds` is how long the test card takes beyond the writing."""
    options = ("--engine", settings.engine, "--testcard-seconds", str(seconds))
    return Child([*_HAPPYHORSE, "worker", *options], settings, log)


def bare(settings: Settings, port: int, log: Path) -> Child:
    """The bare route that polls are measured beside."""
    return Child(["-m", "happyhorse.bench.bare", str(port)], settings, log)


def settings_of(folder: Path, database_url: str | None, *, engine: str = "testcard") -> Settings:
    """An engine on a folder of its own, with webhooks to this machine allowed and no retention."""
    return replace(
        Settings.from_env(),
        engine=engine,
        data_dir=folder,
        database_url=database_url,
        storage=None,
        retention_hours=0.0,
        allow_local_urls=True,
    )


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for(port: int, server: Child) -> None:
    """Until it listens there, which a server does when it is ready. Raises: EngineError after the time, or when it ends."""
    until(lambda: server.listens(port), timeout_s=_START_S, every_s=0.3)


def until(condition: Callable[[], T], *, timeout_s: float, every_s: float = 0.1) -> T:
    """Wait for a condition and return what it was. Raises: EngineError after the time."""
    end = time.monotonic() + timeout_s
    while not (found := condition()):
        if time.monotonic() > end:
            raise EngineError(f"the service did not do what was waited for within {timeout_s:g} s")
        time.sleep(every_s)
    return found


class Receiver:
    """Takes webhooks and remembers which ids came for which generation."""

    def __init__(self) -> None:
        self.ids: dict[str, list[str]] = {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                receiver.ids.setdefault(self.path[1:], []).append(self.headers["webhook-id"])
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base's name
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
