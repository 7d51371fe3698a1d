"""What the environment says: the only reader of os.environ."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from happyhorse.errors import InvalidRequest


@dataclass(frozen=True)
class Settings:
    """Choices of the machine, not of one request."""

    engine: str = "nano"
    """HAPPYHORSE_ENGINE: the engine of requests that name none."""
    data_dir: Path = Path("~/.local/share/happyhorse")
    """HAPPYHORSE_DATA_DIR: the service's database, files and locks."""
    database_url: str | None = None
    """HAPPYHORSE_DATABASE_URL: sqlite:///path or postgresql://...; a SQLite file in the data folder when not given."""
    public_url: str | None = None
    """HAPPYHORSE_PUBLIC_URL: how clients reach this server, for absolute links behind a proxy."""
    secret: str | None = None
    """HAPPYHORSE_SECRET: signs result links; the same on every machine of a fleet. Made and kept in the data folder else."""
    retention_hours: float = 24.0
    """HAPPYHORSE_RETENTION_HOURS: how long results and uploads are kept; 0 keeps them for ever."""
    allow_local_urls: bool = False
    """HAPPYHORSE_ALLOW_LOCAL_URLS=1: inputs may be fetched from this network; for tests and closed networks."""
    server: str = "http://127.0.0.1:8000"
    """HAPPYHORSE_SERVER: where the commands that talk to a server find it."""
    api_key: str | None = None
    """HAPPYHORSE_API_KEY: the credential of those commands."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        values = os.environ if environ is None else environ

        def text(name: str) -> str | None:
            return values.get(f"HAPPYHORSE_{name}", "").strip() or None

        return cls(
            engine=text("ENGINE") or cls.engine,
            data_dir=Path(text("DATA_DIR") or cls.data_dir).expanduser(),
            database_url=text("DATABASE_URL"),
            public_url=text("PUBLIC_URL"),
            secret=text("SECRET"),
            retention_hours=_hours(text("RETENTION_HOURS")),
            allow_local_urls=text("ALLOW_LOCAL_URLS") == "1",
            server=text("SERVER") or cls.server,
            api_key=text("API_KEY"),
        )

    def environment(self) -> dict[str, str]:
        """The environment for a child that shall see the same database; a password must not stand in its arguments."""
        own = {"HAPPYHORSE_DATABASE_URL": self.database_url or "", "HAPPYHORSE_DATA_DIR": str(self.data_dir)}
        hours = {"HAPPYHORSE_RETENTION_HOURS": f"{self.retention_hours:g}"}
        return {**os.environ, **own, **hours}


def _hours(value: str | None) -> float:
    if value is None:
        return Settings.retention_hours
    try:
        hours = float(value)
    except ValueError:
        hours = -1.0
    if not 0 <= hours < 1e6:
        raise InvalidRequest(
            f"HAPPYHORSE_RETENTION_HOURS must be a number of hours, 0 for ever; got '{value[:40]}'"
        )
    return hours
