"""Whose turn it is when a key may run only so many jobs at once.

A worker takes jobs from the queue without knowing limits. `store.begin` refuses the one that would be too many, its workflow
ends, and the job waits outside the queue, still `queued`. When a job of the key ends, as many as have room go back into the
queue, the higher priority first. A worker that dies in between leaves that to the next look of any worker (`Worker.reconcile`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from happyhorse.jobs.job import Job, Status
from happyhorse.jobs.queue import JobQueue
from happyhorse.jobs.store import JobStore


@dataclass(frozen=True)
class Turns:
    """Puts jobs back into the queue."""

    store: JobStore
    queue: JobQueue

    def next_of(self, owner: str) -> None:
        """Queue the jobs that wait for a place of this owner, as many as are free."""
        free = self.store.free_places(owner)
        if free:
            for job in self.queue.stranded(self.store.waiting(owner))[:free]:
                self.queue.put_again(job)

    def mend(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Queue those of these live jobs that nothing would ever run. Returns those that no limit had kept back."""
        lost, limited = [], set()
        for seen in self.queue.stranded(jobs):
            job = self.store.get(seen.id, owner=None)
            if job.is_terminal:
                continue
            if job.status is Status.QUEUED and self.store.free_places(job.owner) is not None:
                limited.add(job.owner)
                continue
            self.queue.put_again(job)
            lost.append(job)
        for owner in limited:
            self.next_of(owner)
        return lost
