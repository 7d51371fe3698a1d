"""Bytes found by what they are: outputs, takes, thumbnails and uploads under the SHA-256 of their content.

No name that a user gave ever becomes part of a path. A content is written under a temporary name and moved into place, so
what has a name is whole; writing the same content twice keeps one copy. Two stores: a folder, here, and a bucket of an object
store (`bucket.py`), for machines that share no disk.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, Protocol

from happyhorse.errors import MediaError, NotFound

MAX_UPLOAD_BYTES = 120_000_000
_BATCH = 500
_CHUNK = 1 << 20
_DIGEST = re.compile(r"[0-9a-f]{64}")

InUse = Callable[[Sequence[str]], set[str]]
"""Which of these digests somebody still needs."""


class BlobStore(Protocol):
    """Where contents are kept."""

    def path(self, digest: str) -> Path:
        """A local file with this content, good for reading now. Raises: NotFound; StorageUnavailable."""
        ...

    def put(self, source: Path) -> str:
        """Take a finished file over and return its digest. Raises: StorageUnavailable; OSError for a full disk."""
        ...

    def put_bytes(self, data: bytes) -> str: ...

    def put_stream(self, stream: BinaryIO, *, limit: int = MAX_UPLOAD_BYTES) -> tuple[str, int]:
        """Copy an upload. Returns its digest and size. Raises: MediaError past the limit; StorageUnavailable."""
        ...

    def sweep(self, in_use: InUse, *, older_than_s: float) -> int:
        """Remove contents that nobody needs and that are older than the grace time. Returns how many."""
        ...

    def temporary(self) -> AbstractContextManager[Path]:
        """A path for a file that is being written; what was not taken is removed."""
        ...


def key(digest: str) -> str:
    """`ab/abcd...`: the place of a content in a store. Raises: NotFound for what is no digest."""
    if not is_digest(digest):
        raise NotFound("there is no such file")
    return f"{digest[:2]}/{digest}"


def is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


def unneeded(digests: Iterable[str], in_use: InUse) -> Iterator[str]:
    """Those that nobody needs, asked for many at a time."""
    left = iter(digests)
    while part := list(islice(left, _BATCH)):
        needed = in_use(part)
        yield from (digest for digest in part if digest not in needed)


def _is_older(place: Path, limit: float) -> bool:
    """Whether a file is there and was last put or touched before this time."""
    try:
        return place.stat().st_mtime < limit
    except FileNotFoundError:  # another worker's sweep was faster
        return False


class FolderStore:
    """A folder of contents. `root/ab/abcd...` holds the bytes whose SHA-256 starts with ab."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.incoming = root / "incoming"
        self.incoming.mkdir(parents=True, exist_ok=True)

    def path(self, digest: str) -> Path:
        """Where a content lies. Raises: NotFound when it is not there (any more)."""
        place = self._place(digest)
        if not place.is_file():
            raise NotFound("the file is no longer kept")
        return place

    def put(self, source: Path) -> str:
        """Take a finished file over (it is moved when it lies on the same disk) and return its digest."""
        with source.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        self._take(source, digest)
        return digest

    def put_bytes(self, data: bytes) -> str:
        with self.temporary() as source:
            source.write_bytes(data)
            return self.put(source)

    def put_stream(self, stream: BinaryIO, *, limit: int = MAX_UPLOAD_BYTES) -> tuple[str, int]:
        """Copy an upload. Returns its digest and size. Raises: MediaError past the limit."""
        digest, size = hashlib.sha256(), 0
        with self.temporary() as source:
            with source.open("wb") as file:
                while chunk := stream.read(_CHUNK):
                    size += len(chunk)
                    if size > limit:
                        raise MediaError(f"file is larger than {limit // 1_000_000} MB", field="file")
                    digest.update(chunk)
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            self._take(source, digest.hexdigest())
        return digest.hexdigest(), size

    def sweep(self, in_use: InUse, *, older_than_s: float) -> int:
        """Remove contents that nobody needs and that are older than the grace time. Returns how many."""
        old = list(self.older(older_than_s))
        left_over = [place for place in old if place.parent == self.incoming]
        kept = [place.name for place in old if place.parent != self.incoming and is_digest(place.name)]
        removed = 0
        for place in chain(left_over, map(self._place, unneeded(kept, in_use))):
            if _is_older(place, time.time() - older_than_s):  # still: it may have been put again meanwhile
                place.unlink(missing_ok=True)
                removed += 1
        return removed

    def older(self, seconds: float) -> Iterator[Path]:
        """Contents, and left-over temporary files, that were last put or touched before this long ago."""
        limit = time.time() - seconds
        for folder in self.root.iterdir():
            for place in folder.iterdir() if folder.is_dir() else ():
                if place.is_file() and _is_older(place, limit):
                    yield place

    def _place(self, digest: str) -> Path:
        return self.root / key(digest)

    def _take(self, source: Path, digest: str) -> None:
        place = self._place(digest)
        with suppress(FileNotFoundError):
            os.utime(place)  # wanted again: the grace time of the sweep starts anew
            source.unlink(missing_ok=True)
            return
        place.parent.mkdir(exist_ok=True)
        if source.stat().st_dev != self.root.stat().st_dev:
            with self.temporary() as nearby:
                shutil.copyfile(source, nearby)
                nearby.replace(place)
            source.unlink()
        else:
            source.replace(place)

    @contextmanager
    def temporary(self) -> Iterator[Path]:
        """A path for a file that is being written; what was not taken is removed."""
        place = self.incoming / secrets.token_hex(12)
        try:
            yield place
        finally:
            place.unlink(missing_ok=True)
