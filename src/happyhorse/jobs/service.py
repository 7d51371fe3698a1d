"""Everything that a front of the service needs, built once from a database and a folder: API, command line and tests share it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from happyhorse.db import Database
from happyhorse.db import secrets as kept_secrets
from happyhorse.engines.base import Capabilities
from happyhorse.jobs.blobs import BlobStore
from happyhorse.jobs.bucket import open_blobs
from happyhorse.jobs.deliveries import DeliveryStore
from happyhorse.jobs.endpoints import EndpointStore
from happyhorse.jobs.fetch import Fetcher
from happyhorse.jobs.files import UPLOADS_STAY, UploadStore
from happyhorse.jobs.keys import KeyStore
from happyhorse.jobs.outbound import Outbound
from happyhorse.jobs.queue import JobQueue
from happyhorse.jobs.store import JobStore
from happyhorse.jobs.submit import Submitter
from happyhorse.jobs.worker import WorkerStore


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
    outbound: Outbound
    endpoints: EndpointStore
    deliveries: DeliveryStore
    catalog: Mapping[str, Capabilities]
    default_engine: str
    secret: bytes

    @classmethod
    def open(  # noqa: PLR0913  one parameter for each setting
        cls,
        database: Database,
        data_dir: Path,
        catalog: Mapping[str, Capabilities],
        *,
        default_engine: str,
        retention_s: float = 0.0,
        secret: str | None = None,
        allow_local_urls: bool = False,
        storage: str | None = None,
        jobs_per_key: int | None = None,
    ) -> Service:
        """Make what is missing in the folder and in the database. Raises: InvalidRequest for a useless `storage`."""
        blobs = open_blobs(storage, data_dir)
        store = JobStore(database, retention_s=retention_s)
        outbound = Outbound(allow_local=allow_local_urls)
        fetcher = Fetcher(outbound)
        uploads = UploadStore(database, blobs, retention_s=UPLOADS_STAY * retention_s, fetcher=fetcher)
        workers = WorkerStore(database)
        queue = JobQueue(database)
        at_once = catalog[default_engine].jobs_at_once
        queue.open(default_engine, at_once=at_once, jobs_per_key=jobs_per_key)

        def engines() -> Mapping[str, Capabilities]:
            """Those that this server was started for, and those that some live worker runs."""
            running = workers.live_engines() | {default_engine}
            return {name: catalog[name] for name in running if name in catalog}

        submitter = Submitter(
            store, queue, uploads, engines, default_engine=default_engine, outbound=outbound
        )
        return cls(
            database=database,
            store=store,
            queue=queue,
            blobs=blobs,
            uploads=uploads,
            keys=KeyStore(database),
            workers=workers,
            submitter=submitter,
            outbound=outbound,
            endpoints=EndpointStore(database, outbound),
            deliveries=DeliveryStore(database),
            catalog=catalog,
            default_engine=default_engine,
            secret=secret.encode() if secret else _kept_secret(database),
        )

    def close(self) -> None:
        self.queue.close()
        self.database.close()


def _kept_secret(database: Database) -> bytes:
    """Made by the first process of a fleet, the same for all: what one signs, another must be able to check."""
    query = sa.select(kept_secrets.c.value).where(kept_secrets.c.name == "service")
    with database.read() as connection:
        found = connection.execute(query).scalar()
    if found is None:
        with (
            suppress(IntegrityError),
            database.write() as connection,
        ):  # when another was faster, its secret counts
            mine = {"name": "service", "value": secrets.token_hex(32)}
            connection.execute(sa.insert(kept_secrets).values(mine))
        with database.read() as connection:
            found = connection.execute(query).scalar_one()
    return str(found).encode()
