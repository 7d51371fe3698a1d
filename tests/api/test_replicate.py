"""The Replicate dialect: by plain HTTP for its shapes, and with the real SDK, unmodified, against a live server."""

import json
import time
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from live import PRICE, front, serving  # noqa: F401
from rig import PROMPT, listening, pipeline, plainly, png, until, working

from happyhorse.api.compat.replicate import job_id, prediction_id

MODEL = "/v1/models/alibaba/happyhorse-1.1/predictions"
SMALL = {"prompt": PROMPT, "duration": 3, "resolution": "480p", "seed": 7}


@pytest.fixture
def http(service):
    with listening(service) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


def create(http, path=MODEL, *, headers=None, more=None, **given):
    return http.post(path, json={"input": {**SMALL, **given}, **(more or {})}, headers=headers)


def refused(answer, status, said, title=None):
    assert answer.status_code == status, answer.text
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["status"] == status
    assert said in problem["detail"], problem
    assert title in (None, problem["title"])


def test_ids_are_26_letters_and_digits_and_lead_back_to_the_job():
    ours = "01a1fed0-a323-70fd-bde4-de4646c6f763"
    theirs = prediction_id(ours)
    assert len(theirs) == 26
    assert theirs.isalnum()
    assert theirs == theirs.lower()
    assert job_id(theirs) == job_id(ours) == ours


def test_a_prediction_goes_from_starting_to_one_link(http, service, tmp_path):
    answer = create(http, aspect_ratio="9:16")
    made = answer.json()
    assert answer.status_code == 201
    expected = {
        "model": "alibaba/happyhorse-1.1", "version": "hidden", "status": "starting", "output": None, "error": None,
        "logs": "", "started_at": None, "completed_at": None, "data_removed": False, "source": "api",
    }  # fmt: skip
    assert expected.items() <= made.items()
    assert made["input"] == {**SMALL, "resolution": "480P", "aspect_ratio": "9:16"}
    assert made["urls"]["get"].endswith(f"/v1/predictions/{made['id']}")
    pipeline(service, tmp_path).run(job_id(made["id"]), plainly)
    done = http.get(made["urls"]["get"]).json()
    assert done["status"] == "succeeded"
    assert done["logs"].startswith("100%|██████████|")
    assert done["metrics"]["video_output_duration_seconds"] == 3
    assert done["created_at"].endswith("Z")
    assert datetime.fromisoformat(done["created_at"]) <= datetime.fromisoformat(done["completed_at"])
    assert httpx.get(done["output"]).headers["content-type"] == "video/mp4"  # no credential


def test_a_prediction_is_canceled_when_its_time_is_over(http, service):
    assert create(http, headers={"Cancel-After": "1h30m5s"}).status_code == 201
    (job,) = service.store.live()
    assert job.cancel_at - job.created_at == pytest.approx(5405, abs=1)
    made = create(http, headers={"Cancel-After": "5"}).json()  # nobody works, so it waits
    until(lambda: http.get(made["urls"]["get"]).json()["status"] == "canceled", timeout_s=20, every_s=0.3)
    assert service.store.get(job.id, owner=None).status == "queued"


@pytest.mark.parametrize("lifetime", ["4s", "0", "", "soon", "5 m", "-5m", "1m1h", "999999999999"])
def test_a_lifetime_that_is_none_is_refused(front, lifetime):  # noqa: F811
    answer = create(front, headers={"Cancel-After": lifetime})
    refused(answer, 422, f"- Cancel-After: must be at least 5 s, such as 90s, 5m or 1h30m; got '{lifetime}'")


BAD = [
    ({"duration": 16}, "- input.duration: must be a whole number of seconds from 3 to 15; got 16"),
    ({"duration": "soon"}, "- input.duration: "),
    ({"resolution": "4k"}, "- input.resolution: must be one of 480P, 720P, 1080P"),
    ({"aspect_ratio": "2:1"}, "- input.aspect_ratio: must be one of 16:9"),
    ({"seed": True}, "- input.seed: "),
    ({"prompt": ""}, "- input.prompt: is empty"),
    ({"images": ["data:image/png;base64,AAAA"]}, "- input.images: "),
    ({"images": ["a"] * 10}, "- input.images: a r2v model takes 1 to 9; got 10"),
    ({"image": "http://127.0.0.1/a.png"}, "an address that is not public"),
    ({"image": {"a": 1}}, "- input.image: must be a URL"),
]


def test_a_bad_request_names_the_field_of_the_input(http):
    for given, said in BAD:
        refused(create(http, **given), 422, said, "Input validation failed")
    refused(create(http, "/v1/models/alibaba/happyhorse-7/predictions"), 404, "Model not exist")
    for version in ("5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa", "stability/sdxl", 5):
        answer = create(http, "/v1/predictions", more={"version": version})
        refused(answer, 422, "- version: ", "Invalid version or not permitted")
    refused(http.post(MODEL, json={"input": 5}), 422, "- input: must be an object")
    answer = create(http, more={"webhook": "https://example.com", "webhook_events_filter": ["done"]})
    refused(answer, 422, "- webhook_events_filter: must be a list of some of start, output, logs, completed")
    refused(create(http, more={"webhook": "http://10.0.0.1/"}), 422, "- webhook: ")
    refused(create(http, headers={"Authorization": "Bearer r8_wrong"}), 401, "not known")
    refused(http.get("/v1/predictions/nothing"), 404, "nothing")


def test_images_decide_the_mode_and_are_shown_again_as_links(http, service):
    file = http.post("/v1/files", files={"content": ("a b.png", png(), "image/png")})
    assert file.status_code == 201
    link = file.json()["urls"]["get"]
    for count, mode in ((1, "i2v"), (3, "r2v")):
        made = create(http, images=[link] * count).json()
        job = service.store.get(job_id(made["id"]), owner=None)
        assert job.mode == mode
        shown = made["input"]["image"] if count == 1 else made["input"]["images"][2]
        assert httpx.get(shown).content == png()


def test_versions_name_a_model_in_three_ways(http):
    model = http.get("/v1/models/alibaba/happyhorse-1.0").json()
    assert {"url", "owner", "name", "visibility", "run_count", "latest_version"} <= set(model)
    known = model["latest_version"]["id"]
    assert http.get(f"/v1/models/alibaba/happyhorse-1.0/versions/{known}").json()["id"] == known
    for version in (known, "alibaba/happyhorse-1.0", f"alibaba/happyhorse-1.0:{known}"):
        made = create(http, "/v1/predictions", more={"version": version})
        assert made.json()["model"] == "alibaba/happyhorse-1.0", version
    assert [found["name"] for found in http.get("/v1/models").json()["results"]][:1] == ["happyhorse-1.0"]
    assert http.get("/v1/models/happyhorse-1.1").json()["object"] == "model"


def test_a_request_that_waits_is_answered_at_the_end_or_as_starting(http, service, tmp_path):
    begun = time.monotonic()
    made = create(http, headers={"Prefer": "wait=1"}).json()
    assert made["status"] == "starting"
    assert (
        0.6 <= time.monotonic() - begun < 10
    )  # answered a little before the time is up; a busy machine is late
    with working(service, tmp_path, seconds=0.2):
        done = create(http, headers={"Prefer": "wait"}).json()
    assert (done["status"], done["output"] is not None) == ("succeeded", True)
    with working(service, tmp_path, seconds=30):
        slow = create(http, headers={"Prefer": "wait=1"}).json()
        assert slow["status"] == "starting"  # not processing, which the SDK takes for the end
        until(lambda: http.get(f"/v1/predictions/{slow['id']}").json()["status"] == "processing")
        assert http.post(f"/v1/predictions/{slow['id']}/cancel").json()["status"] == "processing"
        until(lambda: http.get(f"/v1/predictions/{slow['id']}").json()["status"] == "canceled")


def test_cancel_and_list(http, service):
    made = [create(http).json()["id"] for _ in range(2)]
    for _ in range(2):
        assert http.post(f"/v1/predictions/{made[0]}/cancel").json()["status"] == "canceled"
    page = http.get("/v1/predictions").json()
    assert [found["id"] for found in page["results"]] == made[::-1]
    assert (page["next"], page["previous"]) == (None, None)
    older = http.get(f"/v1/predictions?cursor={job_id(made[1])}").json()
    assert [found["id"] for found in older["results"]] == made[:1]


def test_a_video_of_another_dialect_is_a_prediction_too(http):
    video = http.post("/v1/videos", json={"prompt": PROMPT, "seconds": 3, "size": "480P"}).json()
    job = video["id"].removeprefix("video_")
    found = http.get(f"/v1/predictions/{prediction_id(job)}").json()
    assert (found["model"], found["input"]["duration"]) == ("alibaba/happyhorse-1.1", 3)
    assert http.get(f"/replicate/v1/predictions/{found['id']}").json()["id"] == found["id"]


def test_webhooks_tell_start_and_end_signed_with_the_secret_of_the_caller(http, service, tmp_path, receiver):
    replicate = pytest.importorskip("replicate")
    service.outbound.allow_local = True
    wanted = {"webhook": f"{receiver.url}/hook", "webhook_events_filter": ["start", "completed"]}
    made = create(http, more=wanted).json()
    pipeline(service, tmp_path).run(job_id(made["id"]), plainly)
    secret = replicate.webhook.WebhookSigningSecret(**http.get("/v1/webhooks/default/secret").json())
    until(lambda: len(receiver.came) == 2)
    for _, headers, body in receiver.came:
        lowered = {name.lower(): value for name, value in headers.items()}
        replicate.webhook.Webhooks.validate(headers=lowered, body=body.decode(), secret=secret)
    told = [json.loads(body) for _, _, body in receiver.came]
    assert {prediction["id"] for prediction in told} == {made["id"]}
    assert httpx.get(told[-1]["output"]).status_code == 200
    only_start = create(http, more={"webhook": receiver.url, "webhook_events_filter": ["start"]}).json()
    pipeline(service, tmp_path).run(job_id(only_start["id"]), plainly)
    until(lambda: len(receiver.came) == 3)


def test_files_are_shown_to_each_dialect_in_its_own_way(http):
    sent = {"content": ("a.png", png(), "image/png")}
    theirs = http.post("/v1/files", files=sent, data={"metadata": "{}"}).json()
    needed = {
        "id",
        "name",
        "content_type",
        "size",
        "etag",
        "checksums",
        "metadata",
        "created_at",
        "expires_at",
        "urls",
    }
    assert needed <= set(theirs)
    assert (theirs["content_type"], theirs["size"]) == ("image/png", len(png()))
    assert httpx.get(theirs["urls"]["get"]).content == png()  # no credential
    answer = http.post("/v1/files", files={"file": sent["content"]}, data={"purpose": "vision"})
    openai = answer.json()
    assert (answer.status_code, openai["object"], openai["bytes"]) == (200, "file", len(png()))
    assert isinstance(http.get(f"/v1/files/{openai['id']}").json()["created_at"], int)
    listed = http.get("/v1/files").json()
    assert {found["id"] for found in listed["results"]} == {theirs["id"], openai["id"]}
    assert http.delete(f"/v1/files/{openai['id']}").json()["deleted"] is True
    answer = http.delete(f"/v1/files/{theirs['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    refused(http.post("/v1/files", files={"content": ("a.png", b"nothing", "image/png")}), 422, "content")
    answer = http.post("/v1/files", data={"purpose": "vision"})
    refused(answer, 422, "file must be a file")
    assert answer.json()["error"]["param"] == "file"


# -- the SDK ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("replicate")) as server:
        yield server


@pytest.fixture
def sdk(live):
    replicate = pytest.importorskip("replicate")
    return replicate.Client(api_token=live.key, base_url=live.url)


def make(sdk, model="alibaba/happyhorse-1.1", **given):
    prediction = sdk.models.predictions.create(model=model, input={**SMALL, **given})
    prediction.wait()
    assert prediction.status == "succeeded", prediction
    return prediction


@pytest.mark.slow
def test_the_unmodified_sdk_makes_clips_from_text_an_image_and_references(live, sdk):
    made = make(sdk)
    assert (made.progress.percentage, made.progress.total) == (1.0, 100)
    live.download(made.output)
    shown = live.generation(job_id(made.id))
    assert (shown["mode"], shown["seed"], shown["metadata"]["model"]) == ("t2v", 7, "alibaba/happyhorse-1.1")
    assert shown["cost_usd"] == pytest.approx(3 * PRICE["480P"])
    # A file handle goes to /v1/files first; run() waits in the request, and over plain http returns the link itself.
    with Path(live.picture()).open("rb") as picture:
        link = sdk.run("alibaba/happyhorse-1.0", input={**SMALL, "image": picture})
    live.download(str(link))
    newest = sdk.predictions.list().results[0]
    assert live.generation(job_id(newest.id))["mode"] == "i2v"
    cast = make(sdk, images=[Path(live.picture(number)) for number in range(3)])
    shown = live.generation(job_id(cast.id))
    assert (shown["mode"], len(shown["request"]["references"]), len(cast.input["images"])) == ("r2v", 3, 3)


@pytest.mark.slow
@pytest.mark.parametrize("audio", ["auto", "origin", "remove"])
def test_the_unmodified_sdk_edits_and_is_billed_for_input_and_output(live, sdk, audio):
    clip = make(sdk).output  # a link of ours is taken from the store
    edited = make(
        sdk, "alibaba/happyhorse-1.0-video-edit", video=clip, audio_setting=audio, resolution="720p"
    )
    shown = live.generation(job_id(edited.id))
    assert shown["cost_usd"] == pytest.approx(6 * PRICE["720P"])
    # The edit does not touch what sounds: auto keeps it.
    assert shown["output"]["sound"] == {"auto": "retain", "origin": "retain", "remove": "remove"}[audio]


@pytest.mark.slow
def test_the_unmodified_sdk_raises_typed_errors_cancels_and_lists(live, sdk):
    replicate = pytest.importorskip("replicate")
    with pytest.raises(replicate.exceptions.ReplicateError) as caught:
        sdk.models.predictions.create(model="alibaba/happyhorse-1.1", input={**SMALL, "duration": 99})
    assert caught.value.status == 422
    assert caught.value.detail.startswith("- input.duration: must be a whole number of seconds from 3 to 15")
    with pytest.raises(replicate.exceptions.ReplicateError) as caught:
        replicate.Client(api_token="r8_wrong", base_url=live.url).predictions.list()
    assert caught.value.status == 401
    model = sdk.models.get("alibaba/happyhorse-1.1")
    assert (model.owner, model.visibility) == ("alibaba", "public")
    made = sdk.predictions.create(version=model.latest_version.id, input=SMALL)
    made.cancel()
    made.wait()
    assert made.status == "canceled"
    page = sdk.predictions.list()
    assert made.id in [found.id for found in page.results]
    assert page.next is None
    with Path(live.picture()).open("rb") as picture:
        file = sdk.files.create(picture)
    assert file.id in [found.id for found in sdk.files.list()]
    assert sdk.files.get(file.id).checksums == file.checksums
    assert sdk.files.delete(file.id)
    assert sdk.webhooks.default.secret().key.startswith("whsec_")
    assert sdk.accounts.current().type == "user"
