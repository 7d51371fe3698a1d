import os
import signal
import threading
import time
from functools import partial

import pytest
import sqlalchemy as sa
from rig import Command, Instant, is_alive, pipeline, plainly, submit, until

from happyhorse.db import ledger
from happyhorse.jobs.job import JobError, Status
from happyhorse.jobs.submit import Caller
from happyhorse.jobs.turns import Turns
from happyhorse.jobs.worker import Slot, Watch, Worker, WorkerRow, WorkerStore


def row(beat, state="live", name="other"):
    return WorkerRow(name, "testcard", 1, beat, state, 0.0, 0.0)


def test_a_worker_is_dead_when_its_counter_stands_still_by_the_watchers_own_clock():
    now = [0.0]
    watch = Watch(dead_s=10, clock=lambda: now[0])
    assert watch.dead([row(5)], me="me") == []
    now[0] = 9.9
    assert watch.dead([row(5)], me="me") == []
    assert watch.dead([row(6)], me="me") == []
    now[0] = 19.8
    assert watch.dead([row(6)], me="me") == []
    now[0] = 20.0
    assert watch.dead([row(6)], me="me") == ["other"]
    assert watch.dead([row(6, "dead")], me="me") == []


def test_a_worker_that_said_goodbye_is_dead_at_once_and_nobody_buries_himself():
    watch = Watch(clock=lambda: 0.0)
    assert watch.dead([row(1, "stopped"), row(1, "stopped", "me")], me="me") == ["other"]


def test_slots_are_unique_while_they_are_held_and_stable_over_time(tmp_path):
    first, second = Slot.take(tmp_path), Slot.take(tmp_path)
    assert first.name != second.name
    first.lock.close()
    assert Slot.take(tmp_path).name == first.name


def test_a_job_whose_workflow_is_gone_is_found_and_queued_again(service):
    job = submit(service)
    assert service.queue.stranded([job]) == []
    service.queue.client.delete_workflows([job.id])
    assert service.queue.stranded([job]) == [job]
    service.queue.put_again(job)
    assert service.queue.stranded([job]) == []


def test_a_job_that_waits_for_a_place_of_its_key_goes_back_into_the_queue_when_one_is_free(service):
    turns = Turns(service.store, service.queue)
    key, _ = service.keys.create("one", concurrent_jobs=1)
    running, *waiting = [submit(service, priority=n, seed=n, caller=Caller(key.id)) for n in range(3)]
    service.store.begin(running.id, "w")
    for job in waiting:
        assert service.store.begin(job.id, "w") is None
    service.queue.client.delete_workflows([job.id for job in waiting])  # as those that are over
    assert turns.mend([running, *waiting]) == []
    assert service.queue.stranded(waiting) == waiting  # there is no place yet
    service.store.fail(running.id, 1, JobError("engine_error", "no"))
    turns.next_of(key.id)
    assert service.queue.stranded(waiting) == waiting[:1]


def test_retention_removes_bytes_that_nobody_needs_and_no_others(service, tmp_path):
    kept, gone = submit(service, seed=1), submit(service, seed=2)
    for job in (kept, gone):
        pipeline(service, tmp_path).run(job.id, plainly)
    place = service.blobs.path(service.store.get(gone.id, owner=None).output["sha256"])
    service.store.delete(gone.id, owner=None)
    assert service.blobs.sweep(service.store.blobs_in_use, older_than_s=3600) == 0
    swept = service.blobs.sweep(service.store.blobs_in_use, older_than_s=-1)
    assert swept == 3  # its clip, its thumbnail, and the take that both left behind
    assert not place.exists()
    assert service.blobs.path(service.store.get(kept.id, owner=None).output["sha256"]).exists()


def test_what_the_queue_kept_of_jobs_that_are_over_is_dropped_and_nothing_else(service):
    over, waiting = submit(service, seed=1), submit(service, seed=2)
    client = service.queue.client
    client.cancel_workflow(over.id)
    service.queue.forget_over(older_than_s=3600)
    assert len(client.list_workflows(workflow_ids=[over.id, waiting.id])) == 2
    service.queue.forget_over(older_than_s=-60)
    assert [found.workflow_id for found in client.list_workflows()] == [waiting.id]


def test_what_a_killed_attempt_left_on_this_machine_goes_when_its_job_is_over(service, tmp_path):
    over, running = submit(service, seed=1), submit(service, seed=2)
    for job in (over, running):
        service.store.begin(job.id, "killed")
        (tmp_path / "work" / f"{job.id}.1").mkdir(parents=True)
        (tmp_path / "work" / f"{job.id}.1" / "clip.mp4").write_bytes(b"half")
    service.store.cancel(over.id, owner=None)
    service.store.finish_cancel(over.id)
    tidy = Worker(Instant(), service.database, tmp_path)
    tidy.sweep()
    tidy.slot.lock.close()
    assert [place.name for place in (tmp_path / "work").iterdir()] == [f"{running.id}.1"]


def test_a_stranded_job_behind_many_others_is_found(service, tmp_path, monkeypatch):
    monkeypatch.setattr("happyhorse.jobs.worker._SETTLED_S", -1.0)
    first, second, lost = (submit(service, seed=seed) for seed in range(3))
    monkeypatch.setattr(service.store, "live", partial(service.store.live, limit=1))
    service.queue.client.delete_workflows([lost.id])
    tidy = Worker(Instant(), service.database, tmp_path)
    tidy.store = service.store
    tidy.reconcile()
    tidy.slot.lock.close()
    assert service.queue.stranded([first, second, lost]) == []


def test_a_sweep_that_takes_long_does_not_stop_the_heart(service, tmp_path, monkeypatch):
    monkeypatch.setattr("happyhorse.jobs.worker.BEAT_S", 0.02)
    tidy = Worker(Instant(), service.database, tmp_path)
    swept, go_on = threading.Event(), threading.Event()

    def sweep():
        swept.set()
        assert go_on.wait(30)

    monkeypatch.setattr(tidy, "sweep", sweep)
    tending = threading.Thread(target=tidy._tend, args=("w0",))
    tending.start()
    assert swept.wait(30)
    (before,) = until(tidy.rows.list)
    until(lambda: tidy.rows.list()[0].beat > before.beat + 3, timeout_s=20)
    go_on.set()
    tidy.stopping.set()
    tending.join(20)
    tidy.slot.lock.close()


def test_a_chore_that_fails_as_nobody_foresaw_is_tried_again(service, tmp_path, monkeypatch):
    for name in ("BEAT_S", "SWEEP_S"):
        monkeypatch.setattr(f"happyhorse.jobs.worker.{name}", 0.02)
    tidy, calls = Worker(Instant(), service.database, tmp_path), []

    def sweep():
        calls.append(1)
        raise TypeError("nobody foresaw this")

    monkeypatch.setattr(tidy, "sweep", sweep)
    tidying = threading.Thread(target=tidy._tidy)
    tidying.start()
    until(lambda: len(calls) > 2, timeout_s=20)
    tidy.stopping.set()
    tidying.join(20)
    tidy.slot.lock.close()


# -- real processes ----------------------------------------------------------------------------------------------------


def worker(service, folder, *, seconds=0.0, name="worker"):
    options = (
        "--data-dir",
        folder,
        "--database-url",
        service.database.plain_url,
        "--testcard-seconds",
        seconds,
    )
    return Command("worker", "--engine", "testcard", *options, log=folder / f"{name}.log")


def status(service, job):
    return service.store.get(job.id, owner=None).status


def charges(service):
    with service.database.read() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(ledger)).scalar()


def test_a_job_whose_worker_is_killed_is_finished_by_the_next_and_charged_once(service, tmp_path):
    job = submit(service)
    first = worker(service, tmp_path, seconds=60)
    until(lambda: service.store.get(job.id, owner=None).fraction > 0)
    first.kill()
    assert status(service, job) is Status.RUNNING
    second = worker(service, tmp_path)
    until(lambda: status(service, job) is Status.SUCCEEDED)
    found = service.store.get(job.id, owner=None)
    assert (found.attempt, found.cost_micros, charges(service)) == (2, job.price_micros, 1)
    assert second.stop() == 0


def started(service, job):
    return service.store.get(job.id, owner=None).started_at


@pytest.mark.slow
def test_higher_priorities_run_first_and_no_key_waits_for_all_jobs_of_another(service, tmp_path):
    crowd = [submit(service, seed=seed, priority=seed % 3, caller=Caller("crowd")) for seed in range(6)]
    lonely = submit(service, caller=Caller("lonely"))
    running = worker(service, tmp_path)
    until(lambda: all(status(service, job) is Status.SUCCEEDED for job in (*crowd, lonely)), timeout_s=120)
    order = sorted(crowd, key=lambda job: started(service, job))
    assert [job.priority for job in order] == sorted((job.priority for job in crowd), reverse=True)
    # Each turn is a draw among the keys that wait: that it came after all others has a chance of 1 in 64.
    assert started(service, lonely) < started(service, order[-1])
    running.stop()


@pytest.mark.slow
def test_no_more_jobs_of_a_key_run_at_once_than_the_limit_says(service, tmp_path):
    service.queue.open("testcard", jobs_per_key=1)
    mine = [submit(service, seed=seed, caller=Caller("mine")) for seed in range(2)]
    processes = [worker(service, tmp_path, seconds=4, name=name) for name in ("first", "second")]
    other = submit(service, caller=Caller("other"))
    jobs, together = (*mine, other), set()

    def all_over():
        running = frozenset(job.owner for job in jobs if status(service, job) is Status.RUNNING)
        assert sum(status(service, job) is Status.RUNNING for job in mine) <= 1
        together.add(running)
        return all(status(service, job) is Status.SUCCEEDED for job in jobs)

    until(all_over, timeout_s=60)
    assert frozenset({"mine", "other"}) in together  # both workers worked
    for process in processes:
        process.stop()


@pytest.mark.slow
def test_what_waits_for_a_place_of_its_key_runs_when_one_is_free_the_higher_priority_first(service, tmp_path):
    key, _ = service.keys.create("one", concurrent_jobs=1)
    first = submit(service, caller=Caller(key.id))
    processes = [worker(service, tmp_path, seconds=1, name=name) for name in ("first", "second")]
    until(lambda: status(service, first) is Status.RUNNING)
    later = [submit(service, seed=seed, priority=seed, caller=Caller(key.id)) for seed in range(3)]
    jobs = (first, *later)

    def all_over():
        assert sum(status(service, job) is Status.RUNNING for job in jobs) <= 1
        return all(status(service, job) is Status.SUCCEEDED for job in jobs)

    began = time.monotonic()
    until(all_over, timeout_s=60)
    assert time.monotonic() - began < 25  # nobody waited for the reconciler
    assert sorted(jobs, key=lambda job: started(service, job)) == [first, *reversed(later)]
    for process in processes:
        process.stop()


@pytest.mark.slow
def test_a_dead_workers_job_is_finished_by_a_live_one_within_30_seconds(service, tmp_path):
    first = worker(service, tmp_path, seconds=60, name="first")
    job = submit(service)
    until(lambda: status(service, job) is Status.RUNNING)
    second = worker(service, tmp_path, name="second")
    until(lambda: len(WorkerStore(service.database).list()) == 2)
    time.sleep(3)
    first.kill()  # and it never comes back
    killed = time.monotonic()
    until(lambda: status(service, job) is Status.SUCCEEDED, timeout_s=30)
    assert time.monotonic() - killed < 30
    assert charges(service) == 1
    second.stop()


@pytest.mark.slow
def test_a_worker_that_slept_through_its_own_replacement_does_no_harm(service, tmp_path):
    first = worker(service, tmp_path, seconds=8, name="first")
    job = submit(service)
    until(lambda: service.store.get(job.id, owner=None).fraction > 0.1)
    second = worker(service, tmp_path, name="second")
    until(lambda: len(WorkerStore(service.database).list()) == 2)
    time.sleep(3)
    first.process.send_signal(signal.SIGSTOP)
    until(lambda: status(service, job) is Status.SUCCEEDED, timeout_s=40)
    events = service.store.get(job.id, owner=None).num_events
    first.process.send_signal(signal.SIGCONT)
    time.sleep(4)
    assert first.process.poll() is None
    assert service.store.get(job.id, owner=None).num_events == events
    assert charges(service) == 1
    later = [submit(service, seed=seed) for seed in range(3)]  # both go on working
    until(lambda: all(status(service, job) is Status.SUCCEEDED for job in later), timeout_s=90)
    for process in (first, second):
        process.stop()


@pytest.mark.slow
def test_twenty_jobs_survive_ten_kills_at_random_moments(service, tmp_path):
    jobs = [submit(service, seed=seed) for seed in range(20)]
    for number in range(10):
        running = worker(service, tmp_path, seconds=0.3, name=f"w{number}")
        time.sleep(3 + 0.37 * number % 2)
        running.kill()
    last = worker(service, tmp_path)
    until(lambda: all(status(service, job).value == "succeeded" for job in jobs), timeout_s=240)
    assert charges(service) == 20
    assert not list((tmp_path / "work").iterdir())
    last.stop()


@pytest.mark.slow
def test_a_cancel_takes_effect_within_a_step(service, tmp_path):
    running = worker(service, tmp_path, seconds=40)
    job = submit(service)
    until(lambda: service.store.get(job.id, owner=None).fraction > 0)
    asked = time.monotonic()
    service.store.cancel(job.id, owner=None)
    until(lambda: status(service, job) is Status.CANCELED, every_s=0.01)
    assert time.monotonic() - asked < 40 / 8
    following = submit(service, seed=2)
    until(lambda: status(service, following) is Status.RUNNING)
    running.stop()
    assert not is_alive(running.process.pid)
    assert os.listdir(tmp_path / "files" / "incoming") == []  # noqa: PTH208
