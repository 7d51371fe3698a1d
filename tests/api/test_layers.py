"""A job is one job: whichever layer made it, every layer shows it, in its own words."""

import socket
import time

import httpx
import pytest
from rig import PROMPT, listening, pipeline, plainly

from happyhorse.api.compat.openai_body import video_id
from happyhorse.api.compat.replicate import prediction_id

SMALL = {"prompt": PROMPT, "resolution": "480p", "duration": 3, "seed": 7, "watermark": False}
PARAMETERS = {"resolution": "480P", "duration": 3, "seed": 7, "watermark": False}
# layer -> how a clip is asked for: path, body, and where the job's id is in the answer
ASKS = {
    "native": ("/v1/generations", SMALL, lambda told: told["id"]),
    "dashscope": (
        "/api/v1/services/aigc/video-generation/video-synthesis",
        {"model": "happyhorse-1.1-t2v", "input": {"prompt": PROMPT}, "parameters": PARAMETERS},
        lambda told: told["output"]["task_id"],
    ),
    "inferencesh": (
        "/apps/run",
        {"app": "alibaba/happyhorse-1-1-t2v", "input": SMALL},
        lambda told: told["data"]["id"],
    ),
    "fal": ("/alibaba/happy-horse/v1.1/text-to-video", SMALL, lambda told: told["request_id"]),
    "mcp-happyhorse": ("/happyhorse/videos", {"action": "generate", **SMALL}, lambda told: told["task_id"]),
}  # fmt: skip


def shown(http, job_id):
    """The state of a job in each layer."""
    runware = {"taskType": "getResponse", "taskUUID": job_id}

    def get(path):
        return http.get(path).json()

    def post(path, body):
        return http.post(path, json=body).json()

    return {
        "native": get(f"/v1/generations/{job_id}")["status"],
        "dashscope": get(f"/api/v1/tasks/{job_id}")["output"]["task_status"],
        "openai": get(f"/v1/videos/{video_id(job_id)}")["status"],
        "replicate": get(f"/v1/predictions/{prediction_id(job_id)}")["status"],
        "inferencesh": get(f"/tasks/{job_id}")["data"]["status"],
        "fal": get(f"/alibaba/happy-horse/requests/{job_id}/status")["status"],
        "openrouter": get(f"/api/v1/videos/{job_id}")["status"],
        "aiml": get(f"/v2/video/generations?generation_id={job_id}")["status"],
        "mcp-happyhorse": post("/happyhorse/tasks", {"id": job_id, "action": "retrieve"})["state"],
        "runware": post("/runware", [runware])["data"][0]["status"],
    }


QUEUED = {
    "native": "queued", "dashscope": "PENDING", "openai": "queued", "replicate": "starting", "inferencesh": 2,
    "fal": "IN_QUEUE", "openrouter": "pending", "aiml": "queued", "mcp-happyhorse": "pending", "runware": "processing",
}  # fmt: skip
SUCCEEDED = {
    "native": "succeeded", "dashscope": "SUCCEEDED", "openai": "completed", "replicate": "succeeded", "inferencesh": 10,
    "fal": "COMPLETED", "openrouter": "completed", "aiml": "completed", "mcp-happyhorse": "succeeded", "runware": "success",
}  # fmt: skip


def test_a_job_of_any_layer_shows_in_all_of_them(service, tmp_path):
    with listening(service) as url, httpx.Client(base_url=url, timeout=30) as http:
        for layer, (path, body, find_id) in ASKS.items():
            answer = http.post(path, json=body, headers={"X-DashScope-Async": "enable"})
            assert answer.status_code in (200, 202), answer.text
            job_id = find_id(answer.json())
            assert shown(http, job_id) == QUEUED, layer
            pipeline(service, tmp_path).run(job_id, plainly)
            assert shown(http, job_id) == SUCCEEDED, layer


def asks_with(image):
    """How each layer asks for a clip from a first frame at an address."""
    return {
        "native": ("/v1/generations", {**SMALL, "image": image}),
        "dashscope": (
            "/api/v1/services/aigc/video-generation/video-synthesis",
            {
                "model": "happyhorse-1.1-i2v",
                "input": {"prompt": PROMPT, "media": [{"type": "first_frame", "url": image}]},
                "parameters": PARAMETERS,
            },
        ),
        "openai": ("/v1/videos", {"model": "happyhorse-1.1", "prompt": PROMPT, "input_reference": {"image_url": image}}),
        "replicate": ("/v1/models/alibaba/happyhorse-1.1/predictions", {"input": {"prompt": PROMPT, "image": image}}),
        "inferencesh": ("/apps/run", {"app": "alibaba/happyhorse-1-1-i2v", "input": {**SMALL, "image": image}}),
        "fal": ("/alibaba/happy-horse/v1.1/image-to-video", {**SMALL, "image_url": image}),
        "aiml": ("/v2/video/generations", {"model": "alibaba/happyhorse-1-0", "prompt": PROMPT, "image_url": image}),
    }  # fmt: skip


@pytest.mark.slow
def test_a_create_answers_in_two_seconds_in_every_layer_however_slow_the_host_of_its_picture_is(service):
    service.outbound.allow_local = True
    with (
        socket.create_server(("127.0.0.1", 0)) as mute,  # takes connections and says nothing
        listening(service) as url,
        httpx.Client(base_url=url, timeout=30) as http,
    ):
        image = f"http://127.0.0.1:{mute.getsockname()[1]}/a.png"
        for layer, (path, body) in asks_with(image).items():
            began = time.monotonic()
            answer = http.post(path, json=body, headers={"X-DashScope-Async": "enable"})
            assert answer.status_code in (200, 201, 202), (layer, answer.text)
            assert time.monotonic() - began < 2, layer
    assert {job.mode for job in service.store.live()} == {"i2v"}
    assert len(service.store.live()) == len(asks_with(""))
