"""What the service does under load: submits on a fixed clock, polls beside a bare route, watchers, and the wait of an idle queue."""

from __future__ import annotations

import json
import re
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from happyhorse.bench.processes import (
    SCENE,
    api,
    bare,
    free_port,
    settings_of,
    until,
    wait_for,
    worker,
)
from happyhorse.bench.wire import Wire, created
from happyhorse.db import Database, sqlite_url
from happyhorse.jobs.keys import KeyStore

_SENDERS = 32
_POLLERS = 8
_POLL_ROUNDS = 5
_IDLE_JOBS = 10
_NUMBER = re.compile(rb"^id: (\d+)\r?$", re.MULTILINE)


@dataclass(frozen=True)
class LoadReport:
    """Milliseconds from the moment a submit was due to its answer; polls a second; milliseconds from submit to start."""

    submits: int
    submit_p50_ms: float
    submit_p99_ms: float
    polls_per_s: float
    bare_polls_per_s: float
    watchers: int
    events_each: int
    watchers_who_saw_all: int
    start_p50_ms: float
    start_max_ms: float

    @property
    def poll_share(self) -> float:
        """Of the bare route's rate."""
        return self.polls_per_s / self.bare_polls_per_s


def load_run(
    folder: Path,
    *,
    seconds: float = 10.0,
    rate: float = 100.0,
    watchers: int = 500,
    database_url: str | None = None,
) -> LoadReport:
    """Measure in an empty folder. The worker starts when the watchers watch, and is gone before the submits."""
    settings = settings_of(folder, database_url)
    database = Database.open(database_url or sqlite_url(folder))
    _, key = KeyStore(database).create("bench")
    database.close()
    port, bare_port = free_port(), free_port()
    front = api(settings, port, folder / "api.log")
    yardstick = bare(settings, bare_port, folder / "bare.log")
    children = [front, yardstick]

    def start_worker() -> None:
        children.append(worker(settings, folder / "worker.log"))

    try:
        wait_for(port, front)
        wait_for(bare_port, yardstick)
        with Wire(port, key) as wire:
            job_id = created(wire.call("POST", "/v1/generations", _body(-1)))
        numbers = _watch(port, key, job_id, watchers, start_worker)
        waits = _idle_waits(port, key)
        children.pop().kill()
        times = _submits(port, key, seconds=seconds, rate=rate)
        with Wire(port, key) as wire:
            job_id = created(wire.call("POST", "/v1/generations", _body(-2)))  # one that is waited for
        ours, theirs = (port, f"/v1/generations/{job_id}"), (bare_port, f"/bare/{job_id}")
        polls, bare_polls = _polls_beside(ours, theirs, key, seconds=seconds)
    finally:
        for child in children:
            child.kill()
    wanted = list(range(1, max(map(len, numbers)) + 1))
    return LoadReport(
        submits=len(times),
        submit_p50_ms=round(1000 * statistics.median(times), 1),
        submit_p99_ms=round(1000 * sorted(times)[int(0.99 * (len(times) - 1))], 1),
        polls_per_s=round(polls, 1),
        bare_polls_per_s=round(bare_polls, 1),
        watchers=watchers,
        events_each=len(wanted),
        watchers_who_saw_all=sum(seen == wanted for seen in numbers),
        start_p50_ms=round(1000 * statistics.median(waits), 1),
        start_max_ms=round(1000 * max(waits), 1),
    )


def _body(seed: int) -> bytes:
    return json.dumps({**SCENE, "seed": seed % 2_000_000_000}).encode()


def _submits(port: int, key: str, *, seconds: float, rate: float) -> list[float]:
    """Each is due at its own time, whether or not those before it were answered; the wait for a free sender counts."""
    kept = threading.local()
    start = time.monotonic() + 0.5

    def submit(number: int) -> float:
        if not hasattr(kept, "wire"):
            kept.wire = Wire(port, key)
        due = start + number / rate
        time.sleep(max(0.0, due - time.monotonic()))
        created(kept.wire.call("POST", "/v1/generations", _body(number)))
        return time.monotonic() - due

    with ThreadPoolExecutor(_SENDERS) as pool:
        return list(pool.map(submit, range(round(seconds * rate))))


def _polls_beside(
    ours: tuple[int, str], theirs: tuple[int, str], key: str, *, seconds: float
) -> tuple[float, float]:
    """Polls a second of two routes, in turns, so that what else the machine does hits both."""
    part_s = seconds / _POLL_ROUNDS
    rounds = [
        (_polls(*ours, key, seconds=part_s), _polls(*theirs, key, seconds=part_s))
        for _ in range(_POLL_ROUNDS)
    ]
    return statistics.mean(ours for ours, _ in rounds), statistics.mean(theirs for _, theirs in rounds)


def _polls(port: int, path: str, key: str, *, seconds: float) -> float:
    end = time.monotonic() + seconds

    def poll(_number: int) -> int:
        count = 0
        with Wire(port, key) as wire:
            while time.monotonic() < end:
                status, _ = wire.call("GET", path)
                assert status == 200
                count += 1
        return count

    with ThreadPoolExecutor(_POLLERS) as pool:
        return sum(pool.map(poll, range(_POLLERS))) / seconds


def _watch(
    port: int, key: str, job_id: str, watchers: int, start_worker: Callable[[], None]
) -> list[list[int]]:
    """Open the event stream of a waiting job many times, have it made, and return the numbers that each watcher was told."""
    wires = [Wire(port, key) for _ in range(watchers)]
    for wire in wires:
        wire.send("GET", f"/v1/generations/{job_id}/events")
    for wire in wires:
        _read_until(wire, b"event: queued")
    start_worker()
    for wire in wires:
        _read_until(wire, b"event: succeeded")
        wire.socket.close()
    return [[int(number) for number in _NUMBER.findall(wire.kept)] for wire in wires]


def _read_until(wire: Wire, text: bytes) -> None:
    while text not in wire.kept:
        chunk = wire.socket.recv(65536)
        if not chunk:
            return  # what is missing shows when the events are counted
        wire.kept += chunk


def _idle_waits(port: int, key: str) -> list[float]:
    """Seconds from submit to start when the worker has nothing else to do."""
    waits = []
    with Wire(port, key) as wire:
        for _ in range(_IDLE_JOBS):
            time.sleep(0.5)
            waits.append(_run(wire))
    return waits


def _run(wire: Wire) -> float:
    job_id = created(wire.call("POST", "/v1/generations", _body(time.time_ns())))

    def done() -> dict[str, str]:
        job: dict[str, str] = json.loads(wire.call("GET", f"/v1/generations/{job_id}")[1])
        return job if job["status"] == "succeeded" else {}

    job = until(done, timeout_s=300)
    return _seconds(job["started_at"]) - _seconds(job["created_at"])


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
