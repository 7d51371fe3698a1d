"""The Runware dialect: its messages over a real socket, and its SDK, unmodified, against a server process."""

import asyncio
import base64
import contextlib
import json
import uuid

import httpx
import pytest
from live import PRICE, front, serving  # noqa: F401
from rig import PROMPT, listening, open_service, png, until, working
from websockets.sync.client import connect

MODEL = "alibaba:happyhorse@1.1"


@pytest.fixture
def url(service):
    with listening(service) as url:
        yield url


def dialed(url, **options):
    return connect(f"{str(url).replace('http', 'ws').rstrip('/')}/runware", max_size=None, **options)


@pytest.fixture
def socket(url):
    with dialed(url) as socket:
        yield socket


def task(kind="videoInference", **fields):
    made = {"taskType": kind, "taskUUID": str(uuid.uuid4())}
    if kind == "videoInference":
        made |= {"model": MODEL, "positivePrompt": PROMPT, "duration": 3, "resolution": "480p", "seed": 42}
    return {**made, **fields}


def say(socket, *tasks):
    """Send one message, and give the answers to its tasks in the order of the tasks."""
    socket.send(json.dumps(tasks))
    found = [json.loads(socket.recv(timeout=20)) for _ in tasks]
    order = [sent.get("taskUUID") for sent in tasks]
    return sorted(
        found, key=lambda told: order.index((told.get("data") or told["errors"])[0].get("taskUUID"))
    )


def data(told):
    assert "errors" not in told, told
    (entry,) = told["data"]
    return entry


def error(told):
    assert "data" not in told, told
    (entry,) = told["errors"]
    return entry


def test_a_task_is_acknowledged_asked_for_and_answered_with_its_clip(socket, service, tmp_path):
    asked = task()
    assert data(*say(socket, asked)) == {"taskType": "videoInference", "taskUUID": asked["taskUUID"]}
    question = {"taskType": "getResponse", "taskUUID": asked["taskUUID"]}
    assert data(*say(socket, question))["status"] == "processing"
    with working(service, tmp_path):
        until(lambda: data(*say(socket, question))["status"] == "success")
    done = data(*say(socket, question))
    assert done["seed"] == 42
    assert done["cost"] == pytest.approx(3 * PRICE["480P"])
    assert httpx.get(done["videoURL"]).headers["content-type"] == "video/mp4"
    assert (
        data(*say(socket, {"taskType": "getResponse", "taskUUID": done["videoUUID"]}))["status"] == "success"
    )


def test_a_task_that_is_sent_again_is_the_same_job(socket, service):
    asked = task()
    for _ in range(2):
        data(*say(socket, asked))
    (job,) = service.store.live()
    assert job.plan["resolution"] == "480P"
    assert error(*say(socket, {**asked, "duration": 4}))["code"] == "conflict"


def test_a_ping_is_answered_while_a_task_is_waited_for(socket, service, tmp_path):
    asked = task(deliveryMethod="sync")
    socket.send(json.dumps([asked]))
    until(service.store.live)
    assert data(*say(socket, {"taskType": "ping", "ping": True})) == {"taskType": "ping", "pong": True}
    with working(service, tmp_path):
        done = data(json.loads(socket.recv(timeout=30)))
    assert (done["taskUUID"], done["status"]) == (asked["taskUUID"], "success")


def test_a_picture_is_uploaded_once_and_named_by_its_uuid(socket, service):
    sent = task("imageUpload", image=f"data:image/png;base64,{base64.b64encode(png()).decode()}")
    kept = data(*say(socket, sent))
    assert (kept["taskType"], kept["taskUUID"]) == ("imageUpload", sent["taskUUID"])
    assert httpx.get(kept["imageURL"]).content == png()
    data(*say(socket, task(inputs={"frameImages": [{"image": kept["imageUUID"], "frame": "first"}]})))
    data(*say(socket, task(inputs={"referenceImages": [kept["imageUUID"], kept["imageURL"]]})))
    assert [job.mode for job in service.store.live()] == ["i2v", "r2v"]
    assert error(*say(socket, task("imageUpload", image=7)))["parameter"] == "image"
    unknown = error(*say(socket, task(inputs={"frameImages": [str(uuid.uuid4())]})))
    assert (unknown["code"], "there is no file" in unknown["message"]) == ("notFound", True)


def test_a_webhook_is_sent_what_a_question_would_be_answered(tmp_path, receiver):
    service = open_service(tmp_path, allow_local_urls=True)
    with listening(service) as url, dialed(url) as socket:
        good, gone = (task(webhookURL=f"{receiver.url}/{number}") for number in range(2))
        assert data(*say(socket, gone))["taskUUID"] == gone["taskUUID"]
        (job,) = service.store.live()
        service.store.cancel(job.id, owner=None)
        data(*say(socket, good))
        with working(service, tmp_path):
            until(lambda: len(receiver.came) == 2)
        bodies = {path: json.loads(body) for path, _, body in receiver.came}
        assert error(bodies["/1"])["taskUUID"] == gone["taskUUID"]
        assert data(bodies["/0"]) == data(
            *say(socket, {"taskType": "getResponse", "taskUUID": good["taskUUID"]})
        )
        assert error(*say(socket, task(webhookURL=7)))["parameter"] == "webhookURL"
        assert error(*say(socket, task(webhookURL="ftp://a.test")))["parameter"] == "webhookURL"
    service.close()


def test_a_key_is_asked_for_once_and_counts_for_the_connection(url, service, socket):
    _, reader = service.keys.create("reader", scopes=("read",))
    wrong = error(*say(socket, {"taskType": "authentication", "apiKey": "wrong"}))
    assert (wrong["code"], wrong["taskType"]) == ("invalidApiKey", "authentication")
    assert error(*say(socket, {"taskType": "authentication"}))["parameter"] == "apiKey"
    entered = data(*say(socket, {"taskType": "authentication", "apiKey": reader}))
    assert uuid.UUID(entered["connectionSessionUUID"])
    assert error(*say(socket, task()))["code"] == "forbidden"


def test_a_page_of_another_site_is_not_the_single_user(url):
    with dialed(url, origin="https://evil.test") as socket:
        assert error(*say(socket, task()))["code"] == "invalidApiKey"


@pytest.mark.parametrize(
    ("changed", "parameter", "said"),
    [
        ({"duration": 16}, "duration", "duration must be a whole number"),
        ({"positivePrompt": ""}, "positivePrompt", "positivePrompt is empty"),
        ({"model": None}, "model", "model is required"),
        ({"model": "klingai:1@1"}, "model", "Model not exist"),
        ({"width": 1280, "height": 300}, "width", "width and height must have a ratio"),
        ({"width": -1280, "height": -720}, "width", "width and height must have a ratio"),
        ({"numberResults": 2}, "numberResults", "numberResults must be 1"),
        ({"inputs": "x"}, "inputs", "inputs must be an object"),
        (
            {"inputs": {"frameImages": [{"image": "data:,", "frame": "last"}]}},
            "frameImages",
            "first frame only",
        ),
        ({"inputs": {"frameImages": ["data:,"]}}, "frameImages", "frameImages"),
        ({"inputs": {"referenceImages": ["data:,"] * 10}}, "referenceImages", "takes 1 to 9; got 10"),
        ({"taskUUID": "7"}, "taskUUID", "taskUUID must be a UUID"),
        ({"taskType": "imageInference"}, "taskType", "taskType must be"),
    ],
)
def test_a_bad_task_is_told_its_parameter(front, changed, parameter, said):  # noqa: F811
    asked = task(**changed)
    with dialed(front.base_url) as socket:
        told = error(*say(socket, asked))
    assert (told["parameter"], told["taskUUID"]) == (parameter, asked["taskUUID"])
    assert said in told["message"]


def test_what_is_no_message_is_refused_and_the_connection_stays(socket):
    for text in ("{", '"task"', "[1]", json.dumps([{}] * 33), '["\\u0000"]', b"\xff"):
        socket.send(text)
        assert error(json.loads(socket.recv(timeout=20)))["code"] == "invalidParameter"
    assert data(*say(socket, {"taskType": "ping", "ping": True}))["pong"] is True


def test_inputs_decide_the_mode(socket, service):
    image = f"data:image/png;base64,{base64.b64encode(png()).decode()}"
    data(*say(socket, task(inputs={"frameImages": [{"image": image, "frame": "first"}]})))
    data(*say(socket, task(inputs={"referenceImages": [image, {"images": [image], "tag": "a"}]})))
    data(*say(socket, task(width=832, height=1104, resolution=None)))
    found = {job.mode: job for job in service.store.live()}
    assert set(found) == {"i2v", "r2v", "t2v"}
    assert len(found["r2v"].request["references"]) == 2
    assert (found["t2v"].plan["resolution"], found["t2v"].plan["ratio"]) == ("720P", "3:4")


def test_the_same_tasks_can_be_posted(url, service):
    _, key = service.keys.create("post")
    asked = task()
    entered = {"taskType": "authentication", "apiKey": key}
    answer = httpx.post(
        f"{url}/runware", json=[entered, asked, {"taskType": "getResponse", "taskUUID": asked["taskUUID"]}]
    )
    assert [entry.get("status") for entry in answer.json()["data"]] == [None, None, "processing"]
    answer = httpx.post(f"{url}/runware", json=[asked], headers={"Authorization": "Bearer wrong"})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "invalidApiKey")


# -- the SDK ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    pytest.importorskip("runware")
    with serving(tmp_path_factory.mktemp("runware")) as server:
        yield server


@contextlib.asynccontextmanager
async def client(live, *, key=None):
    sdk = pytest.importorskip("runware").Runware(api_key=key or live.key, url=f"ws://{live.host}/runware")
    await sdk.connect()
    try:
        yield sdk
    finally:
        await sdk.disconnect()


async def made(sdk, **fields):
    """A finished video, by the SDK's own polling."""
    runware = pytest.importorskip("runware")
    wanted = {"model": MODEL, "positivePrompt": PROMPT, "duration": 3, "resolution": "480p", "seed": 42}
    begun = await sdk.videoInference(runware.IVideoInference(**{**wanted, **fields}))
    (video,) = await sdk.getResponse(begun.taskUUID)
    return video


@pytest.mark.slow
def test_the_unmodified_sdk_makes_clips_in_every_mode(live):
    async def use():
        async with client(live) as sdk:
            video = await made(sdk)
            assert video.seed == 42
            live.download(video.videoURL)
            framed = await made(sdk, inputs={"frameImages": [{"image": live.picture(), "frame": "first"}]})
            assert live.generation(framed.videoUUID)["mode"] == "i2v"
            drawn = await made(sdk, inputs={"referenceImages": [live.picture(number) for number in range(3)]})
            assert len(live.generation(drawn.videoUUID)["request"]["references"]) == 3
            edit = {"positivePrompt": "Make the mat blue.", "resolution": "720p", "duration": None}
            edited = await made(sdk, **edit, inputs={"video": video.videoURL})
            assert live.generation(edited.videoUUID)["cost_usd"] == pytest.approx(6 * PRICE["720P"])
            assert edited.cost == pytest.approx(6 * PRICE["720P"])

    asyncio.run(use())


@pytest.mark.slow
def test_the_unmodified_sdk_raises_for_a_bad_parameter_and_a_wrong_key(live):
    utils = pytest.importorskip("runware.utils")

    async def use():
        async with client(live) as sdk:
            with pytest.raises(utils.RunwareAPIError) as bad:
                await made(sdk, duration=99)
            assert bad.value.error_data["parameter"] == "duration"
        async with client(live, key="wrong") as sdk:
            assert not sdk.isAuthenticated()

    asyncio.run(use())
