"""Where reader processes come from: one process that has the decoders loaded, parses nothing, and forks a reader for each call.

So every file still has a process of its own, which knows of no other file, at the price of a fork instead of a start. The
server of forks is started by the first call, has no environment, and ends when this process does, however that happens.
"""

from __future__ import annotations

import atexit
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from happyhorse.errors import EngineError

_LOG_CHARS = 4000
_STOP_S = 2.0


@dataclass(frozen=True)
class Reader:
    """A forked process, and the pipe on which its exit status comes."""

    pid: int
    status: int

    def wait(self, seconds: float) -> int | None:
        """Its exit status as `subprocess` has it; None when the time was over, and then it is killed."""
        code, news = None, select.poll()  # select() itself knows no descriptors from 1024 on
        news.register(self.status, select.POLLIN)
        try:
            if news.poll(1000 * seconds):
                code = _number(self.status)
        finally:
            if code is None:
                with suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGKILL)
            os.close(self.status)
        return code


class ForkServer:
    """`python -m MODULE DESCRIPTOR`, which takes calls from a socket at that descriptor."""

    def __init__(self, module: str) -> None:
        self.module = module
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._calls: socket.socket | None = None
        atexit.register(self.close)
        os.register_at_fork(after_in_child=self._forget)

    def fork(self, call: bytes, descriptors: Sequence[int]) -> Reader:
        """Start a reader that holds these descriptors. Raises: EngineError when there is no starting one."""
        with self._lock:
            for _ in range(2):  # one that has died since the last call is replaced
                calls = self._calls or self._start()
                reader = _asked(calls, call, descriptors)
                if reader is not None:
                    return reader
                said = self._stop()
        raise EngineError(f"the media reader did not start: {said}")

    def close(self) -> None:
        with self._lock:
            self._stop()

    def _start(self) -> socket.socket:
        self._calls, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as the process
        # -P: no code from the working directory; sys.path instead of the environment: the same packages, no secrets.
        command = [sys.executable, "-P", "-m", self.module, str(theirs.fileno())]
        environment = {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OPENBLAS_NUM_THREADS": "1"}
        with theirs:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._log,
                pass_fds=[theirs.fileno()],
                env=environment,
                start_new_session=True,  # Ctrl-C is for this process, which then kills the reader
            )
        return self._calls

    def _stop(self) -> str:
        """Close the socket, which ends it, and return its last words."""
        if self._calls is None or self._process is None:
            return ""
        self._calls.close()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.seek(0)
        said = self._log.read()[-_LOG_CHARS:].decode("utf-8", "replace").strip()
        self._log.close()
        self._calls = self._process = None
        return said.splitlines()[-1] if said else "no reason given"

    def _forget(self) -> None:
        """In a fork of this process: the server of forks is the parent's."""
        self._lock, self._calls, self._process = threading.Lock(), None, None


def _asked(calls: socket.socket, call: bytes, descriptors: Sequence[int]) -> Reader | None:
    """A reader for a call; None when nobody answers."""
    status, theirs = os.pipe()
    try:
        socket.send_fds(calls, [call], [*descriptors, theirs])
    except OSError:
        os.close(theirs)
        os.close(status)
        return None
    os.close(theirs)
    pid = _number(status)
    if pid is None:
        os.close(status)
        return None
    return Reader(pid, status)


def _number(pipe: int) -> int | None:
    """The next line of a pipe; None at its end. Lines are a few bytes, so each arrives whole."""
    text = b""
    while not text.endswith(b"\n"):
        part = os.read(pipe, 1)
        if not part:
            return None
        text += part
    return int(text)
