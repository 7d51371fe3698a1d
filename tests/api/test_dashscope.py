"""The DashScope dialect: by plain HTTP for its shapes, and with the vendor's own SDK, unmodified, against a live server."""

import io
import types

import httpx
import pytest
from rig import PROMPT, listening, png, until, working

CREATE = "/api/v1/services/aigc/video-generation/video-synthesis"
ASYNC = {"X-DashScope-Async": "enable"}
SMALL = {"resolution": "480P", "duration": 3, "watermark": False, "seed": 42}


@pytest.fixture
def http(service):
    with listening(service) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


def body(model="happyhorse-1.1-t2v", *, media=None, **parameters):
    given = {"prompt": PROMPT, "extend_prompt": True, "function": "video-synthesis"}
    return {
        "model": model,
        "input": {**given, **({"media": media} if media else {})},
        "parameters": {**SMALL, **parameters},
    }


def create(http, *args, headers=ASYNC, **options):
    return http.post(CREATE, json=body(*args, **options), headers=headers)


def refused(answer, status, code, said=""):
    assert answer.headers["content-type"] == "application/json"
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert said in answer.json()["message"]
    assert set(answer.json()) == {"request_id", "code", "message"}


def test_a_task_goes_from_pending_to_a_link_and_its_usage(http, service, tmp_path):
    made = create(http).json()
    assert made["output"]["task_status"] == "PENDING"
    here = f"/api/v1/tasks/{made['output']['task_id']}"
    with working(service, tmp_path):
        until(lambda: http.get(here).json()["output"]["task_status"] == "SUCCEEDED")
    done = http.get(here).json()
    assert done["usage"] == {
        "duration": 3, "input_video_duration": 0, "output_video_duration": 3, "video_count": 1, "SR": 480, "ratio": "16:9",
    }  # fmt: skip
    assert done["output"]["orig_prompt"] == PROMPT
    assert len(done["output"]["end_time"]) == len("2026-04-25 15:03:25.848")
    assert httpx.get(done["output"]["video_url"]).headers["content-type"] == "video/mp4"


@pytest.mark.parametrize(
    ("options", "status", "code", "said"),
    [
        ({"headers": {}}, 403, "AccessDenied", "current user api does not support synchronous calls."),
        ({"model": "happyhorse-9-t2v"}, 404, "ModelNotFound", "Model not exist"),
        ({"model": "wan2.2-t2v"}, 404, "ModelNotFound", ""),
        ({"duration": 16}, 400, "InvalidParameter", "duration"),
        ({"duration": "5"}, 400, "InvalidParameter", "parameters.duration"),
        ({"duration": True}, 400, "InvalidParameter", "parameters.duration"),
        ({"resolution": "4K"}, 400, "InvalidParameter", "resolution"),
        ({"seed": -1}, 400, "InvalidParameter", "seed"),
        ({"model": "happyhorse-1.1-i2v"}, 400, "InvalidParameter", "takes 1 of type first_frame; got 0"),
        ({"media": [{"type": "first_frame", "url": "data:,"}]}, 400, "InvalidParameter", "takes 0 of type first_frame"),
        ({"media": [{"type": "last_frame", "url": "data:,"}]}, 400, "InvalidParameter", "input.media[0]"),
        (
            {"model": "happyhorse-1.0-i2v", "media": [{"type": "first_frame", "url": "oss://a/b"}]},
            400, "InvalidParameter", "X-DashScope-OssResourceResolve",
        ),
        (
            {"model": "happyhorse-1.0-i2v", "media": [{"type": "first_frame", "url": "http://127.0.0.1/a.png"}]},
            400, "InvalidParameter", "input.media: ",
        ),
    ],
)  # fmt: skip
def test_a_bad_request_has_the_vendors_code_and_field(http, options, status, code, said):
    refused(create(http, **options), status, code, said)


def test_names_of_models_are_read_as_clients_write_them(http, service):
    for name in (
        "alibaba/happyhorse-1.1-text-to-video",
        "HappyHorse-1.0",
        "happy-horse-1.1",
        "wan/happyhorse-1.0-t2v",
    ):
        assert create(http, name).status_code == 200, name


def test_the_vendors_defaults_apply_when_nothing_is_said(http, service):
    answer = http.post(
        CREATE, json={"model": "happyhorse-1.1-t2v", "input": {"prompt": PROMPT}}, headers=ASYNC
    )
    plan = service.store.get(answer.json()["output"]["task_id"], owner=None).plan
    assert (plan["resolution"], plan["watermark"], plan["num_frames"]) == ("1080P", True, 125)


def test_an_unknown_task_is_unknown_and_a_wrong_key_is_refused(http):
    output = http.get("/api/v1/tasks/00000000-0000-0000-0000-000000000000").json()["output"]
    assert output["task_status"] == "UNKNOWN"
    refused(create(http, headers={**ASYNC, "Authorization": "Bearer sk-x"}), 401, "InvalidApiKey")


def test_only_a_pending_task_can_be_canceled(http, service):
    task = create(http).json()["output"]["task_id"]
    assert http.post(f"/api/v1/tasks/{task}/cancel").status_code == 200
    refused(http.post(f"/api/v1/tasks/{task}/cancel"), 400, "UnsupportedOperation")
    task = create(http).json()["output"]["task_id"]
    service.store.begin(task, "w")
    refused(http.post(f"/api/v1/tasks/{task}/cancel"), 400, "UnsupportedOperation")
    found = http.get("/api/v1/tasks?page_no=1&page_size=1&status=CANCELED").json()
    assert (found["total"], found["total_page"], found["data"][0]["status"]) == (1, 1, "CANCELED")


def test_an_upload_goes_where_its_policy_says_and_nowhere_else(http):
    data = http.get("/api/v1/uploads?action=getPolicy&model=happyhorse-1.1-i2v").json()["data"]

    def send(name, **changed):
        form = {
            "policy": data["policy"],
            "Signature": data["signature"],
            "key": f"{data['upload_dir']}/{name}",
            **changed,
        }
        return httpx.post(data["upload_host"], data=form, files={"file": ("x", png())}).status_code

    assert send("a b.png") == 200
    assert send("a b.png") == 400  # nothing is overwritten
    assert send("../b.png") == 403
    assert send("x/b.png") == 403
    assert send("c.png", key="elsewhere/c.png") == 403
    assert send("d.png", Signature="AAAA") == 403
    media = [{"type": "first_frame", "url": f"oss://{data['upload_dir']}/a b.png"}]
    headers = {**ASYNC, "X-DashScope-OssResourceResolve": "enable"}
    assert create(http, "happyhorse-1.1-i2v", media=media, headers=headers).status_code == 200


# -- the vendor's SDK ------------------------------------------------------------------------------------------------------


@pytest.fixture
def sdk(service, tmp_path, monkeypatch):
    dashscope = pytest.importorskip("dashscope")
    _, secret = service.keys.create("sdk")
    with listening(service, single_user=False) as url, working(service, tmp_path, seconds=0.3):
        monkeypatch.setattr(dashscope, "base_http_api_url", f"{url}/api/v1")
        yield types.SimpleNamespace(videos=dashscope.VideoSynthesis, key=secret)


@pytest.mark.slow
def test_the_unmodified_sdk_makes_a_clip_from_text_and_from_a_local_file(sdk, tmp_path):
    done = sdk.videos.call(api_key=sdk.key, model="happyhorse-1.1-t2v", prompt=PROMPT, **SMALL)
    assert (done.status_code, done.output.task_status) == (200, "SUCCEEDED")
    assert httpx.get(done.output.video_url).status_code == 200
    picture = tmp_path / "a b.png"
    picture.write_bytes(png())
    media = [{"type": "first_frame", "url": f"file://{picture}"}]
    done = sdk.videos.call(api_key=sdk.key, model="happyhorse-1.1-i2v", prompt=PROMPT, media=media, **SMALL)
    assert done.output.task_status == "SUCCEEDED"
    assert done.usage.SR == 480 or done.usage["SR"] == 480


@pytest.mark.slow
def test_the_unmodified_sdk_takes_references_edits_errors_cancel_and_list(sdk, tmp_path):
    places = []
    for number in range(3):
        place = tmp_path / f"{number}.png"
        place.write_bytes(png(seed=number))
        places.append({"type": "reference_image", "url": str(place)})
    done = sdk.videos.call(api_key=sdk.key, model="happyhorse-1.1-r2v", prompt=PROMPT, media=places, **SMALL)
    assert done.output.task_status == "SUCCEEDED"
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(httpx.get(done.output.video_url).content)
    for audio in ("auto", "origin"):
        edit = sdk.videos.call(
            api_key=sdk.key, model="happyhorse-1.0-video-edit", prompt="Make the mat blue.", resolution="720P",
            media=[{"type": "video", "url": str(clip)}], audio_setting=audio, watermark=False,
        )  # fmt: skip
        assert edit.output.task_status == "SUCCEEDED", edit
        assert (edit.usage["duration"], edit.usage["input_video_duration"]) == (6.0, 3.0)
    bad = sdk.videos.async_call(api_key=sdk.key, model="happyhorse-1.1-t2v", prompt=PROMPT, duration=99)
    assert (bad.status_code, bad.code) == (400, "InvalidParameter")
    wrong = sdk.videos.async_call(api_key="sk-wrong", model="happyhorse-1.1-t2v", prompt=PROMPT)
    assert (wrong.status_code, wrong.code) == (401, "InvalidApiKey")
    listed = sdk.videos.list(api_key=sdk.key)
    assert listed.status_code == 200
    assert io.StringIO(str(listed)).read()
