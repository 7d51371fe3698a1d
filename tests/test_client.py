import asyncio

import httpx
import pytest
from rig import PROMPT, listening, open_service, png, until, working

from happyhorse.client import AsyncClient, Client, Unreachable
from happyhorse.errors import Canceled, Conflict, InvalidRequest, MediaError, NotFound, Unauthenticated
from happyhorse.media.read import probe

SMALL = {"duration": 3, "resolution": "480P", "draft": True}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    service = open_service(folder)
    with listening(service) as url, working(service, folder, seconds=0.6):
        yield url
    service.close()


@pytest.fixture
def client(server):
    with Client(server) as client:
        yield client


def test_generate_waits_shows_progress_and_the_clip_can_be_downloaded(client, tmp_path):
    (tmp_path / "cat.png").write_bytes(png())
    seen = []
    clip = client.generate(PROMPT, image=tmp_path / "cat.png", on_progress=seen.append, **SMALL)
    assert (clip.status, clip.percent, clip.cost_usd) == ("succeeded", 100.0, 0.273)
    assert seen[0].status in ("queued", "running")
    assert [now.percent for now in seen] == sorted(now.percent for now in seen)
    client.download(clip, tmp_path / "clip.mp4")
    assert probe(tmp_path / "clip.mp4").num_frames == 75
    assert sorted(place.name for place in tmp_path.iterdir()) == ["cat.png", "clip.mp4"]


def test_stream_gives_every_event_in_order(client):
    job = client.submit(PROMPT, **SMALL)
    events = list(client.stream(job.id))
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert (events[0].type, events[-1].type) == ("queued", "succeeded")
    assert list(client.stream(job.id, after=events[-2].number)) == [events[-1]]


def test_a_stream_goes_on_where_it_was_when_a_proxy_finds_no_server_for_a_moment(client, server):
    class Proxy(httpx.HTTPTransport):
        answers = 0

        def handle_request(self, request):
            self.answers += 1
            if self.answers < 3:
                return httpx.Response(502 + self.answers)
            return super().handle_request(request)

    job = client.submit(PROMPT, **SMALL)
    with Client(server, transport=Proxy()) as behind:
        events = list(behind.stream(job.id))
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert events[-1].type == "succeeded"


def test_a_canceled_job_raises_for_the_one_who_waits(client):
    job = client.submit(PROMPT, **SMALL)
    until(lambda: client.get(job.id).status == "running")
    client.cancel(job.id)
    with pytest.raises(Canceled):
        client.wait(job.id, timeout_s=20)
    assert client.retry(job.id).facts["retry_of"] == job.id


def test_errors_are_the_packages_own(client, tmp_path):
    with pytest.raises(InvalidRequest, match="duration must be") as caught:
        client.submit(PROMPT, duration=99)
    assert caught.value.field == "duration"
    with pytest.raises(NotFound):
        client.get("nothing/../x")
    with pytest.raises(InvalidRequest, match="there is no file"):
        client.submit(PROMPT, image=tmp_path / "none.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with pytest.raises(MediaError):
        client.files.upload(tmp_path / "bad.png")
    client.submit(PROMPT, idempotency_key="k", **SMALL)
    with pytest.raises(Conflict):
        client.submit("Another scene with a dog.", idempotency_key="k", **SMALL)
    with pytest.raises(Unauthenticated), Client(client._at.base_url, api_key="hh_wrong") as wrong:
        wrong.list()
    with pytest.raises(InvalidRequest, match="base_url"):
        Client("ftp://x")


def test_a_submit_that_is_sent_again_makes_one_job(client, server):
    """The answer of the first try is lost on the way; the second try carries the same key."""
    calls = []

    class Lossy(httpx.HTTPTransport):
        def handle_request(self, request):
            calls.append(request.headers.get("idempotency-key"))
            response = super().handle_request(request)
            if len(calls) == 1:
                response.close()
                raise httpx.ReadError("lost")
            return response

    before = len(client.list(limit=100).data)
    with Client(server, transport=Lossy()) as lossy:
        lossy.submit(PROMPT, **SMALL)
    assert len(calls) == 2
    assert calls[0] == calls[1]
    assert len(client.list(limit=100).data) == before + 1


def test_a_server_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr("happyhorse.client_flows.FIRST_PAUSE_S", 0.01)
    with pytest.raises(Unreachable, match="cannot be reached"), Client("http://127.0.0.1:1") as lost:
        lost.list()


def test_the_async_client_does_the_same(server, tmp_path):
    async def work():
        async with AsyncClient(server) as client:
            (tmp_path / "cat.png").write_bytes(png())
            stored = await client.files.upload(tmp_path / "cat.png")
            clips = await asyncio.gather(
                client.generate(PROMPT, image=stored["id"], **SMALL), client.generate(PROMPT, **SMALL)
            )
            events = [event async for event in client.stream(clips[0].id)]
            await client.download(clips[0], tmp_path / "clip.mp4")
            with pytest.raises(InvalidRequest):
                await client.plan("")
            return clips, events

    clips, events = asyncio.run(work())
    assert {clip.status for clip in clips} == {"succeeded"}
    assert events[-1].type == "succeeded"
    assert probe(tmp_path / "clip.mp4").num_frames == 75


def test_a_stream_after_the_last_event_of_what_is_over_ends(client, server):
    job = client.submit(PROMPT, **SMALL)
    last = list(client.stream(job.id))[-1]
    assert list(client.stream(job.id, after=last.number)) == []

    async def rest():
        async with AsyncClient(server) as same:
            return [event async for event in same.stream(job.id, after=last.number)]

    assert asyncio.run(asyncio.wait_for(rest(), 20)) == []
