"""Answers that go on while a job does."""

from __future__ import annotations

from collections.abc import AsyncIterable, Mapping

from sse_starlette import EventSourceResponse, ServerSentEvent

_PING_S = 10
_GRACE_S = 1.0


def event_stream(
    events: AsyncIterable[ServerSentEvent], *, headers: Mapping[str, str] | None = None
) -> EventSourceResponse:
    """Send events. When the server stops, `Feed.end` ends them in order; the response only has to wait for that."""
    return EventSourceResponse(events, headers=headers, ping=_PING_S, shutdown_grace_period=_GRACE_S)
