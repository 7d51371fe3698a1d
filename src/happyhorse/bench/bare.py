"""The yardstick for polls: a bare route of the same framework with the same key check and one query, and nothing else."""

from __future__ import annotations

import sys

import sqlalchemy as sa
import uvicorn
from fastapi import FastAPI, Request

from happyhorse.api.auth import Auth
from happyhorse.db import Database, jobs, sqlite_url
from happyhorse.jobs.keys import KeyStore
from happyhorse.settings import Settings


def bare_app(database: Database) -> FastAPI:
    app, auth = FastAPI(), Auth(KeyStore(database), single_user=False)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/bare/{job_id}")
    def bare(job_id: str, request: Request) -> dict[str, str]:
        who = auth.identify(request, "read")
        query = sa.select(jobs.c.status).where(jobs.c.id == job_id, jobs.c.owner == who.caller.owner)
        with database.read() as connection:
            return {"status": str(connection.execute(query).scalar_one())}

    return app


def main() -> None:
    """`python -m happyhorse.bench.bare PORT`, on the database that the environment names."""
    settings = Settings.from_env()
    database = Database.open(settings.database_url or sqlite_url(settings.data_dir))
    uvicorn.run(bare_app(database), port=int(sys.argv[1]), log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
