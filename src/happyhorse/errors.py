"""The exception tree of happyhorse.

    HappyHorseError
    ├── InvalidRequest    422  a field of the request is wrong
    │   ├── MediaError    422  a file cannot be read or breaks a limit
    │   └── Unsupported   422  the engine cannot do what is asked
    ├── Unauthenticated   401
    ├── Forbidden         403
    ├── NotFound          404
    ├── Conflict          409
    ├── LimitExceeded     429
    ├── StorageUnavailable 503  results and inputs cannot be kept or fetched now
    ├── Stopping          503  the server stops
    ├── Canceled          409  the caller asked to stop
    └── EngineError       500
        ├── WeightsMissing 503
        ├── OutOfMemory    503
        ├── DiskFull       507
        └── RemoteError    502  the server that a clip was forwarded to failed
            ├── RemoteUnauthorized 502  it does not take our key
            ├── RemoteRefused      422  it does not take the request
            ├── RemoteUnreachable  503
            └── RemoteTimeout      504

Every error has a stable `code`, one clear sentence (what was wrong, the value seen, what is allowed) and says whether a
retry can help. Domain code raises these; the command line and the HTTP layer each map them in one place.
"""

from __future__ import annotations

import errno
from typing import ClassVar


class HappyHorseError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    retryable: bool = False

    def __init__(self, message: str | None = None, *, field: str | None = None) -> None:
        self.message = message or (self.__doc__ or "").splitlines()[0]
        self.field = field
        super().__init__(self.message)


class InvalidRequest(HappyHorseError):
    """A field of the request is not valid."""

    code = "invalid_request"
    status = 422


class MediaError(InvalidRequest):
    """A media file cannot be read or breaks a limit."""

    code = "invalid_media"


class Unsupported(InvalidRequest):
    """The engine cannot do what is asked."""

    code = "unsupported"


class Unauthenticated(HappyHorseError):
    """The credential is missing or wrong."""

    code = "unauthenticated"
    status = 401


class Forbidden(HappyHorseError):
    """The credential does not allow this."""

    code = "forbidden"
    status = 403


class NotFound(HappyHorseError):
    """There is no such thing."""

    code = "not_found"
    status = 404


class Conflict(HappyHorseError):
    """The thing is in a state that does not allow this."""

    code = "conflict"
    status = 409


class LimitExceeded(HappyHorseError):
    """A rate or spend limit is reached."""

    code = "limit_exceeded"
    status = 429

    def __init__(
        self, message: str | None = None, *, field: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, field=field)
        self.retry_after_s = retry_after_s
        self.retryable = retry_after_s is not None  # time does not lift a limit in all


class Canceled(HappyHorseError):
    """The work was canceled."""

    code = "canceled"
    status = 409


class StorageUnavailable(HappyHorseError):
    """The storage of results and inputs does not answer."""

    code = "storage_unavailable"
    status = 503
    retryable = True


class Stopping(HappyHorseError):
    """The server stops; ask again."""

    code = "stopping"
    status = 503
    retryable = True


class EngineError(HappyHorseError):
    """The engine failed."""

    code = "engine_error"


class WeightsMissing(EngineError):
    """The weights are missing, incomplete or of another version."""

    code = "weights_missing"
    status = 503


class OutOfMemory(EngineError):
    """There is not enough memory for this clip."""

    code = "out_of_memory"
    status = 503
    retryable = True


class DiskFull(EngineError):
    """There is no room for the clip on the disk."""

    code = "disk_full"
    status = 507
    retryable = True


def is_disk_full(err: BaseException) -> bool:
    """Whether the system refused to write for want of room."""
    return isinstance(err, OSError) and err.errno in (errno.ENOSPC, errno.EDQUOT)


class RemoteError(EngineError):
    """The server that the clip was forwarded to failed."""

    code = "remote_error"
    status = 502


class RemoteUnauthorized(RemoteError):
    """The server that the clip was forwarded to does not take the key."""

    code = "remote_unauthorized"


class RemoteRefused(RemoteError):
    """The server that the clip was forwarded to does not take the request."""

    code = "remote_refused"
    status = 422


class RemoteUnreachable(RemoteError):
    """The server that the clip was forwarded to cannot be reached."""

    code = "remote_unreachable"
    status = 503
    retryable = True


class RemoteTimeout(RemoteError):
    """The server that the clip was forwarded to took too long."""

    code = "remote_timeout"
    status = 504
    retryable = True
