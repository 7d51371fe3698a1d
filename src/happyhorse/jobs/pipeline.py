"""The durable workflow of one job: prepare -> base -> render -> sign -> finish. Each step's result is kept by DBOS and is small JSON.

A step returns digests and facts, never tensors, and it never raises for a job that cannot be done: it returns the error, so
that a replay sees the same. A kill resumes at the step that was not finished: between base and render lies the take, the
clip's latents, and between render and sign the file as the engine made it, each as a content of the store that the sweep
removes when nobody has asked for it for a while.
"""

from __future__ import annotations

import errno
import logging
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypedDict

import sqlalchemy as sa
from dbos import DBOS

from happyhorse.engines.base import Engine, Progress
from happyhorse.engines.plan import Plan
from happyhorse.engines.take import Take
from happyhorse.errors import Canceled, DiskFull, HappyHorseError, NotFound, OutOfMemory
from happyhorse.jobs.blobs import BlobStore
from happyhorse.jobs.job import Job, JobError, Status
from happyhorse.jobs.queue import WORKFLOW
from happyhorse.jobs.store import JobStore
from happyhorse.jobs.submit import replan
from happyhorse.media.picture import small_jpeg
from happyhorse.media.read import decode_video
from happyhorse.request import Output

MAX_ATTEMPTS = 10
"""A job that takes its worker down this often is given up; a kill from outside rarely meets one job twice."""
REPORT_S = 0.25
"""Progress is written at most this often, apart from a change of stage or step and a preview while denoising."""
LOOK_S = 0.05
"""The wish to cancel is looked for at most this often."""
_THUMBNAIL_SIDE = 480
_log = logging.getLogger("happyhorse.pipeline")


class Made(TypedDict, total=False):
    """What a step leaves behind: at most one of the five."""

    take: str
    clip: dict[str, object]
    output: dict[str, object]
    error: dict[str, object]
    canceled: bool


class TakenOver(BaseException):
    """Another worker owns this job now. Not an Exception: nothing on the way may keep it as the result of a step."""


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
        made = step("prepare", lambda: self._prepare(job)) or step("base", lambda: self._base(job))
        if "take" in made:
            take = made["take"]
            made = step("render", lambda: self._render(job, take))
            if "clip" in made:
                clip = made["clip"]
                made = step("sign", lambda: self._signed(job, take, clip))
        return str(step("finish", lambda: {"status": self._finish(job, made)})["status"])

    def _prepare(self, job: Job) -> Made:
        """Check that this machine can still do what was planned; what cannot be made is empty or an error."""
        try:
            replan(job, self.engine.capabilities, self.blobs)
        except HappyHorseError as err:
            return Made(error=asdict(_told(err)))
        return Made()

    def _base(self, job: Job) -> Made:
        return _guarded(job, lambda: Made(take=self.blobs.put_bytes(self._denoise(job).to_bytes())))

    def _render(self, job: Job, take: str) -> Made:
        return self._in_folder(job, lambda path: Made(clip=self._stored(self._clip(job, take, path))))

    def _signed(self, job: Job, take: str, clip: dict[str, object]) -> Made:
        return self._in_folder(job, lambda path: Made(output=self._output(job, take, clip, path)))

    def _in_folder(self, job: Job, work: Callable[[Path], Made]) -> Made:
        """A step that writes a clip to a path of its own."""
        folder = self.work / job.id
        shutil.rmtree(folder, ignore_errors=True)  # what an attempt that died left behind
        folder.mkdir(parents=True)
        try:
            return _guarded(job, lambda: work(folder / "clip.mp4"))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _denoise(self, job: Job) -> Take:
        decided = replan(job, self.engine.capabilities, self.blobs)
        return self.engine.denoise(decided, on_progress=Reports(self.store, job).show)

    def _kept(self, job: Job, take: str) -> Take:
        """The take of the step before; made again when it lay so long that the sweep has removed it."""
        try:
            return Take.from_bytes(self.blobs.path(take).read_bytes())
        except NotFound:
            return self._denoise(job)

    def _clip(self, job: Job, take: str, path: Path) -> Output:
        """The file as the engine makes it."""
        decided = replan(job, self.engine.capabilities, self.blobs)
        show = Reports(self.store, job).show
        return self.engine.render(decided, self._kept(job, take), path, on_progress=show)

    def _stored(self, clip: Output) -> dict[str, object]:
        """What there is to know of a clip whose file goes to the store."""
        facts = asdict(clip)
        del facts["path"]
        return {**facts, "sha256": self.blobs.put(Path(clip.path))}

    def _copied(self, job: Job, take: str, clip: Mapping[str, Any], path: Path) -> Output:
        """The clip of the step before; made again when it lay so long that the sweep has removed it."""
        try:
            shutil.copyfile(self.blobs.path(clip["sha256"]), path)
        except NotFound:
            return self._clip(job, take, path)
        facts = {name: value for name, value in clip.items() if name != "sha256"}
        return Output(**{**facts, "path": str(path), "notes": tuple(facts["notes"])})

    def _output(self, job: Job, take: str, rendered: Mapping[str, Any], path: Path) -> dict[str, object]:
        decided = replan(job, self.engine.capabilities, self.blobs)
        clip = self._copied(job, take, rendered, path)
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


def _guarded(job: Job, work: Callable[[], Made]) -> Made:
    """Turn what stops a step into its result, so that a replay sees the same."""
    try:
        return work()
    except Canceled:
        return Made(canceled=True)
    except Exception as err:
        if not isinstance(err, HappyHorseError):
            _log.exception("job %s failed", job.id)
        return Made(error=asdict(_told(err)))


def _told(err: Exception) -> JobError:
    """An exception as the caller sees it; what is not ours is named by kind and not quoted."""
    if isinstance(err, MemoryError):
        return JobError(OutOfMemory.code, "there was not enough memory for this clip", retryable=True)
    if isinstance(err, DiskFull) or (isinstance(err, OSError) and err.errno in (errno.ENOSPC, errno.EDQUOT)):
        return JobError(DiskFull.code, "the disk of the worker is full", retryable=True)
    # The field output is the place on the worker's disk, which is no business of the caller.
    if isinstance(err, HappyHorseError) and err.field != "output":
        return JobError(err.code, err.message, err.retryable, err.field)
    return JobError("engine_error", f"the engine failed ({type(err).__name__})", retryable=False)
