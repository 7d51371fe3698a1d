"""Everything that a front of the service needs, built once from a database and a folder: API, command line and tests share it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from happyhorse.db import Database
from happyhorse.engines.base import Capabilities
from happyhorse.jobs.fetch import Fetcher
from happyhorse.jobs.files import BlobStore, UploadStore
from happyhorse.jobs.keys import KeyStore
from happyhorse.jobs.queue import JobQueue
from happyhorse.jobs.store import JobStore
from happyhorse.jobs.submit import Submitter
from happyhorse.jobs.worker import WorkerStore

UPLOADS_STAY = 2  # uploads are kept this many times as long as results (specs/api.md 1.4: 48 h beside 24 h)


@dataclass(frozen=True)
class Service:
    """The parts of the service that talk to the database and the disk; no HTTP, no worker."""

    database: Database
    store: JobStore
    queue: JobQueue
    blobs: BlobStore
    uploads: UploadStore
    keys: KeyStore
    workers: WorkerStore
    submitter: Submitter
    catalog: Mapping[str, Capabilities]
    default_engine: str
    secret: bytes

    @classmethod
    def open(
        cls,
        database: Database,
        data_dir: Path,
        catalog: Mapping[str, Capabilities],
        *,
        default_engine: str,
        retention_s: float = 0.0,
        secret: str | None = None,
        allow_local_urls: bool = False,
    ) -> Service:
        """Make what is missing in the folder and in the database."""
        blobs = BlobStore(data_dir / "files")
        store = JobStore(database, retention_s=retention_s)
        fetcher = Fetcher(allow_local=allow_local_urls)
        uploads = UploadStore(database, blobs, retention_s=UPLOADS_STAY * retention_s, fetcher=fetcher)
        workers = WorkerStore(database)
        queue = JobQueue(database)
        queue.open(default_engine)

        def engines() -> Mapping[str, Capabilities]:
            """Those that this server was started for, and those that some live worker runs."""
            running = workers.live_engines() | {default_engine}
            return {name: catalog[name] for name in running if name in catalog}

        submitter = Submitter(store, queue, uploads, engines, default_engine=default_engine)
        key = secret.encode() if secret else _kept_secret(data_dir)
        return cls(
            database,
            store,
            queue,
            blobs,
            uploads,
            KeyStore(database),
            workers,
            submitter,
            catalog,
            default_engine,
            key,
        )

    def close(self) -> None:
        self.queue.close()
        self.database.close()


def _kept_secret(data_dir: Path) -> bytes:
    place = data_dir / "secret"
    if not place.exists():
        mine = data_dir / f".{secrets.token_hex(6)}"
        with os.fdopen(os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
        try:
            os.link(mine, place)
        except FileExistsError:
            pass  # another process was faster; its secret counts
        finally:
            mine.unlink()
    return place.read_bytes()
