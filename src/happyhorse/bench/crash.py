"""The crash run: jobs go through a service whose processes are killed at random moments; then everything is counted.

What must come out: every job succeeded, each charged once, each webhook told at least once under one id, no file left over.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import sqlalchemy as sa

from happyhorse.bench.processes import (
    SCENE,
    Child,
    Receiver,
    api,
    free_port,
    settings_of,
    until,
    wait_for,
    worker,
)
from happyhorse.db import Database, sqlite_url
from happyhorse.db import jobs as jobs_table
from happyhorse.jobs.blobs import FolderStore
from happyhorse.jobs.deliveries import DeliveryStore, State
from happyhorse.jobs.job import Status
from happyhorse.jobs.store import JobStore
from happyhorse.settings import Settings

JOB_S = 0.3
_LEAST_GAP_S, _MOST_GAP_S = 0.2, 5.0
_END_S = 900.0


@dataclass(frozen=True)
class CrashReport:
    """What was counted after the run; `failures` says in words what is wrong."""

    jobs: int
    kills: int
    seconds: float
    succeeded: int
    charges: int
    told: int
    told_twice: int
    ids_per_job: int
    files_left: int

    @property
    def failures(self) -> list[str]:
        wanted = {
            "succeeded": self.jobs,
            "charges": self.jobs,
            "told": self.jobs,
            "ids_per_job": 1,
            "files_left": 0,
        }
        found = asdict(self)
        return [
            f"{name} is {found[name]}, not {value}" for name, value in wanted.items() if found[name] != value
        ]


@dataclass(frozen=True)
class _Site:
    """Where one run happens."""

    settings: Settings
    url: str
    receiver: Receiver
    database: Database

    @property
    def store(self) -> JobStore:
        return JobStore(self.database)


def crash_run(
    folder: Path,
    *,
    jobs: int = 100,
    kills: int = 50,
    database_url: str | None = None,
    seed: int = 0,
    on_kill: Callable[[int, str], None] = lambda _number, _name: None,
) -> CrashReport:
    """Run it in an empty folder, on SQLite or on a Postgres whose workers are two and one of them never comes back.

    Raises: EngineError when jobs are not over a quarter of an hour after the last kill.
    """
    settings = settings_of(folder, database_url)
    port = free_port()
    database = Database.open(database_url or sqlite_url(folder))
    site = _Site(settings, f"http://127.0.0.1:{port}", Receiver(), database)
    children = {
        "api": api(settings, port, folder / "api.log"),
        "worker": worker(settings, folder / "worker.log", seconds=JOB_S),
    }
    lost = worker(settings, folder / "lost.log", seconds=JOB_S) if database_url else None
    started = time.monotonic()
    try:
        wait_for(port, children["api"])
        sender = threading.Thread(target=_submit, args=(site, jobs), daemon=True)
        sender.start()
        _kill(children, lost, kills, random.Random(seed), on_kill)
        sender.join(_END_S)
        until(lambda: _is_over(site, jobs), timeout_s=_END_S, every_s=0.5)
        seconds = time.monotonic() - started
    finally:
        for child in (*children.values(), *([lost] if lost else [])):
            child.kill()
    report = _count(site, jobs, kills, seconds)
    site.receiver.close()
    database.close()
    return report


def _submit(site: _Site, jobs: int) -> None:
    """Each with an idempotency key, again and again until it is answered."""
    with httpx.Client(base_url=site.url, timeout=10) as client:
        for number in range(jobs):
            body = {**SCENE, "seed": number, "webhook_url": f"{site.receiver.url}/{number}"}
            while not _sent(client, body, str(number)):
                time.sleep(0.1)


def _sent(client: httpx.Client, body: Mapping[str, object], key: str) -> bool:
    """Raises: HTTPStatusError for an answer that says no."""
    try:
        answer = client.post("/v1/generations", json=body, headers={"Idempotency-Key": key})
    except httpx.TransportError:
        return False
    answer.raise_for_status()
    return True


def _kill(
    children: dict[str, Child],
    lost: Child | None,
    kills: int,
    chance: random.Random,
    on_kill: Callable[[int, str], None],
) -> None:
    for number in range(kills):
        time.sleep(chance.uniform(_LEAST_GAP_S, _MOST_GAP_S))
        if lost is not None and number == kills // 2:
            on_kill(number, "the worker that never comes back")
            lost.kill()
            continue
        name = chance.choice(sorted(children))
        on_kill(number, name)
        children[name].restart()


def _is_over(site: _Site, jobs: int) -> bool:
    counts = site.store.counts()
    pending, _ = DeliveryStore(site.database).list(owner=None, state=State.PENDING, limit=1)
    return sum(counts.values()) == jobs and not site.store.live(limit=1) and not pending


def _count(site: _Site, jobs: int, kills: int, seconds: float) -> CrashReport:
    store, told = site.store, site.receiver.ids
    charged = store.ledger.usage(owner=None, since=0.0, until=time.time() + 60)
    return CrashReport(
        jobs=jobs,
        kills=kills,
        seconds=round(seconds, 1),
        succeeded=store.counts().get(Status.SUCCEEDED.value, 0),
        charges=sum(line.jobs for line in charged),
        told=len(told),
        told_twice=sum(len(ids) > 1 for ids in told.values()),
        ids_per_job=max((len(set(ids)) for ids in told.values()), default=0),
        files_left=_files_after_retention(site),
    )


def _files_after_retention(site: _Site) -> int:
    """Let the time of every job be over, sweep as a worker does, and count what is still on the disk."""
    store, blobs = site.store, FolderStore(site.settings.data_dir / "files")
    with site.database.write() as connection:
        connection.execute(sa.update(jobs_table).values(expires_at=0.0))
    while store.forget_expired():
        pass
    blobs.sweep(store.blobs_in_use, older_than_s=-1.0)
    places = (site.settings.data_dir / "files", site.settings.data_dir / "work")
    return sum(place.is_file() for root in places if root.exists() for place in root.rglob("*"))
