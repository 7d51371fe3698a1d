import contextlib
import json
import threading
import time

import pytest
import sqlalchemy as sa
from rig import Command, answers, free_port, open_service, pipeline, plainly, submit, until
from standardwebhooks import Webhook, WebhookVerificationError

from happyhorse.api.forms import forms
from happyhorse.api.links import Links
from happyhorse.db import webhooks
from happyhorse.engines.base import Progress
from happyhorse.errors import InvalidRequest, LimitExceeded, NotFound
from happyhorse.jobs import deliveries, endpoints
from happyhorse.jobs.deliveries import State
from happyhorse.jobs.dispatcher import AT_ONCE_PER_URL, PAUSES_S, Dispatcher
from happyhorse.jobs.outbound import Outbound
from happyhorse.jobs.submit import Caller
from happyhorse.jobs.webhooks import EVENTS, TERMINAL_EVENTS, Target, default_signer, signing_secret

HOST = "http://service.test"


@pytest.fixture
def local(service):
    """The service with targets on this machine allowed."""
    service.outbound.allow_local = True
    return service


@contextlib.contextmanager
def dispatching(service, **options):
    options = {"forms": forms(Links(service.secret, None)), "secret": service.secret, **options}
    running = Dispatcher(service.deliveries, service.endpoints, service.store, service.outbound, **options)
    running.start()
    try:
        yield running
    finally:
        running.stop()


def register(service, url, *, events=EVENTS, owner="local", audience=None):
    return service.endpoints.create(Target(url, HOST, events=events), owner=owner, audience=audience)


def canceled(service, **options):
    """A job that is over without any work."""
    return service.store.cancel(submit(service, **options).id, owner=None)


def log(service, **wanted):
    return service.deliveries.list(owner=None, limit=100, **wanted)[0]


def ended(service):
    return [found for found in log(service) if found.state is not State.PENDING]


def test_a_job_tells_its_own_target_and_every_endpoint_once(local, receiver, tmp_path):
    register(local, f"{receiver.url}/all", events=("running", *TERMINAL_EVENTS))
    job = submit(local, webhook=Target(f"{receiver.url}/own", HOST))
    pipeline(local, tmp_path).run(job.id, plainly)
    with dispatching(local):
        until(lambda: len(ended(local)) == 3)
    assert sorted(path for path, _, _ in receiver.came) == ["/all", "/all", "/own"]
    assert {found.state for found in log(local)} == {State.DELIVERED}
    assert len({headers["webhook-id"] for _, headers, _ in receiver.came}) == 3
    assert [found.event for found in log(local, webhook_id=None, job_id=job.id)].count("running") == 1


def test_the_signature_is_the_standards_own_and_each_target_has_its_secret(local, receiver):
    endpoint = register(local, f"{receiver.url}/all")
    job = canceled(local, webhook=Target(f"{receiver.url}/own", HOST))
    with dispatching(local):
        until(lambda: len(ended(local)) == 2)
    signers = {"/all": endpoint.id, "/own": default_signer("local")}
    for path, headers, body in receiver.came:
        told = Webhook(signing_secret(local.secret, signers[path])).verify(body, headers)
        assert (told["type"], told["data"]["id"], told["data"]["status"]) == (
            "generation.canceled",
            job.id,
            "canceled",
        )
        with pytest.raises(Exception, match="No matching signature"):
            Webhook(signing_secret(local.secret, "another")).verify(body, headers)
        with pytest.raises(Exception, match="No matching signature"):
            Webhook(signing_secret(local.secret, signers[path])).verify(body + b" ", headers)


def test_after_a_rotation_both_secrets_sign_for_a_day_and_then_the_new_one_alone(local, receiver):
    endpoint = register(local, receiver.url)
    first, second, third = (signing_secret(local.secret, endpoint.id, number) for number in (1, 2, 3))
    assert len({first, second, third}) == 3
    local.endpoints.rotate(endpoint.id, owner="local")

    def signers():
        """Which secrets the next message verifies with."""
        receiver.came.clear()
        canceled(local)
        until(lambda: receiver.came)
        _, headers, body = receiver.came[0]
        found = []
        for secret in (first, second, third):
            with contextlib.suppress(WebhookVerificationError):
                Webhook(secret).verify(body, headers)
                found.append(secret)
        return found

    with dispatching(local):
        assert signers() == [first, second]
        local.endpoints.rotate(endpoint.id, owner="local")
        assert signers() == [second, third]
        with local.database.write() as connection:
            connection.execute(
                sa.update(webhooks).values(rotated_at=webhooks.c.rotated_at - endpoints.OVERLAP_S)
            )
        assert signers() == [third]
    with pytest.raises(NotFound):
        local.endpoints.rotate(endpoint.id, owner="another")


def test_links_in_a_message_lead_to_the_address_that_was_submitted_to(local, receiver, tmp_path):
    job = submit(local, webhook=Target(receiver.url, "https://clips.test/base"))
    pipeline(local, tmp_path).run(job.id, plainly)
    with dispatching(local):
        until(lambda: receiver.came)
    assert (
        f'"https://clips.test/base/v1/generations/{job.id}/content?expires=' in receiver.came[0][2].decode()
    )


def test_a_failed_try_is_repeated_under_the_same_id_with_the_same_body(local, receiver):
    receiver.script = [500, 302, 404]
    canceled(local, webhook=Target(receiver.url, HOST))
    with dispatching(local, pauses_s=(0.01,) * 5):
        (found,) = until(lambda: ended(local))
    assert (found.state, found.tries) == (State.DELIVERED, 4)
    assert [one.status for one in local.deliveries.tries(found.id)] == [500, 302, 404, 204]
    assert {path for path, _, _ in receiver.came} == {"/"}  # a redirect is not followed
    assert len({(headers["webhook-id"], body) for _, headers, body in receiver.came}) == 1


def test_what_no_try_delivers_is_a_dead_letter_and_can_be_replayed(local, receiver):
    receiver.script = [503] * 3
    canceled(local, webhook=Target(receiver.url, HOST))
    with dispatching(local, pauses_s=(0.01, 0.01)):
        (dead,) = until(lambda: log(local, state=State.DEAD))
        assert len(receiver.came) == 3
        local.deliveries.replay(dead.id, owner="local")
        (again,) = until(lambda: log(local, state=State.DELIVERED))
    assert (again.id, again.tries) == (dead.id, 1)
    assert len({headers["webhook-id"] for _, headers, _ in receiver.came}) == 1
    assert len(local.deliveries.tries(dead.id)) == 4
    with pytest.raises(NotFound):
        local.deliveries.replay(dead.id, owner="another")


def test_the_tries_fill_a_day_and_no_more():
    assert 22 * 3600 < sum(PAUSES_S) < 24 * 3600
    assert list(PAUSES_S) == sorted(PAUSES_S)


def test_progress_is_told_at_most_twice_a_second_and_once(local, receiver):
    receiver.script = [500]
    job = submit(local, webhook=Target(receiver.url, HOST, events=("progress",)))
    local.store.begin(job.id, "w")
    for step in range(1, 9):
        local.store.progress(job.id, 1, Progress("base", step, 8, step / 10))
    (waiting,) = log(local)
    assert waiting.due_at - waiting.created_at == pytest.approx(0.5)
    with dispatching(local):
        until(lambda: log(local) == [])  # though it was refused, nothing of it stays
        local.store.progress(job.id, 1, Progress("decode", 1, 8, 0.9))
        until(lambda: len(receiver.came) == 2)
    told = [json.loads(body) for _, _, body in receiver.came]
    assert {one["type"] for one in told} == {"generation.progress"}
    assert [one["data"]["progress"]["percent"] for one in told] == [80.0, 90.0]  # as it was when it was sent


def test_an_answer_that_does_not_come_is_a_failed_try(local, receiver, monkeypatch):
    monkeypatch.setattr("happyhorse.jobs.dispatcher.TRY_S", 0.2)
    receiver.wait_s = 0.6
    canceled(local, webhook=Target(receiver.url, HOST))
    canceled(local, webhook=Target("http://127.0.0.1:1/", HOST))
    with dispatching(local, pauses_s=()):
        until(lambda: len(ended(local)) == 2)
    errors = {found.url: local.deliveries.tries(found.id)[0].error for found in log(local)}
    assert errors == {receiver.url: "no answer within 0.2 s", "http://127.0.0.1:1/": "the connection failed"}


def test_a_delivery_whose_sender_died_is_sent_by_another(local, receiver):
    canceled(local, webhook=Target(receiver.url, HOST))
    (seen,) = local.deliveries.due(limit=9)
    claimed = local.deliveries.claim(seen, seconds=0.2)
    assert local.deliveries.claim(seen, seconds=9) is None
    assert local.deliveries.due(limit=9) == []
    with dispatching(local):
        until(lambda: ended(local))
    late = deliveries.Try(time.time(), 1.0, 500)
    local.deliveries.record(claimed, late, state=State.PENDING, due_at=0.0)  # it only slept
    assert log(local)[0].state is State.DELIVERED


def test_a_slow_receiver_does_not_hold_up_the_others(local, receiver):
    receiver.wait_s = 1.0
    for seed in range(2 * AT_ONCE_PER_URL):
        canceled(local, seed=seed, webhook=Target(receiver.url, HOST))
    canceled(local, webhook=Target("http://127.0.0.1:1/", HOST))
    with dispatching(local, pauses_s=()):
        until(lambda: log(local, state=State.DEAD), timeout_s=0.9)
        assert len(receiver.came) == AT_ONCE_PER_URL


def test_a_form_that_fails_ends_as_a_dead_letter(local, receiver):
    canceled(local, webhook=Target(receiver.url, HOST, form="unheard-of"))
    with dispatching(local, pauses_s=(0.01,)):
        (dead,) = until(lambda: log(local, state=State.DEAD))
    assert local.deliveries.tries(dead.id)[0].error == "the server could not make the message"
    assert receiver.came == []


def test_what_waits_is_told_even_when_its_job_was_deleted_after_the_first_try(local, receiver):
    receiver.script = [500]
    first = canceled(local, webhook=Target(receiver.url, HOST))
    with dispatching(local, pauses_s=(0.2,)):
        until(lambda: receiver.came)
        until(lambda: local.deliveries.tries(log(local)[0].id))
        local.store.delete(first.id, owner=None)
        until(lambda: ended(local))
    assert log(local)[0].state is State.DELIVERED
    never = canceled(local, webhook=Target(receiver.url, HOST))
    local.store.delete(never.id, owner=None)
    with dispatching(local):
        (dead,) = until(lambda: log(local, state=State.DEAD))
    assert "was deleted" in local.deliveries.tries(dead.id)[0].error


def test_deleting_a_job_deletes_what_was_told_of_it(local, receiver):
    job = canceled(local, webhook=Target(receiver.url, HOST))
    with dispatching(local):
        (found,) = until(lambda: ended(local))
    local.store.delete(job.id, owner=None)
    assert log(local) == []
    assert local.deliveries.tries(found.id) == []


def test_the_log_is_kept_for_a_week(local, receiver, monkeypatch):
    canceled(local, webhook=Target(receiver.url, HOST))
    with dispatching(local):
        until(lambda: ended(local))
    waiting = canceled(local, webhook=Target(receiver.url, HOST))
    assert local.deliveries.forget_old() == 0
    monkeypatch.setattr(deliveries, "KEPT_S", -1.0)
    assert local.deliveries.forget_old() == 1
    assert [found.job_id for found in log(local)] == [waiting.id]


def test_an_endpoint_hears_of_its_own_jobs_and_an_admins_of_all(service):
    service.outbound.resolve = lambda host, port: ["93.184.216.34"]
    mine = register(service, "https://a.test/", owner="key-1", audience="key-1", events=("canceled",))
    every = register(service, "https://b.test/", owner="key-2", audience=None, events=("canceled",))
    canceled(service, caller=Caller("key-1"))
    canceled(service, caller=Caller("key-3"))
    assert [found.webhook_id for found in log(service)].count(mine.id) == 1
    assert [found.webhook_id for found in log(service)].count(every.id) == 2
    service.endpoints.delete(every.id, owner="key-2")
    canceled(service, caller=Caller("key-3"))
    assert len(log(service)) == 3
    with pytest.raises(NotFound):
        service.endpoints.get(mine.id, owner="key-2")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://2130706433/", "http://[::ffff:10.0.0.1]/", "http://169.254.169.254/latest",
        "http://localhost:8000/", "ftp://example.com/", "http://user@example.com/", "javascript:alert(1)", "", "http://a b/",
    ],
)  # fmt: skip
def test_a_target_inside_is_refused_when_it_is_named(service, url):
    with pytest.raises(InvalidRequest, match="webhook_url: ") as caught:
        submit(service, webhook=Target(url, HOST))
    assert caught.value.field == "webhook_url"
    with pytest.raises(InvalidRequest):
        register(service, url)
    assert log(service) == []


def test_a_target_that_turns_inside_later_is_not_connected(service, receiver):
    service.outbound.resolve = lambda host, port: ["93.184.216.34"]
    canceled(service, webhook=Target(receiver.url.replace("127.0.0.1", "rebinding.test"), HOST))
    service.outbound.resolve = lambda host, port: ["127.0.0.1"]
    with dispatching(service, pauses_s=()):
        (dead,) = until(lambda: log(service, state=State.DEAD))
    assert service.deliveries.tries(dead.id)[0].error == "the address leads to an address that is not public"
    assert receiver.came == []


def test_a_name_that_does_not_resolve_yet_may_be_a_target(service):
    def nowhere(host, port):
        raise OSError("no such name")

    service.submitter.outbound = Outbound(resolve=nowhere)
    assert submit(service, webhook=Target("https://soon.test/", HOST)).webhook["url"] == "https://soon.test/"


def test_a_retry_tells_the_target_of_its_first_job(local, receiver):
    job = canceled(local, webhook=Target(receiver.url, HOST, events=("running",)))
    again = local.submitter.retry(job.id, owner="local")
    assert again.webhook == job.webhook
    assert log(local) == []  # a cancel was not asked for


def test_only_so_many_endpoints_are_kept(local, monkeypatch):
    monkeypatch.setattr(endpoints, "MAX_ENDPOINTS", 1)
    register(local, "http://127.0.0.1/")
    with pytest.raises(LimitExceeded, match="the most that are kept"):
        register(local, "http://127.0.0.1/")
    register(local, "http://127.0.0.1/", owner="another")
    with pytest.raises(InvalidRequest, match="events must be some of running"):
        register(local, "http://127.0.0.1/", owner="third", events=("born",))


def test_two_api_processes_on_one_database_sign_alike(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = open_service(tmp_path / "a")
    second = open_service(tmp_path / "b", first.database.url)
    assert first.secret == second.secret
    assert len(first.secret) == 64
    first.close()
    second.close()


@pytest.mark.slow
def test_a_kill_between_the_end_of_a_job_and_its_delivery_loses_nothing(
    service, receiver, tmp_path, monkeypatch
):
    """The worker dies after the commit, the API while the receiver reads: the message comes again under its id."""
    monkeypatch.setenv("HAPPYHORSE_ALLOW_LOCAL_URLS", "1")
    service.outbound.allow_local = True
    canceled(service, webhook=Target(receiver.url, HOST))
    assert receiver.came == []
    receiver.wait_s = 5.0
    port = free_port()
    options = ("--engine", "testcard", "--no-worker", "--data-dir", tmp_path, "--port", port)
    url = ("--database-url", service.database.plain_url)
    first = Command("serve", *options, *url, log=tmp_path / "api.log")
    until(lambda: receiver.came)
    first.kill()
    receiver.wait_s = 0.0
    second = Command("serve", *options, *url, log=tmp_path / "api.log")
    until(lambda: answers(f"http://127.0.0.1:{port}"))
    until(lambda: ended(service))
    assert len(receiver.came) == 2
    assert len({(headers["webhook-id"], body) for _, headers, body in receiver.came}) == 1
    second.stop()


def test_an_address_with_letters_outside_of_ascii_is_told(local, receiver):
    canceled(local, webhook=Target(f"{receiver.url}/ä", HOST))
    with dispatching(local):
        until(lambda: ended(local))
    assert [path for path, _, _ in receiver.came] == ["/%C3%A4"]


def test_what_nobody_foresaw_while_sending_was_a_try_and_does_not_repeat_for_ever(local, monkeypatch):
    def broken(*_, **__):
        raise TypeError("nobody foresaw this")

    monkeypatch.setattr(local.outbound, "open", broken)
    canceled(local, webhook=Target("https://receiver.test/hook", HOST))
    with dispatching(local, pauses_s=(0.01,)):
        until(lambda: ended(local))
    (delivery,) = log(local)
    assert delivery.state is State.DEAD
    assert [one.error for one in local.deliveries.tries(delivery.id)] == ["the server could not send it"] * 2


def test_a_moment_without_threads_ends_nothing(local, receiver, monkeypatch):
    failed, start = [], threading.Thread.start

    def first_fails(thread):
        if thread.name.startswith("msg_") and not failed:
            failed.append(thread.name)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr("happyhorse.jobs.dispatcher.CLAIM_S", 0.2)
    monkeypatch.setattr(threading.Thread, "start", first_fails)
    canceled(local, webhook=Target(receiver.url, HOST))
    with dispatching(local) as running:
        until(lambda: failed and ended(local))
        until(lambda: not running._sending)
    assert [found.state for found in log(local)] == [State.DELIVERED]


def test_nothing_is_told_of_the_progress_of_what_is_over(local, receiver, tmp_path):
    job = submit(local, webhook=Target(receiver.url, HOST, events=("progress", "succeeded")))
    pipeline(local, tmp_path).run(job.id, plainly)
    assert [found.event for found in log(local)] == ["succeeded"]
