"""The queue in front of the workers: what is enqueued, under which names, and what DBOS must not decide for itself.

One queue per engine, one job at a time per worker unless its engine only waits. The queue is partitioned by owner: a worker
that is free looks at the owners in random order, so that a thousand jobs of one key do not stand before the first job of
another.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer, EnqueueOptions

from happyhorse.db import Database
from happyhorse.jobs.job import Job

APPLICATION = "happyhorse"
VERSION = "1"
"""A constant: by default DBOS derives it from the source, and an upgrade would strand every job in the queue."""
WORKFLOW = "generate"
POLL_S = 0.1
JOBS_PER_KEY = 64
"""How many jobs of one owner may run at once, when nothing else is said."""
MAX_PRIORITY = 100
"""Higher runs first, among the jobs of one owner; 0 is usual."""
_BATCH = 500
_OVER = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")


def queue_name(engine: str) -> str:
    return f"engine-{engine}"


def dbos_config(database: Database, executor_id: str) -> DBOSConfig:
    """How a worker runs DBOS."""
    return {
        "name": APPLICATION,
        "system_database_url": database.plain_url,
        "application_version": VERSION,
        "executor_id": executor_id,
        "serializer": DBOSPortableJSONSerializer(),
        "log_level": "ERROR",
        "enable_otlp": False,
    }


class JobQueue:
    """The sender's end: used by the API and by the reconciler; needs no worker."""

    def __init__(self, database: Database) -> None:
        logging.getLogger("dbos").setLevel(logging.ERROR)
        DBOS.migrate(database.plain_url)
        self.database = database
        self.client = DBOSClient(
            system_database_engine=database.writer,
            serializer=DBOSPortableJSONSerializer(),
            application_name=APPLICATION,
        )

    def open(self, engine: str, *, at_once: int = 1, jobs_per_key: int | None = None) -> None:
        """Make sure the queue of an engine exists. With a limit of a key it takes effect at once, for every worker.

        `at_once` is how many jobs one worker runs beside each other.
        """
        self.client.register_queue(
            queue_name(engine),
            worker_concurrency=at_once,
            partition_concurrency=jobs_per_key or JOBS_PER_KEY,
            polling_interval_sec=POLL_S,
            on_conflict="never_update" if jobs_per_key is None else "always_update",
        )

    def put(self, connection: sa.Connection, job: Job) -> None:
        """Enqueue inside the transaction that stores the job: either both are there or neither."""
        options: EnqueueOptions = {
            "workflow_name": WORKFLOW,
            "queue_name": queue_name(job.engine),
            "workflow_id": job.id,
            "app_version": VERSION,
            "queue_partition_key": job.owner,
            "priority": 1 + MAX_PRIORITY - job.priority,  # DBOS: lower runs first, from 1 on
        }
        self.client.enqueue_in_transaction(connection, options, job.id)

    def put_again(self, job: Job) -> None:
        """For a job whose workflow is gone or over although the job is not."""
        self.client.delete_workflows([job.id])
        with self.database.write() as connection:
            self.put(connection, job)

    def stranded(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Those of these live jobs that nothing will ever run."""
        if not jobs:
            return []
        found = self.client.list_workflows(
            workflow_ids=[job.id for job in jobs], load_input=False, load_output=False
        )
        alive = {workflow.workflow_id for workflow in found if workflow.status not in _OVER}
        return [job for job in jobs if job.id not in alive]

    def forget_over(self, *, older_than_s: float) -> None:
        """Drop workflows that ended long ago, which DBOS keeps for ever. A job that needs one yet gets another (`stranded`)."""
        before = datetime.fromtimestamp(time.time() - older_than_s, UTC).isoformat()
        while over := self.client.list_workflows(
            status=list(_OVER), completed_before=before, limit=_BATCH, load_input=False, load_output=False
        ):
            self.client.delete_workflows([workflow.workflow_id for workflow in over])

    def close(self) -> None:
        self.client.destroy()
