"""Contents in a bucket of an S3-compatible object store, with a folder of this machine as cache. For fleets without a shared disk.

The object store is the truth: a content counts as kept once it is there. What was put or asked for lately also lies in the
cache, since everything that reads media reads files. Credentials, region and endpoint come from where the AWS tools look for
them (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL_S3, ~/.aws and so on).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlsplit

from happyhorse.errors import InvalidRequest, NotFound, StorageUnavailable
from happyhorse.jobs.blobs import MAX_UPLOAD_BYTES, BlobStore, FolderStore, InUse, is_digest, key, unneeded

if TYPE_CHECKING:
    from collections.abc import Sequence

CACHE_S = 3600.0
"""What nobody asked for this long leaves the cache."""
_DELETE_BATCH = 500
_MISSING = ("404", "NoSuchKey", "NotFound")


class BucketStore:
    """A bucket, below a prefix, behind a cache folder. `client` is boto3's for S3."""

    def __init__(self, client: Any, bucket: str, prefix: str, cache: FolderStore) -> None:
        self.client, self.bucket, self.cache = client, bucket, cache
        self.prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def path(self, digest: str) -> Path:
        """A copy in the cache, fetched if need be. Raises: NotFound; StorageUnavailable."""
        try:
            place = self.cache.path(digest)
        except NotFound:
            self._fetch(digest)
            place = self.cache.path(digest)
        os.utime(place)  # asked for: it stays in the cache
        return place

    def put(self, source: Path) -> str:
        return self._keep(self.cache.put(source))

    def put_bytes(self, data: bytes) -> str:
        return self._keep(self.cache.put_bytes(data))

    def put_stream(self, stream: BinaryIO, *, limit: int = MAX_UPLOAD_BYTES) -> tuple[str, int]:
        digest, size = self.cache.put_stream(stream, limit=limit)
        return self._keep(digest), size

    def temporary(self) -> AbstractContextManager[Path]:
        return self.cache.temporary()

    def sweep(self, in_use: InUse, *, older_than_s: float) -> int:
        """Remove from the bucket what nobody needs; empty the cache of what nobody asked for. Raises: StorageUnavailable."""
        for place in list(self.cache.older(CACHE_S)):
            place.unlink(missing_ok=True)
        gone, removed = unneeded(self._older(older_than_s), in_use), 0
        while part := list(islice(gone, _DELETE_BATCH)):  # at once, before somebody puts one of them again
            self._delete(part)
            removed += len(part)
        return removed

    def _keep(self, digest: str) -> str:
        """Copy from the cache to the bucket. Also what is there already: that makes it young again for the sweep."""
        with _told("keep"):
            self.client.upload_file(str(self.cache.path(digest)), self.bucket, self._key(digest))
        return digest

    def _fetch(self, digest: str) -> None:
        with self.cache.temporary() as place:
            with _told("fetch"):
                self.client.download_file(self.bucket, self._key(digest), str(place))
            if self.cache.put(place) != digest:
                raise StorageUnavailable("the storage gave other bytes than were put there")

    def _older(self, seconds: float) -> Iterator[str]:
        limit = time.time() - seconds
        with _told("list"):
            for page in self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self.prefix
            ):
                for entry in page.get("Contents", ()):
                    digest = entry["Key"].rsplit("/", 1)[-1]
                    is_ours = is_digest(digest) and entry["Key"] == self._key(digest)
                    if is_ours and entry["LastModified"].timestamp() < limit:
                        yield digest

    def _delete(self, digests: Sequence[str]) -> None:
        with _told("delete"):
            self.client.delete_objects(
                Bucket=self.bucket,
                Delete={"Objects": [{"Key": self._key(digest)} for digest in digests], "Quiet": True},
            )

    def _key(self, digest: str) -> str:
        return f"{self.prefix}{key(digest)}"


@contextmanager
def _told(what: str) -> Iterator[None]:
    """The client's many errors as two of ours."""
    from boto3.exceptions import Boto3Error  # noqa: PLC0415  an extra; whoever has a client has it
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        yield
    except ClientError as err:
        code = err.response.get("Error", {}).get("Code", "")
        if code in _MISSING and what == "fetch":
            raise NotFound("the file is no longer kept") from err
        raise StorageUnavailable(f"the storage did not {what} a file ({code})") from err
    except (Boto3Error, BotoCoreError) as err:
        raise StorageUnavailable(f"the storage did not {what} a file ({type(err).__name__})") from err


def open_blobs(storage: str | None, data_dir: Path) -> BlobStore:
    """The store of a service: `s3://bucket/prefix`, or the data folder when nothing is said.

    Raises: InvalidRequest with the field `storage` for another URL, a missing extra, or a bucket that cannot be reached.
    """
    if storage is None:
        return FolderStore(data_dir / "files")
    parts = urlsplit(storage)
    if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment:
        raise InvalidRequest(f"storage must be s3://bucket/prefix; got '{storage[:80]}'", field="storage")
    client = _client()
    try:
        with _told("show"):
            client.head_bucket(Bucket=parts.netloc)
    except StorageUnavailable as err:
        text = f"storage: the bucket '{parts.netloc[:80]}' cannot be reached; {err.message}"
        raise InvalidRequest(text, field="storage") from err
    return BucketStore(client, parts.netloc, parts.path, FolderStore(data_dir / "cache"))


def _client() -> Any:
    try:
        import boto3  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415
    except ImportError as err:
        text = "storage in a bucket needs the extra s3: pip install 'happyhorse[s3]'"
        raise InvalidRequest(text, field="storage") from err
    settings = Config(
        connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 5}
    )
    return boto3.client("s3", config=settings)
