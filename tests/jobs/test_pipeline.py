import base64
import errno
import io
import resource
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from rig import Instant, pipeline, plainly, png, submit

from happyhorse.engines.base import Progress
from happyhorse.engines.catalog import CATALOG
from happyhorse.engines.testcard import TestcardEngine
from happyhorse.errors import Canceled, InvalidRequest, OutOfMemory
from happyhorse.jobs.job import Status
from happyhorse.jobs.pipeline import MAX_ATTEMPTS
from happyhorse.jobs.reports import TakenOver
from happyhorse.media.read import probe


def run(service, tmp_path, job, **options):
    return pipeline(service, tmp_path, **options).run(job.id, plainly)


def failing(err):
    def during(_show):
        raise err

    return Instant(during)


class TwoPasses(Instant):
    """Draws only what went through its second pass."""

    def refine(self, plan, take, *, on_progress):
        assert "refined" not in take.notes
        return replace(super().refine(plan, take, on_progress=on_progress), notes={"refined": "yes"})

    def render(self, plan, take, output, *, on_progress):
        assert take.notes == {"refined": "yes"}
        return super().render(plan, take, output, on_progress=on_progress)


def test_a_job_becomes_a_clip_with_a_thumbnail_and_leaves_no_rubbish(service, tmp_path):
    job = submit(service)
    assert run(service, tmp_path, job) == "succeeded"
    done = service.store.get(job.id, owner=None)
    clip = probe(service.blobs.path(done.output["sha256"]))
    assert (clip.kind, clip.num_frames, clip.has_audio) == ("video", 75, True)
    assert probe(service.blobs.path(done.output["thumbnail"])).format == "jpeg"
    assert (done.output["seed"], done.output["engine"]) == (7, "testcard")
    assert str(tmp_path) not in str(done.output)
    assert not any((tmp_path / "work").iterdir())
    assert not any(service.blobs.incoming.iterdir())


def test_a_clip_from_an_upload_shows_it(service, tmp_path):
    stored = service.uploads.add(io.BytesIO(png()), name="../../a.png", owner="local")
    assert (stored.name, stored.info["width"]) == ("a.png", 512)
    job = submit(service, image=stored.id)
    service.uploads.delete(stored.id, owner=None)
    assert job.mode == "i2v"
    assert run(service, tmp_path, job) == "succeeded"


@pytest.mark.parametrize(
    ("err", "code", "retryable"),
    [
        (OutOfMemory("too little"), "out_of_memory", True),
        (MemoryError(), "out_of_memory", True),
        (OSError(errno.ENOSPC, "no space"), "disk_full", True),
        (ZeroDivisionError("secret path"), "engine_error", False),
    ],
)
def test_a_failure_has_its_own_code_and_the_next_job_runs(service, tmp_path, err, code, retryable):
    job = submit(service)
    assert run(service, tmp_path, job, engine=failing(err)) == "failed"
    found = service.store.get(job.id, owner=None)
    assert (found.error.code, found.error.retryable, found.cost_micros) == (code, retryable, 0)
    assert "secret" not in found.error.message
    assert run(service, tmp_path, submit(service)) == "succeeded"


def test_a_disk_that_is_full_while_the_clip_is_written_has_its_own_code_and_no_path(service, tmp_path):
    class Cramped(Instant):
        def render(self, plan, take, output, *, on_progress):
            before = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
            try:
                return TestcardEngine().render(plan, take, output, on_progress=lambda _: None)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, before)

    job = submit(service)
    assert run(service, tmp_path, job, engine=Cramped()) == "failed"
    error = service.store.get(job.id, owner=None).error
    assert (error.code, error.retryable, str(tmp_path) in error.message) == ("disk_full", True, False)
    assert run(service, tmp_path, submit(service)) == "succeeded"


def test_a_database_that_is_away_for_a_moment_costs_no_clip(service, tmp_path, monkeypatch):
    def away(*_):
        raise sa.exc.OperationalError("UPDATE jobs", {}, OSError("the server closed the connection"))

    job = submit(service)
    with monkeypatch.context() as patch:
        patch.setattr(service.store, "progress", away)
        assert run(service, tmp_path, job) == "succeeded"


def test_a_failed_job_is_tried_again_with_its_seed_and_inputs(service, tmp_path):
    job = submit(service, seed=None)
    run(service, tmp_path, job, engine=failing(MemoryError()))
    again = service.submitter.retry(job.id, owner="local")
    assert (again.retry_of, again.plan["seed"]) == (job.id, job.plan["seed"])
    assert run(service, tmp_path, again) == "succeeded"


def test_a_job_of_an_engine_that_runs_here_no_more_is_not_queued_for_nobody(service, tmp_path):
    job = submit(service)
    run(service, tmp_path, job, engine=failing(MemoryError()))
    service.submitter.engines = lambda: {"nano": CATALOG["nano"]}
    with pytest.raises(InvalidRequest, match="engine must be one that runs here, nano; got 'testcard'"):
        service.submitter.retry(job.id, owner="local")


def test_every_picture_of_a_clip_that_is_being_denoised_is_told(service, tmp_path):
    told = []

    def during(show):
        for step in range(1, 4):
            show(Progress("base", step, 3, step / 10))
            show(Progress("base", step, 3, step / 10, preview=b"step %d" % step))
        told.extend(event.data for event in service.store.events.of(job.id) if event.type == "progress")

    job = submit(service)
    assert run(service, tmp_path, job, engine=Instant(during)) == "succeeded"
    shown = [base64.b64decode(data["preview"].partition(",")[2]) for data in told if "preview" in data]
    assert shown == [b"step 1", b"step 2", b"step 3"]
    assert {data["stage"] for data in told} == {"base"}


def test_a_cancel_is_seen_at_the_next_report(service, tmp_path):
    reports = []

    def during(show):
        show(Progress("base", 1, 8, 0.1))
        service.store.cancel(job.id, owner=None)
        for step in range(2, 9):
            reports.append(step)
            show(Progress("base", step, 8, step / 10))

    job = submit(service)
    assert run(service, tmp_path, job, engine=Instant(during)) == "canceled"
    assert reports == [2]
    found = service.store.get(job.id, owner=None)
    assert (found.status, found.cost_micros, found.output) == (Status.CANCELED, 0, None)


def test_a_cancel_after_the_last_report_still_costs_nothing(service, tmp_path):
    job = submit(service)

    def step(name, function):
        if name == "finish":
            service.store.cancel(job.id, owner=None)
        return function()

    assert pipeline(service, tmp_path).run(job.id, step) == "canceled"
    assert service.store.get(job.id, owner=None).cost_micros == 0


def test_a_worker_that_was_replaced_stops_without_a_result(service, tmp_path):
    def during(show):
        service.store.begin(job.id, "another")
        show(Progress("base", 1, 8, 0.1))

    job = submit(service)
    with pytest.raises(TakenOver):
        run(service, tmp_path, job, engine=Instant(during))
    found = service.store.get(job.id, owner=None)
    assert (found.status, found.attempt) == (Status.RUNNING, 2)
    assert not issubclass(TakenOver, Exception)  # so that no step can keep it as its result
    assert issubclass(Canceled, Exception)


def test_a_kill_between_any_two_steps_redoes_at_most_one(service, tmp_path):
    """The replay of DBOS: finished steps return what they returned; the one that was cut off runs again."""
    for cut in ("prepare", "base", "refine", "decode", "sign", "finish"):
        for done_first in (False, True):
            job, kept, engine = submit(service), {}, TwoPasses()

            def step(name, function, cut=cut, done_first=done_first, kept=kept):
                if name in kept:
                    return kept[name]
                if name == cut and "cut" not in kept:
                    kept["cut"] = True
                    if done_first:
                        function()  # its work was done, but nobody wrote down that it was
                    raise KeyboardInterrupt
                kept[name] = function()
                return kept[name]

            runner = pipeline(service, tmp_path, engine=engine)
            with pytest.raises(KeyboardInterrupt):
                runner.run(job.id, step)
            runner.run(job.id, step)
            found = service.store.get(job.id, owner=None)
            assert found.status is Status.SUCCEEDED
            assert engine.runs == (2 if cut == "base" and done_first else 1)
            assert engine.refines == (2 if cut == "refine" and done_first else 1)
            assert engine.renders == (2 if cut == "decode" and done_first else 1)
    usage = service.store.ledger.usage(owner=None, since=0, until=1e12)
    assert sum(line.jobs for line in usage) == 12


def test_a_job_that_kills_its_workers_is_given_up(service, tmp_path):
    job = submit(service)
    for _ in range(MAX_ATTEMPTS):
        service.store.begin(job.id, "w")
    assert run(service, tmp_path, job) == "failed"
    assert service.store.get(job.id, owner=None).error.code == "worker_died"


@pytest.mark.parametrize(
    ("after", "runs", "refines", "renders"), [("base", 2, 1, 1), ("refine", 1, 2, 1), ("decode", 1, 1, 2)]
)
def test_what_was_swept_between_two_steps_is_made_again(service, tmp_path, after, runs, refines, renders):
    job, engine = submit(service), TwoPasses()
    runner = pipeline(service, tmp_path, engine=engine)

    def step(name, function):
        made = function()
        if name == after:
            digest = made["clip"]["sha256"] if after == "decode" else made["take"]
            service.blobs.path(digest).unlink()
        return made

    assert runner.run(job.id, step) == "succeeded"
    assert (engine.runs, engine.refines, engine.renders) == (runs, refines, renders)


def test_a_take_without_a_second_pass_is_stored_once(service, tmp_path):
    kept = {}

    def step(name, function):
        kept[name] = function()
        return kept[name]

    assert pipeline(service, tmp_path).run(submit(service).id, step) == "succeeded"
    assert kept["refine"] == kept["base"]


def test_a_clip_is_signed_on_a_copy_so_that_a_kill_while_signing_finds_what_the_engine_made(
    service, tmp_path
):
    def sign(clip, _plan):
        with Path(clip.path).open("ab") as file:
            file.write(b"\0\0\0\x08free")
        return replace(clip, size_bytes=Path(clip.path).stat().st_size, notes=(*clip.notes, "signed"))

    kept = {}

    def step(name, function):
        kept[name] = function()
        return kept[name]

    job = submit(service)
    runner = replace(pipeline(service, tmp_path), sign=sign)
    assert runner.run(job.id, step) == "succeeded"
    rendered, done = kept["decode"]["clip"], service.store.get(job.id, owner=None).output
    raw, signed = (service.blobs.path(found["sha256"]).read_bytes() for found in (rendered, done))
    assert signed == raw + b"\0\0\0\x08free"
    assert (done["size_bytes"], done["notes"]) == (len(signed), [*rendered["notes"], "signed"])


def test_an_attempt_that_was_overtaken_leaves_the_files_of_the_next_alone_and_has_no_result(
    service, tmp_path
):
    """It stalls while it writes; another takes over, writes too, and then the first one wakes up and fails."""

    class Stalls(Instant):
        def render(self, plan, take, output, *, on_progress):
            output.write_bytes(b"half of the first")
            service.store.begin(job.id, "w1")
            theirs.mkdir(parents=True)
            (theirs / "clip.mp4").write_bytes(b"half of the second")
            raise RuntimeError("it woke up")

    job, kept = submit(service), []
    theirs = tmp_path / "work" / f"{job.id}.2"

    def step(name, function):
        made = function()
        kept.append(name)
        return made

    with pytest.raises(TakenOver):
        pipeline(service, tmp_path, engine=Stalls()).run(job.id, step)
    assert kept == ["prepare", "base", "refine"]
    assert [place.name for place in (tmp_path / "work").iterdir()] == [theirs.name]
    assert (theirs / "clip.mp4").read_bytes() == b"half of the second"
    assert service.store.get(job.id, owner=None).status is Status.RUNNING
    assert pipeline(service, tmp_path).run(job.id, plainly) == "succeeded"
    assert not list((tmp_path / "work").iterdir())  # what the second left, too


def test_what_nobody_foresaw_before_the_first_step_fails_the_job(service, tmp_path, monkeypatch):
    def broken(*_, **__):
        raise TypeError("nobody foresaw this")

    monkeypatch.setattr("happyhorse.jobs.pipeline.replan", broken)
    job = submit(service)
    assert run(service, tmp_path, job) == "failed"
    assert service.store.get(job.id, owner=None).error.message == "the engine failed (TypeError)"


def test_no_sweep_removes_what_a_job_goes_on_from_however_long_it_stands_still(service, tmp_path):
    engine, job = TwoPasses(), submit(service)

    def step(name, function):
        made = function()
        service.blobs.sweep(service.store.blobs_in_use, older_than_s=-1)
        return made

    assert pipeline(service, tmp_path, engine=engine).run(job.id, step) == "succeeded"
    assert (engine.runs, engine.refines, engine.renders) == (1, 1, 1)
    service.blobs.sweep(service.store.blobs_in_use, older_than_s=-1)
    contents = [place for place in service.blobs.older(-1) if place.parent != service.blobs.incoming]
    assert len(contents) == 2  # over: the clip and its thumbnail are left


def test_a_database_that_is_away_when_a_take_is_kept_costs_no_pass(service, tmp_path, monkeypatch):
    keep, calls = service.store.keep, []

    def away_once(job, *digests):
        calls.append(digests)
        if len(calls) == 1:
            raise sa.exc.OperationalError("UPDATE jobs", {}, OSError("the connection was closed"))
        keep(job, *digests)

    engine, job = TwoPasses(), submit(service)
    monkeypatch.setattr(service.store, "keep", away_once)
    assert run(service, tmp_path, job, engine=engine) == "succeeded"
    assert (engine.runs, engine.refines, engine.renders, len(calls)) == (1, 1, 1, 4)
