"""A worker: one process, one engine, one job at a time. Any number of them share a database; each may be killed at any moment.

Identity: a worker takes the first free slot of its data folder by locking a file, and the kernel gives the slot back whatever
kills the process. The next worker in the slot has the same name, so DBOS hands it at once what its predecessor left. Workers
of other machines are watched by their heartbeat: one whose counter stands still for DEAD_S is dead, and a live worker asks DBOS
to recover its jobs. Counters are compared with the observer's own clock, so clocks need not agree for that; the API offers an
engine by the time of its workers' last beat, so clocks should agree within some 20 s.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import sqlalchemy as sa
from dbos import DBOS

from happyhorse.db import Database, workers
from happyhorse.engines.base import Engine
from happyhorse.jobs.bucket import open_blobs
from happyhorse.jobs.deliveries import DeliveryStore
from happyhorse.jobs.fetch import Fetcher
from happyhorse.jobs.files import UPLOADS_STAY, UploadStore
from happyhorse.jobs.inputs import Inputs
from happyhorse.jobs.outbound import Outbound
from happyhorse.jobs.pipeline import Pipeline, Sign
from happyhorse.jobs.queue import JobQueue, dbos_config, queue_name
from happyhorse.jobs.store import JobStore
from happyhorse.jobs.turns import Turns

BEAT_S = 2.0
DEAD_S = 10.0
RECONCILE_S = 5.0
SWEEP_S = 60.0
_SETTLED_S = 10.0
_GRACE_S = 3600.0
_MAX_SLOTS = 64
_log = logging.getLogger("happyhorse.worker")


@dataclass(frozen=True)
class WorkerRow:
    """A worker as the others see it."""

    id: str
    engine: str
    pid: int
    beat: int
    state: str
    started_at: float
    beat_at: float


class WorkerStore:
    """All the SQL of the table of workers."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def beat(self, worker: str, engine: str, *, state: str) -> None:
        now = time.time()
        with self.database.write(durable=False) as connection:
            known = sa.update(workers).where(workers.c.id == worker)
            values = {"engine": engine, "pid": os.getpid(), "state": state, "beat_at": now}
            if connection.execute(known.values(**values, beat=workers.c.beat + 1)).rowcount == 0:
                connection.execute(sa.insert(workers).values(id=worker, beat=1, started_at=now, **values))

    def list(self) -> list[WorkerRow]:
        with self.database.read() as connection:
            return [WorkerRow(**row._mapping) for row in connection.execute(sa.select(workers))]

    def set_state(self, worker: str, state: str) -> None:
        with self.database.write() as connection:
            connection.execute(sa.update(workers).where(workers.c.id == worker).values(state=state))

    def live(self) -> Sequence[WorkerRow]:
        """Those that were heard of lately."""
        since = time.time() - 3 * DEAD_S
        return [row for row in self.list() if row.state == "live" and row.beat_at > since]

    def live_engines(self) -> set[str]:
        return {row.engine for row in self.live()}


class Watch:
    """Tells which workers are dead, by counters that stand still on this observer's own clock."""

    def __init__(self, *, dead_s: float = DEAD_S, clock: Callable[[], float] = time.monotonic) -> None:
        self.dead_s, self.clock = dead_s, clock
        self.seen: dict[str, tuple[int, float]] = {}

    def dead(self, rows: list[WorkerRow], *, me: str) -> list[str]:
        now, found = self.clock(), []
        for row in rows:
            if row.id == me or row.state == "dead":
                continue
            beat, since = self.seen.get(row.id, (-1, now))
            if beat != row.beat:
                self.seen[row.id] = (row.beat, now)
                since = now
            if row.state == "stopped" or now - since >= self.dead_s:
                found.append(row.id)
        return found


@dataclass(frozen=True)
class Slot:
    """A name that no other live process has, for as long as `lock` is open."""

    name: str
    lock: IO[str]

    @classmethod
    def take(cls, folder: Path) -> Slot:
        folder.mkdir(parents=True, exist_ok=True)
        machine = _machine_id(folder)
        for number in range(_MAX_SLOTS):
            lock = (folder / f"slot-{number}.lock").open("a")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.close()
                continue
            return cls(f"{machine}-{number}", lock)
        raise RuntimeError(f"all {_MAX_SLOTS} worker slots of {folder} are taken")


def _machine_id(folder: Path) -> str:
    place = folder / "machine-id"
    if not place.exists():
        mine = folder / f".{secrets.token_hex(6)}"
        mine.write_text(secrets.token_hex(4), encoding="ascii")
        try:
            os.link(mine, place)
        except FileExistsError:
            pass  # another worker was faster; its name counts
        finally:
            mine.unlink()
    return f"{socket.gethostname()[:60]}-{place.read_text(encoding='ascii').strip()}"


class Worker:
    """Runs the jobs of one engine until it is told to stop."""

    def __init__(
        self,
        engine: Engine,
        database: Database,
        data_dir: Path,
        *,
        retention_s: float = 0.0,
        grace_s: float = _GRACE_S,
        sign: Sign | None = None,
        storage: str | None = None,
        outbound: Outbound | None = None,
    ) -> None:
        self.engine, self.database, self.grace_s = engine, database, grace_s
        self.sign = sign
        self.name = engine.capabilities.engine
        self.slot = Slot.take(data_dir / "workers")
        self.store = JobStore(database, retention_s=retention_s)
        self.blobs = open_blobs(storage, data_dir)
        self.uploads = UploadStore(
            database, self.blobs, retention_s=UPLOADS_STAY * retention_s, fetcher=Fetcher(outbound)
        )
        self.deliveries = DeliveryStore(database)
        self.queue = JobQueue(database)
        self.turns = Turns(self.store, self.queue)
        self.rows = WorkerStore(database)
        self.watch = Watch()
        self.work = data_dir / "work"
        self.stopping = threading.Event()

    def run(self) -> None:
        """Work until `stopping` is set. A job in hand is left as it is: whoever comes next resumes it, as after a kill."""
        me = self.slot.name
        self.queue.open(self.name, at_once=self.engine.capabilities.jobs_at_once)
        self.rows.beat(me, self.name, state="live")
        Pipeline(
            self.engine,
            self.store,
            self.blobs,
            Inputs(self.uploads),
            self.work,
            me,
            self.sign,
            on_over=lambda owner: self._safely(lambda: self.turns.next_of(owner)),
        ).register()
        DBOS(config=dbos_config(self.database, me))
        DBOS.listen_queues([queue_name(self.name)])
        DBOS.launch()
        _log.info("worker %s runs engine %s", me, self.name)
        try:
            self._tend(me)
        finally:
            self.rows.beat(me, self.name, state="stopped")

    def _tend(self, me: str) -> None:
        threading.Thread(target=self._tidy, name="chores", daemon=True).start()
        while not self.stopping.wait(BEAT_S):
            self._safely(lambda: self.rows.beat(me, self.name, state="live"))
            self._safely(lambda: self.recover_dead(me))

    def _tidy(self) -> None:
        """On a thread of its own: a bucket that takes long to list must not keep this worker from saying that it lives."""
        chores = ((RECONCILE_S, self.reconcile), (SWEEP_S, self.sweep))
        due = [time.monotonic()] * len(chores)
        while not self.stopping.wait(BEAT_S):
            for number, (every_s, chore) in enumerate(chores):
                if time.monotonic() >= due[number]:
                    due[number] = time.monotonic() + every_s
                    self._safely(chore)

    @staticmethod
    def _safely(chore: Callable[[], None]) -> None:
        """A chore that fails is tried again at its next time; the job in hand must not die of it."""
        try:
            chore()
        except Exception:  # whatever it is: nothing else would start the thread of the chores again
            _log.exception("a chore of the worker failed")

    def recover_dead(self, me: str) -> None:
        """Take over what dead workers left behind."""
        for dead in self.watch.dead(self.rows.list(), me=me):
            _log.warning("worker %s is gone; its jobs go back to the queue", dead)
            DBOS._recover_pending_workflows([dead])
            self.rows.set_state(dead, "dead")

    def reconcile(self) -> None:
        """Find jobs that are not over although nothing will run them, and queue them again."""
        after = ""
        while live := self.store.live(older_than_s=_SETTLED_S, after=after):
            for job in self.turns.mend(live):
                _log.warning("job %s had lost its place in the queue", job.id)
            after = live[-1].id

    def sweep(self) -> None:
        """Retention: forget what is past its time, then remove the bytes that nobody refers to."""
        while self.store.forget_expired():
            pass
        self.uploads.forget_expired()
        self.deliveries.forget_old()
        self.queue.forget_over(older_than_s=self.grace_s)
        self._clear_work()
        self.blobs.sweep(self.store.blobs_in_use, older_than_s=self.grace_s)

    def _clear_work(self) -> None:
        """Remove what a killed attempt left on this machine of a job that has ended, canceled or made elsewhere."""
        for folder in self.work.iterdir() if self.work.is_dir() else ():
            if self.store.is_over(folder.stem):
                shutil.rmtree(folder, ignore_errors=True)


def run_until_told(worker: Worker, *, with_parent: bool) -> None:
    """Run in this process until SIGTERM, Ctrl-C or, with a parent, the end of standard input; then leave at once.

    The process ends without waiting for the engine: stopping is the same as a kill, which is the way that is tested.
    """

    def stop(_signal: int, _frame: object) -> None:
        worker.stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    if with_parent:
        threading.Thread(target=_stop_at_end_of_input, args=(worker,), daemon=True).start()
    code = 1
    try:
        worker.run()
        code = 0
    except Exception:
        _log.exception("the worker failed")
    finally:
        logging.shutdown()
        os._exit(code)


def _stop_at_end_of_input(worker: Worker) -> None:
    while os.read(0, 4096):
        pass
    worker.stopping.set()
