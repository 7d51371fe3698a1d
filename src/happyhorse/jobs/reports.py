"""What a worker writes of an engine's progress, and how it hears that it is to stop."""

from __future__ import annotations

import logging
import time

import sqlalchemy as sa

from happyhorse.engines.base import Progress
from happyhorse.errors import Canceled
from happyhorse.jobs.job import Job, Status
from happyhorse.jobs.store import JobStore

REPORT_S = 0.25
"""Progress is written at most this often, apart from a change of stage or step and a preview while denoising."""
LOOK_S = 0.05
"""The wish to cancel is looked for at most this often."""
_log = logging.getLogger("happyhorse.pipeline")


class TakenOver(BaseException):
    """Another worker owns this job now. Not an Exception: nothing on the way may keep it as the result of a step."""


class Reports:
    """Writes an engine's progress to the job and carries a cancel back to the engine."""

    def __init__(self, store: JobStore, job: Job) -> None:
        self.store, self.job = store, job
        self.written: Progress | None = None
        self.written_at = self.looked_at = 0.0

    def show(self, progress: Progress) -> None:
        """Raises: Canceled when the caller wants it; TakenOver when the job has another worker."""
        try:
            self._show(progress)
        except sa.exc.OperationalError:
            # The database is away for a moment; the clip need not be lost for that.
            _log.warning("progress of job %s could not be written", self.job.id)

    def _show(self, progress: Progress) -> None:
        now = time.monotonic()
        last = self.written
        moved = last is None or (last.stage, last.step) != (progress.stage, progress.step)
        stepped = moved and progress.stage in ("prepare", "base", "refine", "finish")
        seen = progress.preview is not None and progress.stage in ("base", "refine")  # a few in a run
        if stepped or seen or now - self.written_at >= REPORT_S:
            self.written, self.written_at = progress, now
            status = self.store.progress(self.job.id, self.job.attempt, progress)
        elif now - self.looked_at >= LOOK_S:
            status = self.store.status(self.job.id, self.job.attempt)
        else:
            return
        self.looked_at = now
        if status is None:
            raise TakenOver
        if status is not Status.RUNNING:
            raise Canceled
