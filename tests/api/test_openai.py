"""The OpenAI dialect: by plain HTTP for its shapes, and with the real SDK, unmodified, against a live server."""

import base64
import io
from pathlib import Path

import httpx
import pytest
from live import PRICE, serving
from PIL import Image
from rig import PROMPT, listening, pipeline, plainly, png, until, working

from happyhorse.api.compat.openai_body import job_id, to_request
from happyhorse.errors import InvalidRequest

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")
SMALL = {"prompt": PROMPT, "seconds": "3", "size": "848x480", "seed": 7}


@pytest.fixture
def http(service):
    with listening(service) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


def refused(answer, status, code, param=None, said=""):
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert (error["code"], error["param"]) == (code, param), error
    assert said in error["message"]
    assert set(error) == {"message", "type", "param", "code"}


def made(http, service, folder, **fields):
    """A finished video."""
    video = http.post("/v1/videos", json={**SMALL, **fields}).json()
    pipeline(service, folder).run(job_id(video["id"]), plainly)
    return http.get(f"/v1/videos/{video['id']}").json()


def test_a_video_goes_from_queued_to_its_content(http, service, tmp_path):
    answer = http.post("/v1/videos", json={**SMALL, "model": "happyhorse-1.1-t2v"})
    video = answer.json()
    assert answer.status_code == 200
    assert video["id"].startswith("video_")
    expected = {
        "object": "video", "model": "happyhorse-1.1-t2v", "status": "queued", "progress": 0, "completed_at": None,
        "prompt": PROMPT, "seconds": "3", "size": "848x480", "error": None, "remixed_from_video_id": None,
    }  # fmt: skip
    assert expected.items() <= video.items()
    here = f"/v1/videos/{video['id']}"
    refused(http.get(f"{here}/content"), 400, "video_not_ready")
    pipeline(service, tmp_path).run(job_id(video["id"]), plainly)
    answer = http.get(here)
    done = answer.json()
    assert 2000 <= int(answer.headers["openai-poll-after-ms"]) <= 5000
    assert (done["status"], done["progress"]) == ("completed", 100)
    assert done["completed_at"] >= done["created_at"] == video["created_at"]
    clip = http.get(f"{here}/content", headers={"Accept": "application/binary"})
    assert clip.headers["content-type"] == "video/mp4"
    assert http.get(f"{here}/content", headers={"Range": "bytes=0-9"}).content == clip.content[:10]
    still = http.get(f"{here}/content?variant=thumbnail")
    assert (still.headers["content-type"], Image.open(io.BytesIO(still.content)).format) == (
        "image/webp",
        "WEBP",
    )
    sheet = http.get(f"{here}/content?variant=spritesheet")
    assert sheet.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(sheet.content)).size == (960, 543)
    refused(http.get(f"{here}/content?variant=poster"), 400, "invalid_value", "variant")
    assert httpx.get(done["metadata"]["url"]).content == clip.content  # no credential
    assert http.get(f"/v1/generations/{job_id(video['id'])}").json()["status"] == "succeeded"


BAD = [
        ({"seconds": "16"}, "seconds", "seconds must be a whole number of seconds from 3 to 15; got '16'"),
        ({"seconds": None, "duration": 99}, "duration", "got 99"),
        ({"size": "100x1000"}, "size", "size must be WIDTHxHEIGHT"),
        ({"size": "big"}, "size", "got 'big'"),
        ({"resolution": "4K"}, "resolution", "one of 480P, 720P, 1080P"),
        ({"metadata": {"ratio": "2:1"}}, "metadata.ratio", "got '2:1'"),
        ({"seed": -1}, "seed", "from 0 to 2147483647"),
        ({"watermark": "perhaps"}, "watermark", "true or false"),
        ({"model": "sora-2"}, "model", "a Happy Horse model; got 'sora-2'"),
        ({"model": "happyhorse-1.1-i2v"}, "input_reference", "takes 1; got 0"),
        ({"model": "happyhorse-1.1-t2v", "image_url": "data:,"}, "image_url", "takes none; got 1"),
        ({"input_reference": 5}, "input_reference", "a URL, a data URL or a file id; got '5'"),
        ({"input_reference": "/etc/passwd"}, "input_reference", "files of the server are not read"),
        ({"images": ["http://127.0.0.1/a.png"]}, "images", "an address that is not public"),
        ({"prompt": ""}, "prompt", "prompt is empty"),
        ({"prompt": 5}, "prompt", "text"),
        ({"webhook_url": "ftp://a"}, "webhook_url", ""),
        ({"size": "480P", "model": "happyhorse-1.0-video-edit", "video": "CLIP"}, "size", "720P or 1080P for an edit"),
]  # fmt: skip


def test_a_bad_request_names_the_callers_field(http, service, tmp_path):
    clip = {"id": made(http, service, tmp_path)["id"]}
    for fields, param, said in BAD:
        sent = {**SMALL, **fields, **({"video": clip} if "video" in fields else {})}
        answer = http.post(
            "/v1/videos", json={name: value for name, value in sent.items() if value is not None}
        )
        refused(answer, 400, "invalid_value", param, said)


def test_a_form_is_read_as_the_sdk_codes_it(http, service):
    form = {
        "prompt": PROMPT,
        "seconds": "3",
        "watermark": "false",
        "metadata[ratio]": "9:16",
        "metadata[seed]": "11",
    }
    form |= {"size": "480p"}
    files = {"reference_images[]": ("a.png", png(), "image/png")}
    video = http.post("/v1/videos", data=form, files=files).json()
    assert video["size"] == "480x848"
    job = service.store.get(job_id(video["id"]), owner=None)
    assert (job.mode, job.plan["seed"], job.plan["watermark"]) == ("r2v", 11, False)
    nested = {
        "prompt": PROMPT,
        "input_reference[image_url]": f"data:image/png;base64,{base64.b64encode(png()).decode()}",
    }
    video = http.post("/v1/videos", data=nested, files={"none": ("", b"")}).json()
    assert service.store.get(job_id(video["id"]), owner=None).mode == "i2v"


URL = "https://example.com/a.png"


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"resolution": "1080P", "watermark": False}),
        ({"input_reference": URL}, {"image": URL}),
        ({"input_reference": {"image_url": URL}}, {"image": URL}),
        ({"input_reference": {"image_url": {"url": URL}}}, {"image": URL}),
        ({"input_reference": {"file_id": "file-1"}}, {"image": {"file_id": "file-1"}}),
        (
            {"input_reference": {"file_id": "file-1", "kind": "video"}},
            {"video": {"file_id": "file-1"}, "audio": "auto"},
        ),
        ({"image": URL, "ratio": "1:1"}, {"image": URL}),
        ({"images": [URL]}, {"image": URL}),
        ({"images": [URL, URL]}, {"references": [URL, URL]}),
        ({"image_urls": URL, "model": "happyhorse-1.1-r2v"}, {"references": [URL]}),
        ({"reference_image_urls": [URL]}, {"references": [URL]}),
        (
            {"video_url": URL, "seconds": 4, "image": URL},
            {"video": URL, "references": [URL], "audio": "auto"},
        ),
        ({"videos": [URL], "metadata": {"audio_setting": "origin"}}, {"video": URL, "audio": "origin"}),
        ({"metadata": {"input": {"media": [{"type": "first_frame", "url": URL}]}}}, {"image": URL}),
        (
            {"metadata": {"input": {"prompt": "A cat."}, "parameters": {"ratio": "1:1"}}},
            {"prompt": "A cat.", "ratio": "1:1"},
        ),
        ({"size": "1280*720"}, {"resolution": "720P", "ratio": "16:9"}),
        ({"size": "1792x1024"}, {"resolution": "1080P", "ratio": "16:9"}),
        ({"size": "720P", "aspect_ratio": "9:16"}, {"resolution": "720p", "ratio": "9:16"}),
        ({"size": "1280x720", "metadata": {"ratio": "1:1"}}, {"resolution": "720P", "ratio": "1:1"}),
        ({"seconds": "5.0", "negative_prompt": "x", "unheard": 1}, {"duration": "5.0"}),
        ({"generate_audio": False}, {"no_audio": True}),
    ],
)
def test_each_way_to_say_it_is_understood(body, fields):
    expected = {"prompt": "", "resolution": "1080P", "watermark": False, **fields}
    found = dict(to_request(body).fields)
    del found["metadata"]
    assert found == expected


def test_a_mode_that_the_inputs_contradict_is_refused():
    with pytest.raises(InvalidRequest, match="video: a t2v model takes none; got 1"):
        to_request({"model": "happyhorse-1.0-t2v", "video": URL})
    with pytest.raises(InvalidRequest, match="images: a i2v model takes 1; got 2"):
        to_request({"mode": "i2v", "images": [URL, URL]})


def test_lists_page_by_the_last_id_in_either_order(http, service):
    ids = [http.post("/v1/videos", json=SMALL).json()["id"] for _ in range(3)]
    first = http.get("/v1/videos?limit=2").json()
    assert [video["id"] for video in first["data"]] == [ids[2], ids[1]]
    assert (first["first_id"], first["last_id"], first["has_more"]) == (ids[2], ids[1], True)
    rest = http.get(f"/v1/videos?limit=2&after={first['last_id']}").json()
    assert ([video["id"] for video in rest["data"]], rest["has_more"]) == ([ids[0]], False)
    oldest = http.get(f"/v1/videos?order=asc&after={ids[0]}").json()
    assert [video["id"] for video in oldest["data"]] == ids[1:]
    refused(http.get("/v1/videos?limit=0"), 400, "invalid_value", "limit")
    refused(http.get("/v1/videos?order=up"), 400, "invalid_value", "order")


def test_cancel_and_delete(http, service):
    video = http.post("/v1/videos", json=SMALL).json()["id"]
    stopped = http.post(f"/v1/videos/{video}/cancel").json()
    assert (stopped["status"], stopped["error"]["code"]) == ("failed", "canceled")
    refused(http.get(f"/v1/videos/{video}/content"), 404, "not_found")
    waiting = http.post("/v1/videos", json=SMALL).json()["id"]
    for name in (video, waiting):
        assert http.delete(f"/v1/videos/{name}").json() == {
            "id": name,
            "object": "video.deleted",
            "deleted": True,
        }
        refused(http.get(f"/v1/videos/{name}"), 404, "not_found")
    refused(http.get("/v1/videos/video_nothing"), 404, "not_found")


def test_a_running_video_is_stopped_and_deleted(http, service, tmp_path):
    with working(service, tmp_path, seconds=30):
        video = http.post("/v1/videos", json=SMALL).json()["id"]
        until(lambda: http.get(f"/v1/videos/{video}").json()["progress"] > 0)
        until(lambda: http.delete(f"/v1/videos/{video}").json().get("deleted"))
    refused(http.get(f"/v1/videos/{video}"), 404, "not_found")


def test_a_remix_edits_the_finished_video(http, service, tmp_path):
    waiting = http.post("/v1/videos", json=SMALL).json()
    refused(http.post(f"/v1/videos/{waiting['id']}/remix", json={"prompt": "x"}), 400, "video_not_ready")
    source = made(http, service, tmp_path)
    remix = http.post(f"/v1/videos/{source['id']}/remix", json={"prompt": "Make the mat blue."}).json()
    assert (remix["remixed_from_video_id"], remix["seconds"], remix["size"]) == (
        source["id"],
        "3",
        "1280x720",
    )
    again = {
        "prompt": "Make it red.",
        "video": source["metadata"]["url"],
    }  # a signed link of ours is not fetched
    assert http.post("/v1/videos/edits", json=again).status_code == 200
    stolen = {**again, "video": again["video"][:-4] + "0000"}
    refused(http.post("/v1/videos/edits", json=stolen), 403, "forbidden")


def test_the_gateways_path_adds_its_keys(http, service, tmp_path):
    video = http.post("/v1/video/generations", json=SMALL).json()
    assert (video["task_id"], video["url"], video["object"]) == (video["id"], None, "video")
    pipeline(service, tmp_path).run(job_id(video["id"]), plainly)
    done = http.get(f"/v1/video/generations/{video['task_id']}").json()
    assert done["url"] == done["metadata"]["url"]


def test_a_webhook_is_an_event_that_the_sdk_unwraps(http, service, tmp_path, receiver):
    openai = pytest.importorskip("openai")
    service.outbound.allow_local = True
    video = made(http, service, tmp_path, webhook_url=receiver.url)
    until(lambda: receiver.came)
    _, headers, body = receiver.came[0]
    secret = http.get("/v1/webhooks/default/secret").json()["key"]
    event = openai.OpenAI(api_key="x").webhooks.unwrap(body, headers, secret=secret)
    assert (event.type, event.data.id, event.object) == ("video.completed", video["id"], "event")


def test_an_endpoint_is_registered_by_the_sdk_and_hears_of_every_video(http, service, tmp_path, receiver):
    openai = pytest.importorskip("openai")
    service.outbound.allow_local = True
    sdk = openai.OpenAI(api_key=service.keys.create("sdk")[1], base_url=str(http.base_url.join("/v1")))
    hook = sdk.webhooks.create(name="mine", url=receiver.url, event_types=["video.completed"])
    assert [found.id for found in sdk.webhooks.list()] == [hook.id]
    assert sdk.webhooks.retrieve(hook.id).event_types == ["video.completed"]
    video = sdk.videos.create(prompt=PROMPT, seconds="3", size="480P", extra_body={"seed": 7})
    pipeline(service, tmp_path).run(job_id(video.id), plainly)
    until(lambda: receiver.came)
    _, headers, body = receiver.came[0]
    assert sdk.webhooks.unwrap(body, headers, secret=hook.signing_secret).data.id == video.id
    assert sdk.webhooks.delete(hook.id).deleted
    with pytest.raises(openai.BadRequestError, match="event_types must hold one of"):
        sdk.webhooks.create(name="mine", url=receiver.url, event_types=["batch.failed"])
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.webhooks.create(name="mine", url="ftp://example.com", event_types=["video.failed"])
    assert caught.value.param == "url"


def test_the_same_idempotency_key_makes_one_video_and_another_request_is_not_sent_again(http):
    headers = {"Idempotency-Key": "a"}
    first, second = (http.post("/v1/videos", json=SMALL, headers=headers).json()["id"] for _ in range(2))
    assert first == second
    answer = http.post("/v1/videos", json={**SMALL, "seconds": "4"}, headers=headers)
    assert (answer.status_code, answer.headers["x-should-retry"]) == (409, "false")


def test_a_caller_that_is_too_fast_is_told_when_to_come_back(http, service):
    _, secret = service.keys.create("slow", requests_per_minute=1)
    headers = {"Authorization": f"Bearer {secret}"}
    assert http.post("/v1/videos", json=SMALL, headers=headers).status_code == 200
    answer = http.post("/v1/videos", json=SMALL, headers=headers)
    refused(answer, 429, "rate_limit_exceeded", None, "1 requests a minute")
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert "x-should-retry" not in answer.headers


def test_every_route_also_lives_below_its_prefix_and_refuses_a_wrong_key(http):
    assert http.post("/openai/v1/videos", json=SMALL).status_code == 200
    answer = http.get("/v1/videos", headers={"Authorization": "Bearer sk-wrong"})
    refused(answer, 401, "invalid_api_key")
    refused(http.post("/v1/videos/characters"), 400, "unsupported")
    refused(http.get("/v1/videos/characters/char_1"), 400, "unsupported")


# -- the SDK ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("openai")) as server:
        yield server


@pytest.fixture
def sdk(live):
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=f"{live.url}/v1", api_key=live.key) as client:
        yield client


def make(sdk, **fields):
    video = sdk.videos.create_and_poll(**{"prompt": PROMPT, "seconds": "3", "size": "848x480", **fields})
    assert video.status == "completed", video
    return video


def data_url(place):
    return f"data:image/png;base64,{base64.b64encode(Path(place).read_bytes()).decode()}"


@pytest.mark.slow
def test_the_unmodified_sdk_makes_clips_from_text_an_image_and_references(live, sdk):
    video = make(sdk, model="happyhorse-1.1-t2v", extra_body={"seed": 42, "watermark": False})
    assert (video.seconds, video.size, video.progress) == ("3", "848x480", 100)
    clip = sdk.videos.download_content(video.id).content
    assert Path(live.download(video.metadata["url"])).read_bytes() == clip  # without a credential
    still = sdk.videos.download_content(video.id, variant="thumbnail").content
    assert Image.open(io.BytesIO(still)).format == "WEBP"
    shown = live.generation(job_id(video.id))
    assert (shown["mode"], shown["seed"], shown["metadata"]["model"]) == ("t2v", 42, "happyhorse-1.1-t2v")
    assert shown["cost_usd"] == pytest.approx(3 * PRICE["480P"])
    framed = make(sdk, input_reference=Path(live.picture()), size="480P")
    assert (live.generation(job_id(framed.id))["mode"], framed.size) == ("i2v", "640x640")
    pictures = [data_url(live.picture(number)) for number in range(3)]
    cast = make(sdk, model="happyhorse-1.1-r2v", extra_body={"reference_images": pictures})
    shown = live.generation(job_id(cast.id))
    assert (shown["mode"], len(shown["request"]["references"])) == ("r2v", 3)


@pytest.mark.slow
@pytest.mark.parametrize("audio", ["auto", "origin", "remove"])
def test_the_unmodified_sdk_edits_and_is_billed_for_input_and_output(live, sdk, audio):
    clip = Path(live.download(make(sdk).metadata["url"]))
    extra = {"audio_setting": audio, "size": "1280x720"}
    edited = sdk.videos.poll(sdk.videos.edit(prompt="Make the mat blue.", video=clip, extra_body=extra).id)
    assert edited.status == "completed", edited
    assert (edited.usage["duration"], edited.usage["input_video_duration"]) == (6.0, 3.0)
    shown = live.generation(job_id(edited.id))
    assert shown["cost_usd"] == pytest.approx(6 * PRICE["720P"])
    # The edit does not touch what sounds: auto keeps it.
    assert shown["output"]["sound"] == {"auto": "retain", "origin": "retain", "remove": "remove"}[audio]


@pytest.mark.slow
def test_the_unmodified_sdk_raises_typed_errors(live, sdk):
    openai = pytest.importorskip("openai")
    for fields, param in (
        ({"seconds": "99"}, "seconds"),
        ({"size": "123x9999"}, "size"),
        ({"input_reference": ("a.png", b"no picture")}, "input_reference"),
        ({"extra_body": {"metadata": {"seed": -1}}}, "metadata.seed"),
    ):
        with pytest.raises(openai.BadRequestError, match=param) as caught:
            sdk.videos.create(prompt=PROMPT, **fields)
        assert (caught.value.param, caught.value.code) == (param, "invalid_value")
    with pytest.raises(openai.AuthenticationError) as caught:
        sdk.with_options(api_key="sk-wrong").videos.create(prompt=PROMPT)
    assert caught.value.code == "invalid_api_key"
    with pytest.raises(openai.NotFoundError):
        sdk.videos.retrieve("video_nothing")


@pytest.mark.slow
def test_the_unmodified_sdk_lists_remixes_and_deletes(live, sdk):
    openai = pytest.importorskip("openai")
    made = [sdk.videos.create(prompt=PROMPT, seconds="3", size="480P").id for _ in range(3)]
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.videos.download_content(made[2])
    assert caught.value.code == "video_not_ready"
    listed = [video.id for video in sdk.videos.list(limit=2)]  # the SDK fetches every page
    assert listed[:3] == made[::-1]
    source = sdk.videos.poll(made[0])
    remix = sdk.videos.remix(source.id, prompt="Make the mat blue.")
    assert remix.remixed_from_video_id == source.id
    for video in (remix, source):
        assert sdk.videos.delete(video.id).deleted
        with pytest.raises(openai.NotFoundError):
            sdk.videos.retrieve(video.id)


def test_a_form_that_cannot_be_read_is_refused_in_openais_form(http):
    answer = http.post("/v1/videos", content=b"x", headers={"Content-Type": "multipart/form-data"})
    refused(answer, 400, "invalid_value", said="boundary")
