"""The AI/ML API dialect, which has no SDK: by plain HTTP."""

import httpx
import pytest
from rig import PROMPT, listening, pipeline, plainly

PATH = "/v2/video/generations"
SMALL = {"model": "alibaba/happyhorse-1-0", "prompt": PROMPT, "duration": 3, "resolution": "480P", "seed": 7}


@pytest.fixture
def http(service):
    with listening(service) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


def shown(http, job_id):
    return http.get(PATH, params={"generation_id": job_id}).json()


def refused(answer, status, field, said):
    assert answer.status_code == status, answer.text
    error = answer.json()
    assert (error["statusCode"], error["path"]) == (status, field), error
    assert said in error["message"]


def test_a_generation_goes_from_queued_to_its_link(http, service, tmp_path):
    made = http.post(PATH, json=SMALL).json()
    assert made == {"id": made["id"], "status": "queued", "model": SMALL["model"]}
    service.store.begin(made["id"], "w0")
    assert shown(http, made["id"])["status"] == "generating"
    pipeline(service, tmp_path).run(made["id"], plainly)
    done = shown(http, made["id"])
    assert (done["status"], done["meta"]) == ("completed", {"usage": {"usd_spent": 0.273}})
    assert httpx.get(done["video"]["url"]).headers["content-type"] == "video/mp4"  # no credential


def test_inputs_decide_the_mode_and_a_canceled_one_is_an_error(http, service, tmp_path):
    made = http.post(PATH, json=SMALL).json()["id"]
    pipeline(service, tmp_path).run(made, plainly)
    clip = shown(http, made)["video"]["url"]
    edit = http.post(PATH, json={**SMALL, "video_url": clip, "resolution": "720p"}).json()["id"]
    job = service.store.get(edit, owner=None)
    assert (job.mode, job.plan["billed_seconds"]) == ("edit", 6.0)
    assert http.post(f"/v1/generations/{edit}/cancel").status_code == 200
    told = shown(http, edit)
    assert (told["status"], told["error"]["name"]) == ("error", "canceled")


def test_a_bad_request_names_the_callers_field(http):
    for fields, field, said in (
        ({"duration": 2}, "duration", "from 3 to 15; got 2"),
        ({"aspect_ratio": "2:1"}, "aspect_ratio", "got '2:1'"),
        ({"image_urls": ["a"] * 10}, "image_urls", "takes 1 to 9; got 10"),
        ({"image_url": "http://127.0.0.1/a.png"}, "image_url", "not public"),
        ({"video_url": "data:video/mp4;base64,AAAA"}, "video_url", ""),
    ):
        refused(http.post(PATH, json={**SMALL, **fields}), 400, field, said)
    refused(http.post(PATH, json={**SMALL, "model": "kling"}), 404, "model", "not exist")
    refused(http.get(PATH), 400, "generation_id", "required")
    refused(http.get(PATH, params={"generation_id": "x"}), 404, None, "'x'")
    refused(http.post(PATH, json=SMALL, headers={"Authorization": "Bearer wrong"}), 401, None, "not known")
