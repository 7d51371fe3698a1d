"""The OpenRouter dialect: by plain HTTP for its shapes, and with its SDK, unmodified, against a live server."""

import base64
from pathlib import Path

import httpx
import pytest
from live import PRICE, serving
from rig import PROMPT, listening, pipeline, plainly, until

from happyhorse.api.compat.openrouter import to_request
from happyhorse.errors import InvalidRequest

MODEL = "alibaba/happyhorse-1.1"
SMALL = {"model": MODEL, "prompt": PROMPT, "duration": 3, "resolution": "480p", "seed": 7}


@pytest.fixture
def http(service):
    with listening(service) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


def picture(data):
    url = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}


def frame(data, kind="first_frame"):
    return {**picture(data), "frame_type": kind}


def refused(answer, status, field, said):
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert (error["code"], error["metadata"]["field"]) == (status, field), error
    assert said in error["message"]


def test_a_generation_goes_from_pending_to_its_content(http, service, tmp_path, receiver):
    service.outbound.allow_local = True
    answer = http.post("/api/v1/videos", json={**SMALL, "callback_url": receiver.url})
    made = answer.json()
    assert (answer.status_code, made["status"]) == (202, "pending")
    assert set(made) == {"id", "polling_url", "status"}
    content = f"/api/v1/videos/{made['id']}/content?index=0"
    refused(http.get(content), 409, None, "has no content yet")
    pipeline(service, tmp_path).run(made["id"], plainly)
    done = http.get(made["polling_url"]).json()
    assert (done["status"], done["usage"]) == ("completed", {"cost": 0.273, "is_byok": False})
    assert done["unsigned_urls"] == [str(http.base_url.join(content))]
    clip = http.get(content)
    assert clip.headers["content-type"] == "video/mp4"
    assert httpx.get(done["urls"][0]).content == clip.content  # no credential
    until(lambda: receiver.came)
    assert b'"type":"video.generation.completed"' in receiver.came[0][2]


BAD = [
    ({"duration": 16}, "duration", "from 3 to 15; got 16"),
    ({"aspect_ratio": "3:2"}, "aspect_ratio", "got '3:2'"),
    ({"resolution": None, "size": "1x2"}, "size", "size must be WIDTHxHEIGHT"),
    ({"frame_images": [{"frame_type": "last_frame"}]}, "frame_images[0].frame_type", "must be first_frame"),
    ({"frame_images": "a"}, "frame_images", "must be a list"),
    ({"frame_images": [frame(b"nothing")]}, "frame_images", ""),
    ({"input_references": [{"type": "image_url"}]}, "input_references", "must be a URL"),
    ({"provider": {"options": {"alibaba": {"watermark": 5}}}}, "watermark", "true or false"),
    ({"callback_url": "http://127.0.0.1/"}, "callback_url", "not public"),
    ({"prompt": " "}, "prompt", "is empty"),
]


def test_a_bad_request_names_the_callers_field(http):
    for fields, field, said in BAD:
        refused(http.post("/api/v1/videos", json={**SMALL, **fields}), 400, field, said)
    refused(http.post("/api/v1/videos", json={**SMALL, "model": "google/veo-3.1"}), 404, "model", "not exist")
    refused(http.get("/api/v1/videos/nothing"), 404, None, "nothing")
    wrong = {"Authorization": "Bearer sk-or-wrong"}
    refused(http.get("/api/v1/videos/models", headers=wrong), 401, None, "not known")


def test_frames_references_and_videos_decide_the_mode():
    url = "https://example.com/a"
    clip = {"type": "video_url", "video_url": {"url": url}}
    still = {"type": "image_url", "image_url": {"url": url}}

    def inputs(**body):
        fields = to_request({"model": MODEL, "prompt": "A cat.", **body}).fields
        return {name: fields[name] for name in ("image", "references", "video", "audio") if name in fields}

    assert inputs() == {}
    assert inputs(frame_images=[{**still, "frame_type": "first_frame"}]) == {"image": url}
    assert inputs(input_references=[still]) == {"references": [url]}
    edit = {"video": url, "references": [url], "audio": "auto"}
    assert inputs(input_references=[still, clip]) == edit
    passed = {"options": {"alibaba": {"audio_setting": "origin"}}}
    assert inputs(input_references=[still, clip], provider=passed) == {**edit, "audio": "origin"}
    sized = to_request({"model": MODEL, "prompt": "A cat.", "size": "1280x720"}).fields
    assert (sized["resolution"], sized["ratio"]) == ("720P", "16:9")
    with pytest.raises(InvalidRequest, match="input_references: a r2v model takes 1 to 9; got 10"):
        inputs(input_references=[still] * 10)


def test_the_models_say_what_can_be_asked_of_them(http):
    models = http.get("/api/v1/videos/models").json()["data"]
    assert models[0]["id"] == MODEL
    assert models[0]["pricing_skus"] == {"per-video-second-720p": "0.182", "per-video-second-1080p": "0.312"}
    assert "1280x720" in models[0]["supported_sizes"]


# -- the SDK ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("openrouter")) as server:
        yield server


@pytest.mark.slow
def test_the_unmodified_sdk_makes_clips_edits_and_raises_typed_errors(live):
    openrouter = pytest.importorskip("openrouter")
    with openrouter.OpenRouter(api_key=live.key, server_url=f"{live.url}/api/v1") as sdk:

        def make(**fields):
            made = sdk.video_generation.generate(**{**SMALL, **fields})
            assert made.status == "pending"
            until(lambda: sdk.video_generation.get_generation(job_id=made.id).status == "completed")
            return sdk.video_generation.get_generation(job_id=made.id)

        done = make()
        clip = Path(live.download(done.urls[0])).read_bytes()  # without a credential
        assert b"".join(sdk.video_generation.get_video_content(job_id=done.id).iter_bytes()) == clip
        pictures = [picture(Path(live.picture(number)).read_bytes()) for number in range(3)]
        framed = make(frame_images=[{**pictures[0], "frame_type": "first_frame"}])
        cast = make(input_references=pictures)
        assert [live.generation(job.id)["mode"] for job in (done, framed, cast)] == ["t2v", "i2v", "r2v"]
        source = {"type": "video_url", "video_url": {"url": done.urls[0]}}
        edited = make(input_references=[source], resolution="720p", prompt="Make the mat blue.")
        assert edited.usage.cost == pytest.approx(6 * PRICE["720P"])
        errors = openrouter.errors
        with pytest.raises(
            errors.BadRequestResponseError, match="duration must be a whole number of seconds"
        ):
            sdk.video_generation.generate(**{**SMALL, "duration": 99})
        assert len(sdk.video_generation.list_videos_models().data) == 3
    with (
        openrouter.OpenRouter(api_key="sk-or-wrong", server_url=f"{live.url}/api/v1") as stranger,
        pytest.raises(errors.UnauthorizedResponseError),
    ):
        stranger.video_generation.generate(**SMALL)
