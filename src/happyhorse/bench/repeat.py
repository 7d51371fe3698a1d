"""The same job many times: whether a service that has worked for a while is as fast, as small and as tidy as at the start."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from happyhorse.bench.processes import SCENE, Child, api, free_port, settings_of, until, wait_for, worker
from happyhorse.bench.wire import Wire, created
from happyhorse.db import Database, sqlite_url
from happyhorse.jobs.keys import KeyStore

_JOB_S = 3600.0
_LOOK_S = 0.05
_SEED = 1


@dataclass(frozen=True)
class Held:
    """What a process and its descendants hold: resident memory, open files, processes."""

    memory_mb: float
    descriptors: int
    processes: int


@dataclass(frozen=True)
class RepeatReport:
    """Seconds from start to end of each job; what the two processes held early (median of the second tenth of the jobs) and
    late (of the last tenth)."""

    jobs: int
    seconds: Sequence[float]
    early: Mapping[str, Held]
    late: Mapping[str, Held]

    @property
    def p50_s(self) -> float:
        return statistics.median(self.seconds)

    @property
    def p95_s(self) -> float:
        return sorted(self.seconds)[int(0.95 * (len(self.seconds) - 1))]


def repeat_run(
    folder: Path, *, engine: str, jobs: int = 100, database_url: str | None = None
) -> RepeatReport:
    """Make one clip after another in an empty folder, all with one seed. Raises: EngineError when one takes an hour."""
    settings = settings_of(folder, database_url, engine=engine)
    database = Database.open(database_url or sqlite_url(folder))
    _, key = KeyStore(database).create("bench")
    database.close()
    port = free_port()
    children = {
        "api": api(settings, port, folder / "api.log"),
        "worker": worker(settings, folder / "worker.log"),
    }
    try:
        wait_for(port, children["api"])
        seconds, held = [], []
        with Wire(port, key) as wire:
            for _ in range(jobs):
                seconds.append(_made(wire))
                held.append({name: holds(child) for name, child in children.items()})
    finally:
        for child in children.values():
            child.kill()
    tenth = max(1, jobs // 10)
    return RepeatReport(jobs, seconds, _median(held[tenth : 2 * tenth] or held), _median(held[-tenth:]))


def holds(child: Child) -> Held:
    """What the kernel says of a child and of all that it has started (Linux)."""
    found = [_of_process(place) for place in _tree(child.process.pid)]
    return Held(round(sum(memory for memory, _ in found), 1), sum(files for _, files in found), len(found))


def _tree(pid: int) -> Iterator[Path]:
    place = Path(f"/proc/{pid}")
    yield place
    with suppress(OSError):  # it ended while it was looked at
        for task in (place / "task").iterdir():
            for child in (task / "children").read_text(encoding="ascii").split():
                yield from _tree(int(child))


def _of_process(place: Path) -> tuple[float, int]:
    try:
        status = (place / "status").read_text(encoding="utf-8")
        memory = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(memory.split()[1]) / 1024, sum(1 for _ in (place / "fd").iterdir())
    except (OSError, StopIteration):
        return 0.0, 0  # ended, or ending


def _median(held: Sequence[Mapping[str, Held]]) -> dict[str, Held]:
    return {
        name: Held(
            memory_mb=round(statistics.median(one[name].memory_mb for one in held), 1),
            descriptors=round(statistics.median(one[name].descriptors for one in held)),
            processes=round(statistics.median(one[name].processes for one in held)),
        )
        for name in held[0]
    }


def _made(wire: Wire) -> float:
    job_id = created(wire.call("POST", "/v1/generations", json.dumps({**SCENE, "seed": _SEED}).encode()))

    def over() -> dict[str, str]:
        job: dict[str, str] = json.loads(wire.call("GET", f"/v1/generations/{job_id}")[1])
        return job if job["finished_at"] is not None else {}

    job = until(over, timeout_s=_JOB_S, every_s=_LOOK_S)
    if job["status"] != "succeeded":
        raise RuntimeError(f"a job ended as {job['status']}: {job['error']}")
    return (
        datetime.fromisoformat(job["finished_at"]) - datetime.fromisoformat(job["started_at"])
    ).total_seconds()
