"""A host that is slow keeps no caller waiting: the job is there, and its worker fetches, checks and decides."""

import threading
import time

import numpy as np
import pytest
from rig import SlowHost, pipeline, plainly, png, submit

from happyhorse.errors import MediaError
from happyhorse.jobs import inputs
from happyhorse.jobs.fetch import Fetcher
from happyhorse.jobs.outbound import Outbound
from happyhorse.media.write import encode


@pytest.fixture
def slow(service, monkeypatch):
    """Makes slow hosts of this machine, which the service may ask."""
    service.uploads.fetcher = Fetcher(Outbound(allow_local=True))
    monkeypatch.setattr(inputs, "SOON_S", 0.2)
    hosts = []

    def make(data):
        hosts.append(SlowHost(data))
        return hosts[-1]

    yield make
    for host in hosts:
        host.close()


def video(folder, seconds):
    frames = [np.full((360, 640, 3), 90, np.uint8)] * (25 * seconds)
    encode(folder / "source.mp4", frames, size=(640, 360), audio=None, metadata={})
    return (folder / "source.mp4").read_bytes()


def current(service, job):
    return service.store.get(job.id, owner=None)


def test_a_slow_picture_is_fetched_by_the_worker_and_decides_the_ratio(service, slow, tmp_path):
    host = slow(png((600, 600)))
    job = submit(service, image=host.url, seed=None)
    assert (job.media, job.plan["image"], job.plan["ratio"]) == ({}, None, "16:9")
    (note,) = (note for note in job.plan["notes"] if "has not come yet" in note)
    assert note.startswith(f"image: '{host.url.partition('?')[0]}'")
    host.open.set()
    assert pipeline(service, tmp_path).run(job.id, plainly) == "succeeded"
    done = current(service, job)
    assert (done.plan["ratio"], done.output["ratio"], done.plan["image"]["width"]) == ("1:1", "1:1", 600)
    assert (done.plan["seed"], done.output["seed"]) == (job.plan["seed"], job.plan["seed"])
    assert (done.cost_micros, done.price_micros) == (job.price_micros, job.price_micros)
    assert not any("has not come yet" in note for note in done.plan["notes"])
    assert service.store.blobs_in_use([done.plan["image"]["sha256"]])


def test_an_edit_of_a_slow_video_costs_at_most_what_its_longest_would_and_is_charged_by_its_own_length(
    service, slow, tmp_path
):
    host = slow(video(tmp_path, 3))
    job = submit(service, video=host.url, prompt="Make the mat blue.", resolution="720P", draft=False)
    assert (job.price_micros, job.plan["billed_seconds"]) == (30 * 182_000, 30)
    host.open.set()
    assert pipeline(service, tmp_path).run(job.id, plainly) == "succeeded"
    done = current(service, job)
    assert (done.cost_micros, done.plan["price_usd"], done.output["billed_seconds"]) == (
        6 * 182_000,
        1.092,
        6,
    )
    (line,) = service.store.ledger.usage(owner=None, since=0, until=1e12)
    assert (line.seconds, line.usd) == (6, 1.092)


@pytest.mark.parametrize(
    ("data", "message"), [(png((100, 100)), "both sides must be at least 300"), (b"<html>", "image")]
)
def test_what_is_wrong_with_a_slow_picture_fails_the_job_under_its_field(
    service, slow, tmp_path, data, message
):
    host = slow(data)
    job = submit(service, image=host.url)
    host.open.set()
    assert pipeline(service, tmp_path).run(job.id, plainly) == "failed"
    error = current(service, job).error
    assert (error.code, error.field) == ("invalid_media", "image")
    assert message in error.message
    assert "secret" not in error.message


def test_a_host_that_never_answers_fails_the_job_and_a_retry_asks_it_again(
    service, slow, tmp_path, monkeypatch
):
    monkeypatch.setattr(inputs, "MAX_S", 0.3)
    host = slow(png())
    job = submit(service, image=host.url)
    assert pipeline(service, tmp_path).run(job.id, plainly) == "failed"
    error = current(service, job).error
    assert (error.code, error.retryable, error.field) == ("invalid_media", True, "image")
    assert "took longer than 0.3 s" in error.message
    host.open.set()
    again = service.submitter.retry(job.id, owner="local")
    assert pipeline(service, tmp_path).run(again.id, plainly) == "succeeded"


def test_a_name_that_takes_long_to_look_up_keeps_no_caller_waiting(service, slow):
    def resolve(_host, _port):
        time.sleep(3)
        return ["127.0.0.1"]

    service.uploads.fetcher = Fetcher(Outbound(allow_local=True, resolve=resolve))
    began = time.monotonic()
    assert submit(service, image="http://slow.test/a.png").media == {}
    assert time.monotonic() - began < 2


def test_what_can_be_said_at_once_is_said_at_once(service, slow, monkeypatch):
    host = slow(png((100, 100)))
    with pytest.raises(MediaError, match="references"):
        submit(service, references=[host.url, "data:image/png;base64,AAAA"])
    host.open.set()
    monkeypatch.setattr(inputs, "SOON_S", 20)
    with pytest.raises(MediaError, match="both sides must be at least 300"):
        submit(service, image=host.url)


def test_a_cancel_does_not_wait_for_a_slow_host(service, slow, tmp_path):
    job = submit(service, image=slow(png()).url)
    threading.Timer(0.5, lambda: service.store.cancel(job.id, owner=None)).start()
    began = time.monotonic()
    assert pipeline(service, tmp_path).run(job.id, plainly) == "canceled"
    assert time.monotonic() - began < 3
    assert current(service, job).stage == "prepare"


def test_a_kill_after_a_slow_input_was_fetched_fetches_nothing_again(service, slow, tmp_path):
    host, kept = slow(png((600, 600))), {}
    job = submit(service, image=host.url)
    host.open.set()

    def step(name, function):
        if name == "base" and "killed" not in kept:
            kept["killed"] = True
            raise KeyboardInterrupt
        if name not in kept:
            kept[name] = function()
        return kept[name]

    runner = pipeline(service, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        runner.run(job.id, step)
    host.close()
    assert runner.run(job.id, step) == "succeeded"
    assert current(service, job).output["ratio"] == "1:1"
