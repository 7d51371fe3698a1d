"""Keeps one worker process beside a server: starts it, starts it again when it dies, stops it with the server.

The worker reads its standard input, which nobody writes to: when the server is gone, however it died, the worker sees the end
of it and stops. Its job goes on in the next worker.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence

_log = logging.getLogger("happyhorse.supervisor")
_STOP_S = 5.0
_MIN_LIFE_S = 10.0
_MAX_PAUSE_S = 15.0
_RUN = "from happyhorse.cli.app import main; main()"


class WorkerProcess:
    """`happyhorse worker ...` as a child."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        self.command = [sys.executable, "-c", _RUN, "worker", "--with-parent", *arguments]
        self.environment = dict(environment)
        self.child: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="worker-supervisor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask, wait a little, then kill; a job in hand is resumed by the next worker."""
        self._stopping.set()
        child = self.child
        if child is not None and child.poll() is None:
            child.terminate()
            try:
                child.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                child.kill()
        self._thread.join(_STOP_S)

    def _keep(self) -> None:
        pause = 0.0
        while not self._stopping.wait(pause):
            started = time.monotonic()
            # A session of its own: Ctrl-C in the terminal is for the server, which then stops the worker.
            self.child = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, env=self.environment, start_new_session=True
            )
            code = self.child.wait()
            if self._stopping.is_set():
                return
            lived = time.monotonic() - started
            pause = 0.0 if lived > _MIN_LIFE_S else min(_MAX_PAUSE_S, max(0.5, 2 * pause))
            _log.warning("the worker ended with code %d; the next one starts in %.1f s", code, pause)
