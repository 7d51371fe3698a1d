"""Uploads: what callers sent, what a probe saw in it, whom it belongs to. Their bytes are in a `blobs.BlobStore`."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import BinaryIO

import sqlalchemy as sa

from happyhorse.db import Database, files, new_id
from happyhorse.errors import Conflict, InvalidRequest, MediaError, NotFound
from happyhorse.jobs.blobs import BlobStore
from happyhorse.jobs.fetch import MAX_S, Fetcher
from happyhorse.jobs.rows import owned_row
from happyhorse.media.read import probe
from happyhorse.shapes import MediaInfo

MAX_DATA_URL_BYTES = 30_000_000
UPLOADS_STAY = 2
"""Uploads are kept this many times as long as results (specs/api.md 1.4: 48 h beside 24 h)."""
_CURSOR = re.compile(r"([0-9]{1,12}\.[0-9]{1,12})_(.+)", re.ASCII)
_DATA_URL = re.compile(r"data:[\w.+/-]*(;[\w.+=-]+)*,", re.ASCII)


@dataclass(frozen=True)
class Upload:
    """A file that a caller sent, by its id."""

    id: str
    owner: str
    name: str
    sha256: str
    info: Mapping[str, object]
    created_at: float
    expires_at: float | None


class UploadStore:
    """Inputs: what was sent, what a probe saw in it, whom it belongs to."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        *,
        retention_s: float = 0.0,
        fetcher: Fetcher | None = None,
    ) -> None:
        self.database, self.blobs, self.retention_s = database, blobs, retention_s
        self.fetcher = fetcher or Fetcher()

    def add(
        self, stream: BinaryIO, *, name: str, owner: str, field: str = "file", file_id: str | None = None
    ) -> Upload:
        """Store and probe a file. Raises: MediaError when it is too large or no media; Conflict for an id that is taken."""
        digest, _ = self.blobs.put_stream(stream)
        try:
            return self._add(digest, name=name, owner=owner, field=field, file_id=file_id)
        except sa.exc.IntegrityError as err:
            raise Conflict("a file was uploaded under this name before") from err

    def add_data_url(self, url: str, *, owner: str, field: str) -> Upload:
        """Raises: InvalidRequest for what is no base64 data URL, MediaError for what it holds."""
        head = _DATA_URL.match(url)
        if head is None or not head[0].endswith(";base64,"):
            raise InvalidRequest(f"{field} must be a data URL in base64; got '{url[:40]}'", field=field)
        if len(url) > MAX_DATA_URL_BYTES * 4 // 3:
            raise MediaError(
                f"{field} is larger than {MAX_DATA_URL_BYTES // 1_000_000} MB; upload it", field=field
            )
        try:
            data = base64.b64decode(url[head.end() :], validate=True)
        except (binascii.Error, ValueError) as err:
            raise InvalidRequest(f"{field} is not valid base64 after '{head[0][:60]}'", field=field) from err
        return self._add(self.blobs.put_bytes(data), name=field, owner=owner, field=field)

    def add_url(self, url: str, *, owner: str, field: str, max_s: float = MAX_S) -> Upload:
        """Fetch a file from the internet.

        Raises: MediaError when it may not or cannot be fetched, or is no media; TooSlow when it takes longer than `max_s`.
        """
        with self.blobs.temporary() as place:
            with place.open("wb") as file:
                self.fetcher.fetch(url, file, field=field, max_s=max_s)
            digest = self.blobs.put(place)
        name = url.split("?", maxsplit=1)[0].split("#", maxsplit=1)[0]
        return self._add(digest, name=name, owner=owner, field=field)

    def add_stored(self, digest: str, *, name: str, owner: str) -> Upload:
        """A content that is here already, such as a finished clip, as an upload; asked again it is the same upload."""
        file_id = f"file-{hashlib.sha256(f'{owner} {digest}'.encode()).hexdigest()[:48]}"
        with suppress(NotFound):
            return self.get(file_id, owner=owner)
        try:
            return self._add(digest, name=name, owner=owner, field="file", file_id=file_id)
        except sa.exc.IntegrityError:
            return self.get(file_id, owner=owner)  # another request was faster

    def _add(self, digest: str, *, name: str, owner: str, field: str, file_id: str | None = None) -> Upload:
        shown = _shown_name(name)
        try:
            facts = asdict(probe(self.blobs.path(digest), field=field))
        except MediaError as err:  # whoever sent it knows it by its name
            raise MediaError(err.message.replace(digest, shown), field=field) from err
        del facts["path"]  # it follows from the digest, and the folder may move
        now = time.time()
        row = {
            "id": file_id or f"file-{new_id()}",
            "owner": owner,
            "name": shown,
            "sha256": digest,
            "info": facts,
            "created_at": now,
            "expires_at": now + self.retention_s if self.retention_s else None,
        }
        with self.database.write() as connection:
            stored = connection.execute(sa.insert(files).values(row).returning(files)).one()
        return Upload(**stored._mapping)

    def get(self, file_id: str, *, owner: str | None) -> Upload:
        """Raises: NotFound, also for another owner's file."""
        row = owned_row(self.database, files, file_id, owner=owner, noun="file")
        return Upload(**row._mapping)

    def list(
        self, *, owner: str | None, limit: int = 20, after: str | None = None
    ) -> tuple[Sequence[Upload], str | None]:
        """Newest first, and the cursor of the next page. `after` is such a cursor, or the id of a file.

        A cursor says where a page ended, so the file that stood there may be deleted meanwhile. Raises: InvalidRequest.
        """
        place = sa.tuple_(files.c.created_at, files.c.id)
        query = sa.select(files).order_by(files.c.created_at.desc(), files.c.id.desc()).limit(limit + 1)
        if owner is not None:
            query = query.where(files.c.owner == owner)
        if after is not None:
            query = query.where(place < sa.tuple_(*self._place(after, owner)))
        with self.database.read() as connection:
            found = [Upload(**row._mapping) for row in connection.execute(query)]
        last = found[limit - 1] if len(found) > limit else None
        return found[:limit], None if last is None else f"{last.created_at!r}_{last.id}"

    def _place(self, cursor: str, owner: str | None) -> tuple[float, str]:
        """When the file of a cursor was made, and its id."""
        found = _CURSOR.fullmatch(cursor)
        if found is not None:
            return float(found[1]), found[2]
        try:
            return self.get(cursor, owner=owner).created_at, cursor
        except NotFound as err:
            text = f"cursor must be the next_cursor of a page or the id of a file; got '{cursor[:80]}'"
            raise InvalidRequest(text, field="cursor") from err

    def delete(self, file_id: str, *, owner: str | None) -> None:
        """Forget an upload; a job that uses its content still has it. Raises: NotFound."""
        upload = self.get(file_id, owner=owner)
        with self.database.write() as connection:
            connection.execute(sa.delete(files).where(files.c.id == upload.id))

    def forget_expired(self) -> int:
        with self.database.write() as connection:
            return connection.execute(sa.delete(files).where(files.c.expires_at < time.time())).rowcount


def media_info(facts: Mapping[str, object], blobs: BlobStore) -> MediaInfo:
    """The facts of a stored input, with the path that it has on this machine. Raises: NotFound."""
    return MediaInfo(path=str(blobs.path(str(facts["sha256"]))), **facts)  # type: ignore[arg-type]


def _shown_name(name: str) -> str:
    """The last part of a name that a caller gave, with nothing in it that could hurt where it is shown."""
    last = re.split(r"[/\\]", name)[-1]
    return re.sub(r"[^\w .()+-]", "_", last)[-200:].strip(" .") or "file"
