import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from rig import SMALL, open_service, submit

from happyhorse.db import Database, events, jobs, ledger, metadata, sqlite_url
from happyhorse.engines.base import Progress
from happyhorse.errors import Conflict, InvalidRequest, LimitExceeded, NotFound
from happyhorse.jobs.job import JobError, NewJob, Status
from happyhorse.jobs.reader import Filter
from happyhorse.jobs.submit import Caller

OUTPUT = {"sha256": "a" * 64, "thumbnail": "b" * 64}
HALF = Progress("base", 4, 8, 0.5, 1.0)


def count(service, table, **where):
    query = sa.select(sa.func.count()).select_from(table)
    for name, value in where.items():
        query = query.where(table.c[name] == value)
    with service.database.read() as connection:
        return connection.execute(query).scalar()


def test_the_migrations_make_exactly_the_tables_of_the_code(tmp_path):
    database = Database.open(sqlite_url(tmp_path))
    Database.open(sqlite_url(tmp_path)).close()  # a second time changes nothing
    with database.write() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def test_a_job_goes_its_way_and_is_charged_once(service):
    job = submit(service)
    assert (job.status, job.num_events, job.cost_micros) == (Status.QUEUED, 1, 0)
    begun = service.store.begin(job.id, "w")
    assert (begun.status, begun.attempt) == (Status.RUNNING, 1)
    assert service.store.progress(job.id, 1, HALF) is Status.RUNNING
    done = service.store.succeed(job.id, 1, OUTPUT)
    assert (done.status, done.cost_micros) == (Status.SUCCEEDED, job.price_micros)
    assert service.store.succeed(job.id, 1, OUTPUT) is None
    assert [event.type for event in service.store.events.of(job.id)] == [
        "queued",
        "running",
        "progress",
        "succeeded",
    ]
    assert [event.number for event in service.store.events.of(job.id)] == [1, 2, 3, 4]
    assert count(service, ledger, job_id=job.id, micros=job.price_micros) == 1


def test_what_a_reader_sees_of_progress_never_goes_back_when_another_worker_begins_again(service):
    job = submit(service)
    service.store.begin(job.id, "first")
    service.store.progress(job.id, 1, HALF)
    service.store.begin(job.id, "second")
    seen = []
    for step, fraction in ((0, 0.0), (3, 0.4), (5, 0.625)):
        service.store.progress(job.id, 2, replace(HALF, step=step, fraction=fraction))
        found = service.store.get(job.id, owner=None)
        seen.append((found.step, found.fraction))
    assert seen == [(0, 0.5), (3, 0.5), (5, 0.625)]
    told = [event.data["fraction"] for event in service.store.events.of(job.id) if event.type == "progress"]
    assert told == [0.5, 0.5, 0.5, 0.625]


def test_a_preview_goes_with_the_news_of_progress_as_a_data_url(service):
    job = submit(service)
    running = service.store.begin(job.id, "w0")
    service.store.progress(job.id, running.attempt, replace(HALF, preview=b"jpeg"))
    service.store.progress(job.id, running.attempt, HALF)
    news = [event.data for event in service.store.events.of(job.id, after=0) if event.type == "progress"]
    assert [data.get("preview") for data in news] == ["data:image/jpeg;base64,anBlZw==", None]
    service.store.succeed(job.id, running.attempt, OUTPUT)
    after = [event.data for event in service.store.events.of(job.id) if event.type == "progress"]
    assert after == [{name: value for name, value in data.items() if name != "preview"} for data in news]


def test_what_is_not_over_at_its_time_is_canceled(service):
    late, begun, done, patient = (
        submit(service, seed=seed, cancel_after_s=after) for seed, after in enumerate((0, 0, 0, 600))
    )
    for job in (begun, done):
        service.store.begin(job.id, "w")
    service.store.succeed(done.id, 1, OUTPUT)
    service.store.cancel_overdue()
    found = [service.store.get(job.id, owner=None).status for job in (late, begun, done, patient)]
    assert found == [Status.CANCELED, Status.CANCELING, Status.SUCCEEDED, Status.QUEUED]


def test_a_worker_that_was_replaced_changes_nothing(service):
    job = submit(service)
    service.store.begin(job.id, "stalled")
    service.store.begin(job.id, "fresh")
    assert service.store.progress(job.id, 1, HALF) is None
    assert service.store.status(job.id, 1) is None
    assert service.store.succeed(job.id, 1, OUTPUT) is None
    assert service.store.fail(job.id, 1, JobError("engine_error", "no")) is None
    assert count(service, ledger) == 0
    assert service.store.succeed(job.id, 2, OUTPUT).worker == "fresh"


def test_what_is_over_never_changes(service):
    job = submit(service)
    service.store.begin(job.id, "w")
    service.store.fail(job.id, 1, JobError("engine_error", "no"))
    before = service.store.get(job.id, owner=None)
    assert service.store.begin(job.id, "w") is None
    assert service.store.progress(job.id, 1, HALF) is None
    assert service.store.succeed(job.id, 1, OUTPUT) is None
    assert service.store.finish_cancel(job.id) is None
    with pytest.raises(Conflict, match="failed and can no longer be canceled"):
        service.store.cancel(job.id, owner=None)
    assert service.store.get(job.id, owner=None) == before
    assert count(service, ledger) == 0


def test_a_waiting_job_is_canceled_at_once_and_a_running_one_by_its_worker(service):
    waiting, running = submit(service), submit(service)
    assert service.store.cancel(waiting.id, owner="local").status is Status.CANCELED
    assert service.store.begin(waiting.id, "w") is None
    service.store.begin(running.id, "w")
    assert service.store.cancel(running.id, owner="local").status is Status.CANCELING
    assert service.store.cancel(running.id, owner="local").status is Status.CANCELING
    assert service.store.progress(running.id, 1, HALF) is Status.CANCELING
    assert service.store.succeed(running.id, 1, OUTPUT) is None
    assert service.store.finish_cancel(running.id).status is Status.CANCELED
    assert count(service, ledger) == 0


def test_a_cancel_that_meets_a_worker_just_taking_the_job_is_kept(service):
    job = submit(service)
    with ThreadPoolExecutor(1) as pool:
        with service.database.write() as connection:  # the worker has not committed yet
            taken = sa.update(jobs).where(jobs.c.id == job.id).values(status="running", attempt=1)
            connection.execute(taken)
            canceled = pool.submit(service.store.cancel, job.id, owner="local")
            time.sleep(0.3)
        assert canceled.result(20).status is Status.CANCELING


def test_a_cancel_that_no_worker_lives_to_see_ends_and_one_that_some_worker_will_see_does_not(service):
    alone, tended = submit(service, seed=1), submit(service, seed=2)
    for job, name in ((alone, "gone"), (tended, "here")):
        service.store.begin(job.id, name)
        service.store.cancel(job.id, owner=None)
    service.workers.beat("gone", "testcard", state="live")
    service.workers.set_state("gone", "stopped")
    service.workers.beat("here", "testcard", state="live")
    for _ in range(2):
        service.store.finish_abandoned_cancels(lambda: {worker.id for worker in service.workers.live()})
    assert service.store.get(alone.id, owner=None).status is Status.CANCELED
    assert service.store.get(tended.id, owner=None).status is Status.CANCELING
    assert [event.type for event in service.store.events.of(alone.id)].count("canceled") == 1
    assert service.store.begin(alone.id, "gone") is None  # the worker that comes back finds nothing to do


def test_a_cancel_that_the_dead_worker_missed_is_kept_by_the_next(service):
    job = submit(service)
    service.store.begin(job.id, "w")
    service.store.cancel(job.id, owner=None)
    assert service.store.begin(job.id, "next") is None
    assert service.store.get(job.id, owner=None).status is Status.CANCELED


def test_the_same_key_makes_the_same_job_and_another_request_is_refused(service):
    first = submit(service, idempotency_key="k")
    assert submit(service, idempotency_key="k").id == first.id
    with pytest.raises(Conflict, match="was used for another request"):
        submit(service, idempotency_key="k", duration=4)
    assert submit(service, idempotency_key="k", caller=Caller("another")).id != first.id
    assert count(service, jobs) == 2


def test_twenty_callers_with_one_key_at_once_make_one_job(service):
    with ThreadPoolExecutor(20) as pool:
        made = set(pool.map(lambda _: submit(service, idempotency_key="k").id, range(20)))
    assert len(made) == 1
    assert count(service, jobs) == 1


def test_a_resend_that_overtakes_its_first_gets_its_job_though_that_reached_the_limit(service):
    key, _ = service.keys.create("ci", spend_limit_usd=0.3)  # one clip of 0.273
    first = submit(service, caller=Caller(key.id), idempotency_key="k")
    new = NewJob(
        owner=key.id, engine="testcard", mode="t2v", request=first.request, plan=first.plan, media={}, metadata={},
        price_micros=first.price_micros, request_hash=_hash_of(service, first), idempotency_key="k",
    )  # fmt: skip
    # As a second process does that had looked for the key before the first one stored its job.
    assert service.store.create(new, service.queue.put).id == first.id
    with pytest.raises(LimitExceeded):
        service.store.create(replace(new, idempotency_key="other"), service.queue.put)


def _hash_of(service, job):
    query = sa.select(jobs.c.request_hash).where(jobs.c.id == job.id)
    with service.database.read() as connection:
        return connection.execute(query).scalar()


def test_a_job_is_not_stored_when_it_cannot_be_queued(service):
    def broken(connection, job):
        raise RuntimeError("no queue")

    service.submitter.queue = type("Broken", (), {"put": staticmethod(broken)})()
    with pytest.raises(RuntimeError):
        submit(service)
    assert (count(service, jobs), count(service, events)) == (0, 0)


def test_many_finishers_at_once_charge_each_job_once(service):
    made = [submit(service, seed=seed) for seed in range(10)]
    for job in made:
        service.store.begin(job.id, "w")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda job: service.store.succeed(job.id, 1, OUTPUT), made * 4))
    lines = service.store.ledger.usage(owner=None, since=0, until=time.time() + 1)
    assert sum(line.jobs for line in lines) == 10
    assert sum(line.usd for line in lines) == pytest.approx(10 * made[0].price_micros / 1e6)


def test_the_published_prices_are_charged(service):
    ten = {"duration": 10, "draft": False}
    assert submit(service, **ten, resolution="720P").price_micros == 1_820_000
    assert submit(service, **ten, resolution="1080P").price_micros == 3_120_000
    assert submit(service, **ten, resolution="720P", no_audio=True).price_micros == 1_820_000


def test_a_spend_limit_counts_what_is_on_its_way_and_holds_under_concurrency(service):
    key, _ = service.keys.create("poor", spend_limit_usd=3 * 0.273)
    caller = Caller(key.id)
    with ThreadPoolExecutor(8) as pool:

        def attempt(seed):
            try:
                return submit(service, caller=caller, seed=seed)
            except LimitExceeded as err:
                return err

        results = list(pool.map(attempt, range(12)))
    refused = [result for result in results if isinstance(result, LimitExceeded)]
    assert len(refused) == 9
    told = "this job costs 0.273 USD, and the key's limit of 0.819 USD leaves 0.000: 0.000 are spent, 0.819 on their way"
    assert refused[0].message == told
    assert not refused[0].retryable  # no time lifts it


def test_a_daily_spend_limit_is_lifted_at_midnight(service):
    key, _ = service.keys.create("daily", daily_spend_limit_usd=0.3, spend_limit_usd=0.6)
    job = submit(service, caller=Caller(key.id))
    with pytest.raises(
        LimitExceeded, match=r"limit of 0.300 USD a day \(UTC\) leaves 0.027: 0.000 are spent, 0.273 on"
    ):
        submit(service, caller=Caller(key.id))
    service.store.begin(job.id, "w")
    service.store.succeed(job.id, 1, OUTPUT)
    with pytest.raises(LimitExceeded, match=r"0.273 are spent, 0.000 on their way") as caught:
        submit(service, caller=Caller(key.id))
    midnight = 86_400 - time.time() % 86_400
    assert caught.value.retry_after_s == pytest.approx(midnight, abs=5)
    assert caught.value.retryable
    with service.database.write() as connection:
        connection.execute(sa.update(ledger).values(at=ledger.c.at - 86_400))
    second = submit(service, caller=Caller(key.id))
    service.store.cancel(second.id, owner=None)
    submit(service, caller=Caller(key.id))  # what was canceled counts nowhere


def test_a_retry_counts_against_the_limit_of_the_jobs_own_key(service):
    key, _ = service.keys.create("poor", spend_limit_usd=0.3)
    first = submit(service, caller=Caller(key.id))
    service.store.cancel(first.id, owner=None)
    submit(service, caller=Caller(key.id))
    with pytest.raises(LimitExceeded):
        service.submitter.retry(first.id, owner=None)


def test_no_more_jobs_of_a_key_begin_than_it_may_run_at_once(service):
    key, _ = service.keys.create("two", concurrent_jobs=2)
    mine = [submit(service, seed=seed, caller=Caller(key.id)) for seed in range(6)]
    with ThreadPoolExecutor(6) as pool:
        begun = [job for job in pool.map(lambda job: service.store.begin(job.id, "w"), mine) if job]
    assert len(begun) == 2
    assert service.store.free_places(key.id) == 0
    assert (
        service.store.begin(begun[0].id, "next").attempt == 2
    )  # what runs is not held up when its worker dies
    assert service.store.begin(submit(service).id, "w").status is Status.RUNNING
    service.store.cancel(begun[0].id, owner=None)
    assert service.store.free_places(key.id) == 0  # its worker has not stopped yet
    service.store.finish_cancel(begun[0].id)
    assert service.store.free_places(key.id) == 1
    waiting = service.store.waiting(key.id)
    assert service.store.begin(waiting[0].id, "w").status is Status.RUNNING

    job = submit(service)
    for call in (service.store.get, service.store.cancel, service.store.delete):
        with pytest.raises(NotFound):
            call(job.id, owner="another")
    assert service.store.get(job.id, owner="local").status is Status.QUEUED
    assert service.store.list(Filter(owner="another"))[0] == []


def test_pages_run_from_new_to_old_without_gap_or_repeat(service):
    made = [submit(service, seed=seed, metadata={"n": str(seed % 2)}).id for seed in range(7)]
    found, cursor = [], None
    while True:
        page, cursor = service.store.list(Filter(), limit=3, after=cursor)
        found += [job.id for job in page]
        if cursor is None:
            break
    assert sorted(found) == sorted(made)
    assert found == sorted(found, reverse=True)
    odd, _ = service.store.list(Filter(metadata={"n": "1"}))
    assert {job.id for job in odd} == {made[1], made[3], made[5]}
    assert service.store.list(Filter(status=Status.RUNNING))[0] == []


@pytest.mark.parametrize(
    "name", ["n", "", 'a"b', "a\\b", "a\\", "é", "a.b", "[0]", "$", "'", "%", "x\ny", "\U0001f40e"]
)
def test_metadata_of_any_name_is_found(service, name):
    made = submit(service, metadata={name: "1", "other": "2"})
    submit(service, seed=1, metadata={"other": "1"})
    found = [job.id for job in service.store.list(Filter(metadata={name: "1"}))[0]]
    assert found == [made.id]
    assert service.store.list(Filter(metadata={name: "2"}))[0] == []


def test_a_job_is_forgotten_after_its_time_and_its_charge_is_not(tmp_path):
    service = open_service(tmp_path, retention_s=0.05)
    job = submit(service)
    service.store.begin(job.id, "w")
    service.store.succeed(job.id, 1, OUTPUT)
    time.sleep(0.06)
    waiting = submit(service)
    assert service.store.forget_expired() == 1
    with pytest.raises(NotFound):
        service.store.get(job.id, owner=None)
    assert count(service, events, job_id=job.id) == 0
    assert count(service, ledger, job_id=job.id) == 1
    assert service.store.get(waiting.id, owner=None).status is Status.QUEUED
    service.close()


def test_without_a_retention_everything_is_kept(service):
    job = submit(service)
    service.store.begin(job.id, "w")
    assert service.store.succeed(job.id, 1, OUTPUT).expires_at is None
    assert service.store.forget_expired() == 0
    assert service.uploads.forget_expired() == 0
    assert service.store.get(job.id, owner=None).status is Status.SUCCEEDED


def test_a_running_job_cannot_be_deleted(service):
    job = submit(service)
    with pytest.raises(Conflict, match="cancel it before"):
        service.store.delete(job.id, owner=None)
    service.store.cancel(job.id, owner=None)
    service.store.delete(job.id, owner=None)
    assert count(service, jobs) == 0


def test_a_request_that_cannot_run_is_not_stored(service):
    for wrong in (
        {"duration": 99},
        {"engine": "nano"},
        {"image": "/etc/passwd"},
        {"image": "http://127.0.0.1/a.png"},
    ):
        with pytest.raises(InvalidRequest):
            submit(service, **wrong)
    assert count(service, jobs) == 0
    assert SMALL["seed"] == submit(service).plan["seed"]
