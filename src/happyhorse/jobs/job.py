"""What a job is, and the table of its legal transitions. Pure data; `store.py` moves jobs, `reader.py` finds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    CANCELING = "canceling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


# Each status and what may follow it. A status never goes back and a terminal one is followed by nothing; a job that is
# begun again after its worker died stays `running`. From `canceling` there is no way to success: once a cancel is
# accepted, nothing is charged.
TRANSITIONS: Mapping[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.RUNNING, Status.CANCELED, Status.FAILED}),
    Status.RUNNING: frozenset({Status.RUNNING, Status.CANCELING, Status.SUCCEEDED, Status.FAILED}),
    Status.CANCELING: frozenset({Status.CANCELED, Status.FAILED}),
    Status.SUCCEEDED: frozenset(),
    Status.FAILED: frozenset(),
    Status.CANCELED: frozenset(),
}
TERMINAL = frozenset(status for status, followers in TRANSITIONS.items() if not followers)
TERMINAL_VALUES = tuple(status.value for status in TERMINAL)
LIVE_VALUES = tuple(status.value for status in Status if status not in TERMINAL)
MICROS = 1_000_000
"""Money is counted in millionths of a dollar."""


def sources(target: Status) -> tuple[str, ...]:
    """The statuses from which `target` may be reached."""
    return tuple(status.value for status, followers in TRANSITIONS.items() if target in followers)


@dataclass(frozen=True)
class JobError:
    """Why a job failed: a stable code, one sentence, and whether the same request may work later."""

    code: str
    message: str
    retryable: bool = False
    field: str | None = None


@dataclass(frozen=True)
class Job:
    """One row of the table of jobs. Times are seconds since 1970 UTC, money is micro-dollars."""

    id: str
    owner: str
    engine: str
    mode: str
    status: Status
    request: Mapping[str, object]
    plan: Mapping[str, object]
    media: Mapping[str, Mapping[str, object]]
    """What the probe saw of each input, by `MediaRef.key`; `sha256` finds the bytes."""
    metadata: Mapping[str, str]
    priority: int
    price_micros: int
    cost_micros: int
    attempt: int
    worker: str | None
    stage: str | None
    step: int
    num_steps: int
    fraction: float
    eta_s: float | None
    output: Mapping[str, object] | None
    error: JobError | None
    retry_of: str | None
    webhook: Mapping[str, object] | None
    """The fields of its own `webhooks.Target`."""
    num_events: int
    created_at: float
    started_at: float | None
    finished_at: float | None
    expires_at: float | None
    cancel_at: float | None
    """When it is canceled if it is not over."""
    preview_event: int | None
    """The number of the event with the latest picture; None when it is over."""

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL


@dataclass(frozen=True)
class Event:
    """Something that happened to a job; numbers of one job count from 1 without a gap."""

    job_id: str
    number: int
    at: float
    type: str
    data: Mapping[str, object]


@dataclass(frozen=True)
class NewJob:
    """What `store.create` needs; everything is decided, nothing is queued yet."""

    owner: str
    engine: str
    mode: str
    request: Mapping[str, object]
    plan: Mapping[str, object]
    media: Mapping[str, Mapping[str, object]]
    metadata: Mapping[str, str]
    price_micros: int
    request_hash: str
    idempotency_key: str | None = None
    priority: int = 0
    retry_of: str | None = None
    webhook: Mapping[str, object] | None = None
    cancel_at: float | None = None
