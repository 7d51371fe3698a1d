"""The durable workflow of one job: prepare -> base -> refine -> decode -> sign -> finish. Each step's result is kept by DBOS
and is small JSON.

A step returns digests and facts, never tensors, and it never raises for a job that cannot be done: it returns the error, so
that a replay sees the same. A kill resumes at the step that was not finished: after base and after refine lies the take, the
clip's latents, and between decode and sign the file as the engine made it, each as a content of the store that the job keeps
until it is over.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

from dbos import DBOS
from sqlalchemy.exc import SQLAlchemyError

from happyhorse.engines.base import Engine, Progress
from happyhorse.engines.plan import Plan
from happyhorse.engines.take import Take
from happyhorse.errors import Canceled, DiskFull, HappyHorseError, NotFound, OutOfMemory, is_disk_full
from happyhorse.jobs.blobs import BlobStore
from happyhorse.jobs.inputs import Inputs
from happyhorse.jobs.job import Job, JobError, Status
from happyhorse.jobs.queue import WORKFLOW
from happyhorse.jobs.reports import Reports, TakenOver
from happyhorse.jobs.store import JobStore
from happyhorse.jobs.submit import owes_inputs, replan, settled
from happyhorse.media.picture import small_jpeg
from happyhorse.media.read import decode_video
from happyhorse.request import Output, parse_request

MAX_ATTEMPTS = 10
"""A job that takes its worker down this often is given up; a kill from outside rarely meets one job twice."""
_THUMBNAIL_SIDE = 480
_log = logging.getLogger("happyhorse.pipeline")


class Made(TypedDict, total=False):
    """What a step leaves behind: at most one of the five."""

    take: str
    clip: dict[str, object]
    output: dict[str, object]
    error: dict[str, object]
    canceled: bool


@dataclass(frozen=True)
class Takes:
    """Digests of a job's takes: as `base` left it, and as `refine` did, which is the same one for an engine without a second pass."""

    base: str
    refined: str


Step = Callable[[str, Callable[[], Any]], Any]
"""Runs a function under a name, or returns what it returned the last time."""


Sign = Callable[[Output, Plan], Output]


def run_step(name: str, function: Callable[[], Any]) -> Any:
    """A step of the DBOS workflow that is running."""
    return DBOS.run_step({"name": name}, function)


@dataclass(frozen=True)
class Pipeline:
    """The steps of a job, bound to one worker's engine."""

    engine: Engine
    store: JobStore
    blobs: BlobStore
    inputs: Inputs
    work: Path
    worker: str
    sign: Sign | None = None
    """Gives a finished file its manifest."""
    on_over: Callable[[str], None] = lambda _owner: None
    """Told whose job is over."""

    def register(self) -> None:
        """Give the workflow to DBOS. Once per process, before launch."""

        @DBOS.workflow(name=WORKFLOW, max_recovery_attempts=None)
        def generate(job_id: str) -> str:
            return self.run(job_id)

    def run(self, job_id: str, step: Step = run_step) -> str:
        """One execution of the workflow: the first, or a replay after a kill."""
        # Not a step: every execution, also a replay, is a new attempt, and only the newest may change the job.
        job = self.store.begin(job_id, self.worker)
        if job is None:
            return "nothing to do"
        status = self._make(job, step)
        self.on_over(job.owner)
        return status

    def _make(self, job: Job, step: Step) -> str:
        if job.attempt > MAX_ATTEMPTS:
            text = f"the worker stopped {MAX_ATTEMPTS} times while it made this clip"
            self.store.fail(job.id, job.attempt, JobError("worker_died", text, retryable=True))
            return Status.FAILED
        made = step("prepare", lambda: self._prepare(job))
        if not made:
            job = self._prepared(job)
            made = step("base", lambda: self._base(job))
        if "take" in made:
            base = made["take"]
            made = step("refine", lambda: self._refined(job, base))
            if "take" in made:
                takes = Takes(base, made["take"])
                made = step("decode", lambda: self._decoded(job, takes))
                if "clip" in made:
                    clip = made["clip"]
                    made = step("sign", lambda: self._signed(job, takes, clip))
        return str(step("finish", lambda: {"status": self._finish(job, made)})["status"])

    def _prepare(self, job: Job) -> Made:
        """Fetch what the job owes and check that this machine can do what is planned: nothing is made but perhaps an error."""

        def work() -> Made:
            replan(self._settled(job), self.engine.capabilities, self.blobs)
            return Made()

        return self._guarded(job, work)

    def _settled(self, job: Job) -> Job:
        if not owes_inputs(job):
            return job
        reports = Reports(self.store, job)
        media = self.inputs.fetch(
            parse_request(job.request),
            job.owner,
            known=job.media,
            on_wait=lambda: reports.show(Progress("prepare", 0, 1, 0.0)),
        )
        job = settled(job, media, self.engine.capabilities, self.blobs)
        if not self.store.settle(job):
            raise TakenOver
        return job

    def _prepared(self, job: Job) -> Job:
        """The job as `prepare` left it, in this execution or in one before."""
        if not owes_inputs(job):
            return job
        found = self.store.get(job.id, owner=None)
        return replace(job, media=found.media, plan=found.plan)

    def _base(self, job: Job) -> Made:
        return self._guarded(job, lambda: Made(take=self._kept(job, self._denoise(job))))

    def _refined(self, job: Job, base: str) -> Made:
        def work() -> Made:
            take = self._base_take(job, base)
            refined = self._refine(job, take)
            return Made(take=base if refined is take else self._kept(job, refined))

        return self._guarded(job, work)

    def _decoded(self, job: Job, takes: Takes) -> Made:
        def work(path: Path) -> Made:
            clip = self._stored(self._clip(job, takes, path))
            self._keep(job, str(clip["sha256"]))
            return Made(clip=clip)

        return self._in_folder(job, work)

    def _signed(self, job: Job, takes: Takes, clip: dict[str, object]) -> Made:
        def work(path: Path) -> Made:
            output = self._output(job, takes, clip, path)
            self._keep(job, str(output["sha256"]), str(output["thumbnail"]))
            return Made(output=output)

        return self._in_folder(job, work)

    def _in_folder(self, job: Job, work: Callable[[Path], Made]) -> Made:
        """A step that writes a clip to a path of this attempt's own: one that was overtaken may still write to another."""
        for left in self.work.glob(f"{job.id}.*"):
            if int(left.suffix[1:]) < job.attempt:
                shutil.rmtree(left, ignore_errors=True)
        folder = self.work / f"{job.id}.{job.attempt}"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            return self._guarded(job, lambda: work(folder / "clip.mp4"))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _guarded(self, job: Job, work: Callable[[], Made]) -> Made:
        """Turn what stops a step into its result, so that a replay sees the same. An attempt that was overtaken has no result."""
        try:
            return work()
        except Canceled:
            return Made(canceled=True)
        except Exception as err:
            if self.store.status(job.id, job.attempt) is None:
                raise TakenOver from err
            if not isinstance(err, HappyHorseError):
                _log.exception("job %s failed", job.id)
            return Made(error=asdict(_told(err)))

    def _kept(self, job: Job, take: Take) -> str:
        """The digest of a take that is now in the store, and stays there while the job lives."""
        digest = self.blobs.put_bytes(take.to_bytes())
        self._keep(job, digest)
        return digest

    def _keep(self, job: Job, *digests: str) -> None:
        """Without a database for a moment they are young yet, and no sweep would take them before an hour is over."""
        try:
            self.store.keep(job, *digests)
        except SQLAlchemyError:
            _log.exception("it could not be noted what job %s goes on from", job.id)

    def _denoise(self, job: Job) -> Take:
        decided = replan(job, self.engine.capabilities, self.blobs)
        return self.engine.denoise(decided, on_progress=Reports(self.store, job).show)

    def _refine(self, job: Job, take: Take) -> Take:
        decided = replan(job, self.engine.capabilities, self.blobs)
        return self.engine.refine(decided, take, on_progress=Reports(self.store, job).show)

    def _base_take(self, job: Job, base: str) -> Take:
        return self._found(base, lambda: self._denoise(job))

    def _last_take(self, job: Job, takes: Takes) -> Take:
        return self._found(takes.refined, lambda: self._refine(job, self._base_take(job, takes.base)))

    def _found(self, digest: str, make: Callable[[], Take]) -> Take:
        """The take of a step before; made again when it is no longer there."""
        try:
            return Take.from_bytes(self.blobs.path(digest).read_bytes())
        except NotFound:
            return make()

    def _clip(self, job: Job, takes: Takes, path: Path) -> Output:
        """The file as the engine makes it."""
        decided = replan(job, self.engine.capabilities, self.blobs)
        take = self._last_take(job, takes)
        return self.engine.render(decided, take, path, on_progress=Reports(self.store, job).show)

    def _stored(self, clip: Output) -> dict[str, object]:
        """What there is to know of a clip whose file goes to the store."""
        facts = asdict(clip)
        del facts["path"]
        return {**facts, "sha256": self.blobs.put(Path(clip.path))}

    def _copied(self, job: Job, takes: Takes, clip: Mapping[str, Any], path: Path) -> Output:
        """The clip of the step before; made again when it is no longer there."""
        try:
            shutil.copyfile(self.blobs.path(clip["sha256"]), path)
        except NotFound:
            return self._clip(job, takes, path)
        facts = {name: value for name, value in clip.items() if name != "sha256"}
        return Output(**{**facts, "path": str(path), "notes": tuple(facts["notes"])})

    def _output(self, job: Job, takes: Takes, decoded: Mapping[str, Any], path: Path) -> dict[str, object]:
        decided = replan(job, self.engine.capabilities, self.blobs)
        clip = self._copied(job, takes, decoded, path)
        if self.sign is not None:
            clip = self.sign(clip, decided)
        thumbnail = self._thumbnail(path)
        return {**self._stored(clip), **_of_plan(decided), "thumbnail": thumbnail}

    def _thumbnail(self, path: Path) -> str:
        frame = decode_video(path, max_seconds=0.2)[0]
        return self.blobs.put_bytes(small_jpeg(frame, _THUMBNAIL_SIDE))

    def _finish(self, job: Job, made: Made) -> str:
        if "output" in made:
            done = self.store.succeed(job.id, job.attempt, made["output"])
        elif "error" in made:
            done = self.store.fail(job.id, job.attempt, JobError(**made["error"]))  # type: ignore[arg-type]
        else:
            done = None
        if done is None:
            # Canceled, or over already when a kill fell between the commit and the record of this step.
            done = self.store.finish_cancel(job.id) or self.store.get(job.id, owner=None)
        return done.status.value


def _of_plan(decided: Plan) -> Mapping[str, object]:
    return {
        "mode": decided.mode,
        "resolution": decided.resolution,
        "ratio": decided.ratio,
        "sound": decided.sound,
        "weights_id": decided.weights_id,
        "plan_digest": decided.digest(),
        "billed_seconds": decided.billed_seconds,
    }


def _told(err: Exception) -> JobError:
    """An exception as the caller sees it; what is not ours is named by kind and not quoted."""
    if isinstance(err, MemoryError):
        return JobError(OutOfMemory.code, "there was not enough memory for this clip", retryable=True)
    if isinstance(err, DiskFull) or is_disk_full(err):
        return JobError(DiskFull.code, "the disk of the worker is full", retryable=True)
    # The field output is the place on the worker's disk, which is no business of the caller.
    if isinstance(err, HappyHorseError) and err.field != "output":
        return JobError(err.code, err.message, err.retryable, err.field)
    return JobError("engine_error", f"the engine failed ({type(err).__name__})", retryable=False)
