"""The inference.sh dialect: its wire formats by plain HTTP, and its SDK, unmodified, against a server process."""

import json

import httpx
import pytest
from live import PRICE, front, serving  # noqa: F401
from rig import PROMPT, listening, pipeline, plainly, png, until, working

T2V = "alibaba/happyhorse-1-1-t2v"
SMALL = {"prompt": PROMPT, "resolution": "480P", "duration": 3, "seed": 42}


@pytest.fixture
def http(service):
    with listening(service) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


def run(http, app=T2V, **given):
    return http.post("/apps/run", json={"app": app, "input": {**SMALL, **given}})


def made(answer):
    assert answer.status_code == 200, answer.text
    assert answer.json()["success"] is True
    return answer.json()["data"]


def refused(answer, status, said):
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["status"]) == (status, status), answer.text
    assert said in answer.json()["detail"]


def test_a_task_is_streamed_line_by_line_until_it_is_completed(http, service, tmp_path):
    task = made(run(http, f"{T2V}@abc123:run"))
    assert (task["status"], task["output"], task["app"]) == (2, None, T2V)
    with (
        working(service, tmp_path, seconds=0.3),
        http.stream(
            "GET", f"/tasks/{task['id']}/stream", headers={"Accept": "application/x-ndjson"}
        ) as answer,
    ):
        assert answer.headers["content-type"] == "application/x-ndjson"
        assert answer.headers["x-accel-buffering"] == "no"
        lines = [json.loads(line) for line in answer.iter_lines()]
    states = [line["status"] for line in lines]
    assert states[0] in (2, 7)
    assert states[-1] == 10
    assert sorted(states) == states
    assert states.count(10) == 1
    last = lines[-1]
    assert last == made(http.get(f"/tasks/{task['id']}"))
    assert last["input"] == {"prompt": PROMPT, "resolution": "480P", "duration": 3, "seed": 42}
    (clip,) = last["output"]["output_meta"]["outputs"]
    assert (clip["seconds"], clip["resolution"], clip["fps"]) == (3, "480p", 25)
    assert http.get(last["output"]["video"]).headers["content-type"] == "video/mp4"


def test_a_quiet_stream_repeats_the_task_before_clients_give_up(http, service, monkeypatch):
    monkeypatch.setattr("happyhorse.api.compat.inferencesh._LINE_S", 0.05)
    task = made(run(http))
    accept = {"Accept": "application/x-ndjson"}
    with http.stream("GET", f"/tasks/{task['id']}/stream", headers=accept) as answer:
        lines = answer.iter_lines()
        assert [json.loads(next(lines))["status"] for _ in range(3)] == [2, 2, 2]
        service.store.cancel(task["id"], owner=None)
        assert [json.loads(line)["status"] for line in lines][-1] == 12


def test_older_clients_get_the_same_tasks_as_server_sent_events(http, service):
    task = made(run(http))
    service.store.cancel(task["id"], owner=None)
    answer = http.get(f"/tasks/{task['id']}/stream", headers={"Accept": "text/event-stream"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    (data,) = [line for line in answer.text.splitlines() if line.startswith("data:")]
    assert json.loads(data.removeprefix("data:"))["status"] == 12


@pytest.mark.parametrize(
    ("app", "given", "status", "said"),
    [
        (T2V, {"duration": 16}, 422, "duration must be a whole number of seconds from 3 to 15"),
        (T2V, {"duration": True}, 422, "duration"),
        (T2V, {"resolution": "4K"}, 422, "resolution"),
        (T2V, {"aspect_ratio": "2:1"}, 422, "aspect_ratio must be one of 16:9"),
        (T2V, {"image": "https://x.test/a.png"}, 422, "image: a t2v model takes none; got 1"),
        ("alibaba/happyhorse-1-0-r2v", {}, 422, "reference_images: a r2v model takes 1 to 9; got 0"),
        ("alibaba/happyhorse-1-0-r2v", {"reference_images": ["data:,"] * 10}, 422, "reference_images"),
        ("alibaba/happyhorse-1-0-video-edit", {}, 422, "video"),
        ("alibaba/flux-1", {}, 404, "Model not exist"),
        (None, {}, 422, "app must be"),
    ],
)
def test_a_bad_input_is_a_problem_that_names_the_field(front, app, given, status, said):  # noqa: F811
    body = {"app": app, "input": {**SMALL, **given}}
    refused(front.post("/apps/run", json=body), status, said)


def test_what_is_no_input_is_refused(http):
    refused(http.post("/apps/run", json={"app": T2V, "input": "a cat"}), 422, "input must be an object")
    refused(http.post("/files", json={"files": {}}), 422, "files must be a list")
    refused(http.post("/files", json={"files": ["a.png"]}), 422, "files must be objects")
    refused(http.get("/tasks/none"), 404, "there is no generation 'none'")
    wrong = http.post("/apps/run", json={}, headers={"Authorization": "Bearer sk-x"})
    refused(wrong, 401, "key")


def announce(http, name="a b.png"):
    listed = [{"uri": "", "filename": name, "content_type": "image/png", "size": 3, "public": None}]
    (entry,) = made(http.post("/files", json={"files": listed}))
    return entry


def put(http, entry, data):
    headers = {"Content-Type": "image/png"}
    return http.put(entry["upload_url"], content=data, headers=headers).status_code


def test_a_file_is_put_once_where_it_was_announced_and_then_is_an_input(http, service):
    entry = announce(http)
    data = png()
    assert http.put(entry["upload_url"].replace("signature=", "signature=0"), content=data).status_code == 403
    assert http.put(entry["upload_url"].split("?")[0], content=data).status_code == 403
    assert put(http, entry, data) == 200
    assert put(http, entry, png(seed=1)) == 409
    assert http.get(entry["uri"]).content == data
    task = made(run(http, "alibaba/happyhorse-1-1-i2v", image=entry["uri"]))
    assert task["input"]["image"] == entry["id"]
    assert service.store.get(task["id"], owner=None).mode == "i2v"
    assert put(http, announce(http), b"no picture") == 422


def test_a_file_may_be_larger_than_a_body_of_json(http):
    entry = announce(http)
    large = bytes(41_000_000)
    for kind, status in (("video/mp4", 422), ("application/json", 413)):
        answer = http.put(entry["upload_url"], content=large, headers={"Content-Type": kind})
        assert answer.status_code == status, answer.text


def test_files_of_a_task_are_listed_and_deleted_with_it(http, service):
    entry = announce(http)
    put(http, entry, png())
    here = f"/tasks/{made(run(http, 'alibaba/happyhorse-1-1-i2v', image=entry['uri']))['id']}"
    assert [file["id"] for file in made(http.get(f"{here}/files"))] == [entry["id"]]
    assert made(http.get(f"{here}/files", params={"role": "output"})) == []
    refused(http.get(f"{here}/files", params={"role": "both"}), 422, "role")
    refused(http.delete(f"{here}/files"), 409, "cancel it before")
    refused(http.delete(here), 409, "cancel it before")
    assert made(http.post(f"{here}/cancel"))["status"] == 12
    assert made(http.delete(f"{here}/files")) == {"deleted": [entry["id"]], "skipped": []}
    assert made(http.delete(f"{here}/files")) == {"deleted": [], "skipped": []}
    assert http.delete(here, params={"files": "true"}).status_code == 204
    refused(http.get(here), 404, "there is no generation")


def test_a_webhook_is_the_task_when_it_is_over(http, service, tmp_path, receiver):
    service.outbound.allow_local = True
    task = made(http.post("/apps/run", json={"app": T2V, "input": SMALL, "webhook": receiver.url}))
    pipeline(service, tmp_path).run(task["id"], plainly)
    until(lambda: receiver.came)
    told = json.loads(receiver.came[0][2])
    assert told == made(http.get(f"/tasks/{task['id']}"))
    bad = {"app": T2V, "input": SMALL, "webhook": "ftp://x.test"}
    refused(http.post("/apps/run", json=bad), 422, "webhook: ")


def test_it_is_also_served_below_its_prefix_and_at_the_old_address(http):
    assert made(http.post("/inferencesh/run", json={"app": T2V, "input": SMALL}))["status"] == 2


# -- the SDK ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    pytest.importorskip("inferencesh")
    with serving(tmp_path_factory.mktemp("inferencesh")) as server:
        yield server


@pytest.fixture
def sdk(live):
    return pytest.importorskip("inferencesh").inference(api_key=live.key, base_url=live.url)


@pytest.mark.slow
def test_the_unmodified_sdk_makes_clips_from_text_an_image_and_references(live, sdk):
    done = sdk.run({"app": T2V, "input": SMALL})
    assert done["status"] == 10
    live.download(done["output"]["video"])
    assert live.generation(done["id"])["mode"] == "t2v"

    done = sdk.run({"app": "alibaba/happyhorse-1-1-i2v", "input": {**SMALL, "image": live.picture()}})
    assert live.generation(done["id"])["mode"] == "i2v"

    images = [live.picture(number) for number in range(3)]
    updates = list(
        sdk.run(
            {"app": "alibaba/happyhorse-1-1-r2v", "input": {**SMALL, "reference_images": images}}, stream=True
        )
    )
    assert updates[-1]["status"] == 10
    shown = live.generation(updates[-1]["id"])
    assert (shown["mode"], len(shown["request"]["references"])) == ("r2v", 3)


@pytest.mark.slow
def test_the_unmodified_sdk_edits_with_each_audio_setting_and_is_billed_in_and_out(live, sdk):
    clip = live.download(sdk.run({"app": T2V, "input": SMALL})["output"]["video"])
    sounds = {}
    for audio in ("auto", "origin", "remove"):
        given = {"prompt": "Make the mat blue.", "video": clip, "resolution": "720P", "audio_setting": audio}
        done = sdk.run({"app": "alibaba/happyhorse-1-0-video-edit", "input": given})
        meta = done["output"]["output_meta"]
        assert (meta["inputs"][0]["seconds"], meta["outputs"][0]["seconds"]) == (3.0, 3.0)
        shown = live.generation(done["id"])
        assert shown["cost_usd"] == pytest.approx(6 * PRICE["720P"])
        sounds[audio] = shown["output"]["sound"]
    assert sounds == {"auto": "retain", "origin": "retain", "remove": "remove"}


@pytest.mark.slow
def test_the_unmodified_sdk_raises_for_bad_input_and_a_wrong_key_and_cancels(live, sdk):
    inferencesh = pytest.importorskip("inferencesh")
    errors = pytest.importorskip("inferencesh.models.errors")
    with pytest.raises(errors.APIError, match="aspect_ratio") as bad:
        sdk.run({"app": T2V, "input": {**SMALL, "aspect_ratio": "2:1"}})
    assert bad.value.status_code == 422
    with pytest.raises(errors.APIError) as wrong:
        inferencesh.inference(api_key="wrong", base_url=live.url).run({"app": T2V, "input": SMALL})
    assert wrong.value.status_code == 401

    task = sdk.run({"app": T2V, "input": {**SMALL, "duration": 15, "resolution": "1080P"}}, wait=False)
    sdk.cancel(task["id"])
    with pytest.raises(RuntimeError, match=r"[Cc]ancelled"):
        sdk.wait_for_completion(task["id"])
    assert until(lambda: live.generation(task["id"])["status"] == "canceled")
    assert live.generation(task["id"])["cost_usd"] == 0
    sdk.tasks.delete(task["id"])
    assert live.http.get(f"/v1/generations/{task['id']}").status_code == 404
