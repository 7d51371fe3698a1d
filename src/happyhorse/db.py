"""One database for everything durable: SQLite (WAL) by default, Postgres by URL. Tables, connections, migrations.

Reads and writes are separate doors. On SQLite a write begins IMMEDIATE, so it never fails halfway for a lock, and the writers
of one process wait in line on a mutex instead of sleeping on the file; what they commit together reaches the disk together.
Every change of schema is an Alembic revision in `migrations/`. DBOS keeps its own tables in the same database, so that a job
and its place in the queue are one transaction.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import event

from happyhorse.errors import InvalidRequest

metadata = sa.MetaData()

# Times are seconds since 1970 UTC, money is whole micro-dollars: both sort and add exactly on either database.
_Time = sa.Double
_Json = sa.JSON
_Id = sa.String(64)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    sa.Column("owner", _Id, nullable=False),
    sa.Column("engine", sa.String(64), nullable=False),
    sa.Column("mode", sa.String(16), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("request", _Json, nullable=False),
    sa.Column("plan", _Json, nullable=False),
    sa.Column("media", _Json, nullable=False),
    sa.Column("metadata", _Json, nullable=False),
    sa.Column("idempotency_key", sa.String(255)),
    sa.Column("request_hash", sa.String(64), nullable=False),
    sa.Column("priority", sa.Integer, nullable=False, server_default="0"),
    sa.Column("price_micros", sa.BigInteger, nullable=False),
    sa.Column("cost_micros", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
    sa.Column("worker", sa.String(160)),
    sa.Column("stage", sa.String(16)),
    sa.Column("step", sa.Integer, nullable=False, server_default="0"),
    sa.Column("num_steps", sa.Integer, nullable=False, server_default="0"),
    sa.Column("fraction", sa.Double, nullable=False, server_default="0"),
    sa.Column("eta_s", sa.Double),
    sa.Column("output", _Json),
    sa.Column("error", _Json),
    sa.Column("retry_of", _Id),
    sa.Column("webhook", _Json),
    sa.Column("num_events", sa.Integer, nullable=False, server_default="0"),
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("started_at", _Time),
    sa.Column("finished_at", _Time),
    sa.Column("expires_at", _Time),
    sa.Column("cancel_at", _Time),  # not over by then, it is canceled
    sa.Column("preview_event", sa.Integer),  # the event that holds the latest picture, while it runs
    sa.Column("kept", _Json),  # contents that it goes on from after a kill, while it lives
    sa.UniqueConstraint("owner", "idempotency_key", name="jobs_idempotency"),
)
sa.Index("jobs_by_owner", jobs.c.owner, jobs.c.id)
sa.Index("jobs_by_status", jobs.c.status, jobs.c.created_at)
sa.Index("jobs_by_deadline", jobs.c.cancel_at)

events = sa.Table(
    "events",
    metadata,
    sa.Column("job_id", _Id, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("at", _Time, nullable=False),
    sa.Column("type", sa.String(32), nullable=False),
    sa.Column("data", _Json, nullable=False),
)

ledger = sa.Table(
    "ledger",
    metadata,
    sa.Column("job_id", _Id, primary_key=True),  # one line a job: charged once, whoever finishes it
    sa.Column("owner", _Id, nullable=False),
    sa.Column("engine", sa.String(64), nullable=False),
    sa.Column("mode", sa.String(16), nullable=False),
    sa.Column("resolution", sa.String(16), nullable=False),
    sa.Column("seconds", sa.Double, nullable=False),
    sa.Column("micros", sa.BigInteger, nullable=False),
    sa.Column("at", _Time, nullable=False),
)
sa.Index("ledger_by_owner", ledger.c.owner, ledger.c.at)

webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    sa.Column("owner", _Id, nullable=False),
    sa.Column("audience", _Id),  # whose jobs it hears of; NULL for those of everybody
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("form", sa.String(32), nullable=False),
    sa.Column("events", _Json, nullable=False),
    sa.Column("base_url", sa.Text, nullable=False),
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("secret_number", sa.Integer, nullable=False, server_default="1"),  # 1 more at each rotation
    sa.Column("rotated_at", _Time),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", _Id, primary_key=True),  # the id that the receiver sees, the same over all tries
    sa.Column("owner", _Id, nullable=False),
    sa.Column("job_id", _Id, nullable=False),
    sa.Column("webhook_id", _Id),
    sa.Column("event", sa.String(32), nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("form", sa.String(32), nullable=False),
    sa.Column("base_url", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("due_at", _Time, nullable=False),
    sa.Column("body", sa.Text),
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("ended_at", _Time),
)
sa.Index("deliveries_due", deliveries.c.state, deliveries.c.due_at)
sa.Index("deliveries_by_owner", deliveries.c.owner, deliveries.c.id)
sa.Index("deliveries_by_job", deliveries.c.job_id)

tries = sa.Table(
    "tries",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    sa.Column("delivery_id", _Id, nullable=False, index=True),
    sa.Column("at", _Time, nullable=False),
    sa.Column("seconds", sa.Double, nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("error", sa.Text),
)

secrets = sa.Table(
    "secrets",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

files = sa.Table(
    "files",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    sa.Column("owner", _Id, nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("info", _Json, nullable=False),
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("expires_at", _Time),
)
sa.Index("files_by_owner", files.c.owner, files.c.created_at, files.c.id)

keys = sa.Table(
    "keys",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    sa.Column("name", sa.String(120), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False, unique=True),
    sa.Column("prefix", sa.String(16), nullable=False),
    sa.Column("scopes", _Json, nullable=False),
    sa.Column("requests_per_minute", sa.Integer),
    sa.Column("spend_limit_micros", sa.BigInteger),
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("revoked_at", _Time),
    sa.Column("daily_spend_limit_micros", sa.BigInteger),
    sa.Column("concurrent_jobs", sa.Integer),
    sa.Column("full_at", _Time),  # when the bucket of its rate limit is full again
)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("id", sa.String(160), primary_key=True),
    sa.Column("engine", sa.String(64), nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("beat", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("started_at", _Time, nullable=False),
    sa.Column("beat_at", _Time, nullable=False),
)


class Database:
    """Connections to one database, migrated to the newest schema by `open`."""

    def __init__(self, url: str) -> None:
        self.url = _driver_url(url)
        self.is_sqlite = self.url.startswith("sqlite")
        self._line = threading.Lock()
        if self.is_sqlite:
            self._log = _Log(f"{sa.make_url(self.url).database}-wal")
            self.writer = sa.create_engine(self.url)
            self.reader = sa.create_engine(self.url)
            event.listen(self.writer, "connect", _sqlite_connect)
            event.listen(self.reader, "connect", _sqlite_connect)
            event.listen(self.writer, "begin", _begin_immediate)
        else:
            self.writer = sa.create_engine(self.url, pool_size=20, max_overflow=30, pool_pre_ping=True)
            self.reader = self.writer.execution_options(isolation_level="AUTOCOMMIT")

    @classmethod
    def open(cls, url: str) -> Database:
        """Connect, create what is missing, and bring the schema up to date. Raises: InvalidRequest for a useless URL."""
        database = cls(url)
        if database.is_sqlite:
            path = Path(sa.make_url(database.url).database or "")
            if path.parent != Path():
                path.parent.mkdir(parents=True, exist_ok=True)
        _migrate(database)
        return database

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        with self.reader.connect() as connection:
            yield connection

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[sa.Connection]:
        """One transaction, committed when the block ends, rolled back when it raises.

        A durable one is on the disk when this returns; another survives the death of any process but not a power cut.
        """
        if not self.is_sqlite:
            with self.writer.begin() as connection:
                yield connection
            return
        with self._line, self.writer.begin() as connection:
            yield connection
        if durable:
            self._log.sync()

    @property
    def plain_url(self) -> str:
        """The URL as DBOS takes it, with no driver in it."""
        return self.url.replace("postgresql+psycopg://", "postgresql://", 1)

    def close(self) -> None:
        self.writer.dispose()
        self.reader.dispose()


class _Log:
    """SQLite's log of committed transactions: one sync serves everybody who committed before it began."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._count, self._turn = threading.Lock(), threading.Lock()
        self._asked = self._done = 0

    def sync(self) -> None:
        with self._count:
            self._asked += 1
            mine = self._asked
        with self._turn:
            if self._done >= mine:
                return
            upto = self._asked
            try:
                file = os.open(self.path, os.O_RDONLY)
            except FileNotFoundError:
                return  # folded into the database, which SQLite syncs itself
            try:
                os.fsync(file)
            finally:
                os.close(file)
            self._done = upto


def sqlite_url(folder: Path) -> str:
    """The URL of the default database of a data folder."""
    return f"sqlite:///{folder / 'happyhorse.sqlite'}"


def _driver_url(url: str) -> str:
    if url.startswith("sqlite:///"):
        return url
    for prefix in ("postgresql://", "postgres://", "postgresql+psycopg://"):
        if url.startswith(prefix):
            return f"postgresql+psycopg://{url.removeprefix(prefix)}"
    shown = url.rsplit("@", maxsplit=1)[-1][:60]
    raise InvalidRequest(
        f"database-url must start with sqlite:/// or postgresql://; got '{shown}'", field="database_url"
    )


def _sqlite_connect(connection: object, _record: object) -> None:
    # The driver's own transactions are off: a read is one statement, a write begins in _begin_immediate.
    connection.isolation_level = None  # type: ignore[attr-defined]
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute("PRAGMA busy_timeout=30000")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")  # a commit is synced by _Log, many at a time
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_immediate(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _migrate(database: Database) -> None:
    """Run the revisions that are missing, one process at a time."""
    from alembic import command  # noqa: PLC0415  a quarter second that only opening a database needs
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with database.write() as connection:
        if not database.is_sqlite:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(20261120)"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def new_id() -> str:
    """A UUID version 7: random, but later ones sort later, so that lists and indexes follow time."""
    millis = time.time_ns() // 1_000_000
    value = (millis << 80) | int.from_bytes(os.urandom(10), "big")
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return str(uuid.UUID(int=value))
