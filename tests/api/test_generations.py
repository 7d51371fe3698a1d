import hashlib
import io
import json
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import jsonschema
import numpy as np
import pytest
from PIL import Image
from rig import PROMPT, SMALL, listening, pipeline, plainly, png, submit, until, working
from sqlalchemy.exc import OperationalError

from happyhorse.engines.base import Progress
from happyhorse.jobs import inputs
from happyhorse.jobs.fetch import Fetcher
from happyhorse.jobs.job import JobError
from happyhorse.jobs.outbound import Outbound
from happyhorse.media.read import decode_video, probe


@pytest.fixture
def http(service):
    with listening(service) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


def refused(response, status, code, *, field=None):
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (problem["status"], problem["code"]) == (status, code)
    if field:
        assert problem["field"] == field
    return problem["detail"]


def test_a_submit_answers_202_with_a_stored_job_and_its_price(http, service):
    answer = http.post("/v1/generations", json=SMALL)
    assert answer.status_code == 202
    made = answer.json()
    assert (made["status"], made["mode"], made["seed"]) == ("queued", "t2v", 7)
    assert (made["price_usd"], made["cost_usd"]) == (0.273, 0.0)
    assert answer.headers["location"] == f"/v1/generations/{made['id']}"
    assert http.get(answer.headers["location"]).json() == made
    assert service.store.get(made["id"], owner="local").request["prompt"] == PROMPT


def test_a_clip_is_made_and_downloaded_in_parts_and_by_its_signed_link(http, service, tmp_path):
    made = http.post("/v1/generations", json=SMALL).json()
    with working(service, tmp_path), http.stream("GET", f"/v1/generations/{made['id']}/events") as stream:
        types = [line[7:] for line in stream.iter_lines() if line.startswith("event: ")]
    assert types[:2] == ["queued", "running"]
    assert types[-1] == "succeeded"
    done = http.get(f"/v1/generations/{made['id']}").json()
    here = f"/v1/generations/{made['id']}/content"
    head = http.head(here)
    assert (head.headers["accept-ranges"], head.headers["content-type"]) == ("bytes", "video/mp4")
    assert int(head.headers["content-length"]) == done["output"]["size_bytes"]
    whole = http.get(done["output"]["url"], headers={"Authorization": ""}).content
    part = http.get(here, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole[10:20])
    assert http.get(here, headers={"Range": "bytes=999999999-"}).status_code == 416
    for senseless in ("lines=0-9", "bytes=9-2", "bytes=abc", "bytes"):
        assert http.get(here, headers={"Range": senseless}).content == whole
    place = service.blobs.path(done["output"]["sha256"])
    os.utime(place, (0, 0))  # as a cache may fetch it anew between two parts of a download
    again = http.get(here, headers={"Range": "bytes=10-19", "If-Range": part.headers["etag"]})
    assert (again.status_code, again.content) == (206, whole[10:20])
    (tmp_path / "clip.mp4").write_bytes(whole)
    assert probe(tmp_path / "clip.mp4").num_frames == 75
    assert http.get(done["output"]["thumbnail_url"]).headers["content-type"] == "image/jpeg"
    assert done["cost_usd"] == 0.273
    assert http.get("/v1/usage").json()["total_usd"] == 0.273


def test_a_poll_leads_to_the_latest_preview_while_the_clip_is_made(http, service):
    job = submit(service)
    running = service.store.begin(job.id, "w")
    here = f"/v1/generations/{job.id}"

    def told(step, preview):
        service.store.progress(job.id, running.attempt, Progress("base", step, 8, step / 8, None, preview))
        return http.get(here).json()["progress"]["preview_url"]

    assert told(1, None) is None
    first = told(2, b"first")
    assert told(3, None) == first  # until there is a newer one
    second = told(4, b"second")
    for url, picture in ((first, b"first"), (second, b"second")):
        answer = http.get(url, headers={"Authorization": ""})
        assert (answer.content, answer.headers["content-type"]) == (picture, "image/jpeg")
    for wrong in (3, 99, "x", "9" * 30):
        refused(http.get(f"{here}/previews/{wrong}"), 404, "not_found")
    service.store.fail(job.id, running.attempt, JobError("engine_error", "no"))
    assert http.get(here).json()["progress"]["preview_url"] is None
    refused(http.get(second), 404, "not_found")


def test_a_database_that_is_away_for_a_moment_ends_no_stream(http, service, monkeypatch, caplog):
    job = submit(service)
    count, away = service.store.event_counts, threading.Event()

    def counts(ids):
        if not away.is_set():
            away.set()
            raise OperationalError("select", {}, Exception("away"))
        return count(ids)

    monkeypatch.setattr(service.store, "event_counts", counts)
    with http.stream("GET", f"/v1/generations/{job.id}/events") as stream:
        lines = stream.iter_lines()
        next(line for line in lines if line == "event: queued")
        away.wait(10)
        service.store.cancel(job.id, owner=None)
        assert next(line for line in lines if line.startswith("event: ")) == "event: canceled"
    assert "did not say what is new" in caplog.text


def test_a_frame_of_a_clip_is_the_next_clips_first(http, service, tmp_path):
    job = submit(service)
    refused(http.get(f"/v1/generations/{job.id}/frames/0"), 404, "not_found")
    pipeline(service, tmp_path).run(job.id, plainly)
    done = http.get(f"/v1/generations/{job.id}").json()["output"]
    frames = decode_video(service.blobs.path(done["sha256"]))
    for name, number in (("37", 37), ("last", 74)):
        answer = http.get(f"/v1/generations/{job.id}/frames/{name}")
        assert answer.headers["content-type"] == "image/png"
        picture = np.asarray(Image.open(io.BytesIO(answer.content)))
        assert np.array_equal(picture, frames[number])
    last = http.get(done["last_frame_url"], headers={"Authorization": ""})
    lossy = http.get(f"/v1/generations/{job.id}/frames/last?format=jpeg")
    near = np.asarray(Image.open(io.BytesIO(lossy.content))).astype(int) - frames[74]
    assert (lossy.headers["content-type"], np.abs(near).mean() < 2) == ("image/jpeg", True)
    stored = http.post("/v1/files", files={"file": ("next.png", last.content)}).json()
    assert http.post("/v1/generations", json={**SMALL, "image": stored["id"]}).json()["mode"] == "i2v"
    for wrong in ("75", "-1", "1.5", "first", "9" * 30):
        said = refused(
            http.get(f"/v1/generations/{job.id}/frames/{wrong}"), 422, "invalid_request", field="frame"
        )
        assert said.startswith("frame must be a whole number from 0 to 74, or last; got '")
    refused(http.get(f"/v1/generations/{job.id}/frames/0?format=gif"), 422, "invalid_request", field="format")


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"duration": 16}, "duration", "from 3 to 15; got 16"),
        ({"duration": True}, "duration", "got True"),
        ({"resolution": "4K"}, "resolution", "one of 480P, 720P, 1080P"),
        ({"prompt": ""}, "prompt", "prompt is empty"),
        ({"durration": 5}, "durration", "did you mean duration?"),
        ({"engine": "sora"}, "engine", "one that runs here, testcard"),
        ({"image": "/etc/passwd"}, "image", "files of the server are not read"),
        ({"image": "http://169.254.169.254/latest"}, "image", "an address that is not public"),
        ({"image": "data:image/png;base64,AAAA"}, "image", ""),
        ({"image": "data:image/png;base64,%%%"}, "image", "not valid base64"),
        ({"metadata": {"a": 1}}, "metadata", "pairs of text"),
    ],
)
def test_a_bad_request_is_refused_with_its_field(http, fields, field, said):
    assert said in refused(
        http.post("/v1/generations", json={**SMALL, **fields}), 422, http_code(fields), field=field
    )


def http_code(fields):
    return "invalid_media" if fields.get("image", "").endswith(("AAAA", "latest")) else "invalid_request"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"prompt": NaN}', b"[" * 100_000, b"\xff\xfe"])
def test_a_body_that_is_no_object_is_refused(http, body):
    headers = {"content-type": "application/json"}
    refused(http.post("/v1/generations", content=body, headers=headers), 422, "invalid_request")


def test_a_body_that_is_too_large_is_refused_before_it_is_read(http):
    head = b"POST /v1/generations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    with socket.create_connection((http.base_url.host, http.base_url.port), timeout=10) as connection:
        connection.sendall(head + b"Content-Length: 50000000\r\n\r\n{")
        answer = b""
        while b"too_large" not in answer and (more := connection.recv(4096)):
            answer += more
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"code":"too_large"' in answer


def test_unknown_things_are_not_found(http):
    refused(http.get("/v1/generations/nothing"), 404, "not_found")
    refused(http.post("/v1/generations/nothing/cancel"), 404, "not_found")
    refused(http.get("/v1/nothing"), 404, "not_found")
    refused(http.put("/v1/generations"), 405, "method_not_allowed")
    refused(http.get("/v1/generations?limit=0"), 422, "invalid_request", field="limit")


def test_a_plan_says_the_price_and_stores_nothing(http):
    found = http.post(
        "/v1/plans", json={**SMALL, "duration": 10, "resolution": "1080P", "draft": False}
    ).json()
    assert found["price_usd"] == 3.12
    assert found["plan"]["num_frames"] == 250
    assert http.get("/v1/generations").json()["data"] == []


def test_a_form_with_files_is_a_request_too(http, service, tmp_path):
    form = {**{name: str(value) for name, value in SMALL.items()}, "metadata": json.dumps({"shot": "1"})}
    files = [("references", ("a.png", png(seed=1))), ("references", ("b.png", png(seed=2)))]
    made = http.post("/v1/generations", data=form, files=files).json()
    assert (made["mode"], made["metadata"], len(made["request"]["references"])) == ("r2v", {"shot": "1"}, 2)
    refused(
        http.post("/v1/generations", data=form, files={"image": ("x", b"no")}),
        422,
        "invalid_media",
        field="image",
    )
    said = http.post("/v1/generations", data=form, files={"image": ("my cat.png", b"no")}).json()["detail"]
    assert said.startswith("image: my cat.png is text, not a readable image")
    refused(http.post("/v1/generations", data=form, files={"other": ("x", b"no")}), 422, "invalid_request")


def test_an_upload_is_used_by_its_id_and_belongs_to_its_key(http):
    made = http.post("/v1/files", files={"file": ("../../cat.png", png())}).json()
    assert (made["name"], made["kind"], made["width"]) == ("cat.png", "image", 512)
    answer = http.post("/v1/generations", json={**SMALL, "image": made["id"]})
    assert (answer.status_code, answer.json()["mode"]) == (202, "i2v")
    assert http.get(f"/v1/files/{made['id']}/content").content == png()
    assert [found["id"] for found in http.get("/v1/files").json()["data"]] == [made["id"]]
    assert http.delete(f"/v1/files/{made['id']}").status_code == 204
    refused(http.post("/v1/generations", json={**SMALL, "image": made["id"]}), 404, "not_found")


def test_inputs_are_fetched_beside_each_other(http, service, monkeypatch):
    monkeypatch.setattr(inputs, "SOON_S", 20)
    together = threading.Barrier(3, timeout=20)

    class Site(BaseHTTPRequestHandler):
        def do_GET(self):
            together.wait()  # answers nobody before all three have asked
            self.send_response(200)
            self.end_headers()
            self.wfile.write(png(seed=int(self.path[1:])))

        def log_message(self, *_):
            pass

    site = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    service.uploads.fetcher = Fetcher(Outbound(allow_local=True))
    urls = [f"http://127.0.0.1:{site.server_port}/{seed}" for seed in range(3)]
    answer = http.post("/v1/generations", json={**SMALL, "references": urls})
    site.shutdown()
    site.server_close()
    assert (answer.status_code, answer.json().get("mode")) == (202, "r2v"), answer.text
    job = service.store.get(answer.json()["id"], owner=None)
    digests = [hashlib.sha256(png(seed=seed)).hexdigest() for seed in range(3)]
    assert [job.media[url]["sha256"] for url in urls] == digests


def test_an_input_is_fetched_from_its_address_where_that_is_allowed(http, service):
    stored = http.post("/v1/files", files={"file": ("cat.png", png())}).json()
    url = stored["urls"]["get"].replace("//127.0.0.1:", "//127.1:")  # not the name that it knows itself by
    service.uploads.fetcher = Fetcher(Outbound(allow_local=True))
    made = http.post("/v1/generations", json={**SMALL, "image": url}).json()
    assert (made["mode"], made["request"]["image"]) == ("i2v", {"url": url})


def test_the_same_idempotency_key_answers_with_the_same_job(http):
    headers = {"Idempotency-Key": "once"}
    first = http.post("/v1/generations", json=SMALL, headers=headers).json()
    assert http.post("/v1/generations", json=SMALL, headers=headers).json()["id"] == first["id"]
    refused(http.post("/v1/generations", json={**SMALL, "seed": 8}, headers=headers), 409, "conflict")


def test_a_form_that_is_sent_again_is_known_by_the_content_of_its_files(http):
    def send(picture, *, metadata="{}", key="once"):
        fields = {name: (None, str(value)) for name, value in SMALL.items()} | {"metadata": (None, metadata)}
        files = {**fields, "image": ("cat.png", picture)}
        return http.post("/v1/generations", files=files, headers={"Idempotency-Key": key})

    first = send(png())
    assert first.status_code == 202
    again = send(png())
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    refused(send(png(seed=1)), 409, "conflict")
    stored = http.post("/v1/files", files={"file": ("cat.png", png())}).json()
    by_id = http.post(
        "/v1/generations", json={**SMALL, "image": stored["id"]}, headers={"Idempotency-Key": "once"}
    )
    assert by_id.json()["id"] == first.json()["id"]
    named = '{"file_id": "mine", "url": "data:,x"}'  # what looks like an input and is none
    assert send(png(), metadata=named, key="another").json()["metadata"] == {
        "file_id": "mine",
        "url": "data:,x",
    }


def test_cancel_retry_and_delete(http, service):
    made = http.post("/v1/generations", json=SMALL).json()
    here = f"/v1/generations/{made['id']}"
    refused(http.delete(here), 409, "conflict")
    refused(http.post(f"{here}/retry"), 409, "conflict")
    assert http.post(f"{here}/cancel").json()["status"] == "canceled"
    assert http.post(f"{here}/cancel").json()["status"] == "canceled"
    again = http.post(f"{here}/retry")
    assert (again.status_code, again.json()["retry_of"], again.json()["seed"]) == (202, made["id"], 7)
    refused(http.get(f"{here}/content"), 404, "not_found")
    assert http.delete(here).status_code == 204
    refused(http.get(here), 404, "not_found")


def test_lists_are_filtered_and_paged(http, service):
    made = [submit(service, seed=seed, metadata={"n": str(seed)}).id for seed in range(5)]
    service.store.cancel(made[0], owner=None)
    first = http.get("/v1/generations?limit=3").json()
    rest = http.get(f"/v1/generations?limit=3&cursor={first['next_cursor']}").json()
    assert {found["id"] for found in first["data"] + rest["data"]} == set(made)
    assert rest["next_cursor"] is None
    assert [found["id"] for found in http.get("/v1/generations?status=canceled").json()["data"]] == [made[0]]
    assert [found["id"] for found in http.get("/v1/generations?metadata.n=3").json()["data"]] == [made[3]]
    assert http.get("/v1/generations?mode=edit").json()["data"] == []


def test_an_event_stream_goes_on_after_the_last_event_that_was_seen(http, service):
    job = submit(service)
    service.store.begin(job.id, "w")
    service.store.cancel(job.id, owner=None)
    service.store.finish_cancel(job.id)

    def numbers(**headers):
        with http.stream("GET", f"/v1/generations/{job.id}/events", headers=headers) as stream:
            return [int(line[4:]) for line in stream.iter_lines() if line.startswith("id: ")]

    assert numbers() == [1, 2, 3, 4]
    assert numbers(**{"Last-Event-ID": "2"}) == [3, 4]
    assert numbers(**{"Last-Event-ID": "4"}) == []  # and it ends, though nothing is left to say
    refused(
        http.get(f"/v1/generations/{job.id}/events", headers={"Last-Event-ID": "x"}), 422, "invalid_request"
    )


def test_the_document_describes_every_route_and_its_examples_are_valid(http):
    document = http.get("/openapi.json").json()
    for path in (
        "/v1/generations",
        "/v1/plans",
        "/v1/generations/{job_id}/events",
        "/v1/files",
        "/v1/keys",
        "/v1/usage",
    ):
        assert path in document["paths"]
    body = document["paths"]["/v1/generations"]["post"]["requestBody"]["content"]["application/json"]
    assert document["components"]["schemas"]["GenerationRequest"]["properties"]["duration"]
    assert http.post("/v1/plans", json=body["examples"]["text"]["value"]).status_code == 200
    text = json.dumps(document)
    for name in {ref.split('"')[0] for ref in text.split('"$ref": "#/components/schemas/')[1:]}:
        assert name in document["components"]["schemas"]


def test_every_answer_has_an_example_that_is_true_to_its_schema(http):
    document = http.get("/openapi.json").json()
    native = {"generations", "webhooks", "files", "keys", "usage", "models"}
    operations = [found for path in document["paths"].values() for found in path.values()]
    answers = [
        found["responses"][status]["content"]["application/json"]["schema"]
        for found in operations
        if native & set(found.get("tags", ()))
        for status in found["responses"].keys() & {"200", "201", "202"}
        if "application/json" in found["responses"][status].get("content", {})
    ]
    names = {answer.get("items", answer)["$ref"].rpartition("/")[2] for answer in answers if answer}
    assert len(names) > 12
    for name in names | {"KeyLimits", "Problem"}:
        (example,) = document["components"]["schemas"][name]["examples"]
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        jsonschema.validate(example, schema, format_checker=jsonschema.FormatChecker())
        assert (
            example.keys() == document["components"]["schemas"][name]["properties"].keys()
            or name == "KeyLimits"
        )


def test_health_and_metrics_need_no_key_and_count_by_route(http, service):
    submit(service)
    assert http.get("/healthz").json() == {"status": "ok"}
    assert http.get("/readyz").json() == {"status": "ok", "workers": []}
    http.get("/v1/generations/whatever")
    text = http.get("/metrics").text
    assert 'happyhorse_jobs{status="queued"} 1.0' in text
    assert 'route="/v1/generations/{job_id}",status="404"' in text
    assert "whatever" not in text
    http.request("MADEUP", "/v1/generations")  # each label is kept for ever, so no caller may choose one
    assert "MADEUP" not in http.get("/metrics").text


def test_models_say_what_can_be_asked_for_here(http):
    (found,) = http.get("/v1/models").json()["data"]
    assert (found["id"], found["live"], found["default"]) == ("testcard", False, True)
    assert found["price_usd_per_second"]["1080P"] == 0.312


def test_a_failure_of_the_server_is_logged_without_what_a_path_could_smuggle_in(service, monkeypatch, caplog):
    def broken(*_, **__):
        raise RuntimeError("broken")

    monkeypatch.setattr(service.store, "get", broken)
    with listening(service) as url:
        refused(httpx.get(f"{url}/v1/generations/a%0Aroot%20logged%20in%1b[2J"), 500, "error")
    (line,) = [record.getMessage() for record in caplog.records if record.name == "happyhorse.api"]
    assert line.isprintable()


def test_links_of_this_server_are_inputs_though_no_address_of_this_network_is(http, service, tmp_path):
    made = http.post("/v1/generations", json={**SMALL, "draft": False}).json()
    here = str(http.base_url.join(f"/v1/generations/{made['id']}"))
    refused(http.post("/v1/plans", json={**SMALL, "image": f"{here}/frames/last"}), 404, "not_found")
    pipeline(service, tmp_path).run(made["id"], plainly)
    output = http.get(here).json()["output"]
    frame, clip = http.get(output["last_frame_url"]).content, output["sha256"]
    for image in (output["last_frame_url"], {"url": f"{here}/frames/74"}):
        job = http.post("/v1/generations", json={**SMALL, "image": image}).json()
        (facts,) = service.store.get(job["id"], owner=None).media.values()
        assert (job["mode"], facts["sha256"]) == ("i2v", hashlib.sha256(frame).hexdigest())
    edit = {"prompt": "Make the cat black.", "resolution": "720P", "video": output["url"]}
    job = http.post("/v1/generations", json=edit).json()
    assert job.get("mode") == "edit", job
    assert [facts["sha256"] for facts in service.store.get(job["id"], owner=None).media.values()] == [clip]
    refused(http.post("/v1/plans", json={**SMALL, "image": f"{here}/frames/75"}), 422, "invalid_request")
    refused(http.post("/v1/plans", json={**SMALL, "image": f"{here}/thumbnail"}), 422, "invalid_media")
    refused(http.post("/v1/plans", json={**SMALL, "image": f"{output['last_frame_url']}0"}), 403, "forbidden")


@pytest.mark.parametrize("path", ["/v1/generations", "/v1/files", "/v1/videos", "/runware", "/v1/keys"])
def test_a_client_that_hangs_up_is_no_failure_of_the_server(http, caplog, path):
    kind = "multipart/form-data; boundary=b" if path in ("/v1/files", "/v1/videos") else "application/json"
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: 1000\r\n\r\n"
    with socket.create_connection((http.base_url.host, http.base_url.port), 10) as connection:
        connection.sendall(f"{head}--b\r\n".encode())
        assert http.get("/healthz").status_code == 200  # by now it reads the body
    until(lambda: 'status="4' in http.get("/metrics").text, timeout_s=10)
    assert caplog.text == ""


def test_a_failure_of_the_server_is_counted(service, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("broken")

    monkeypatch.setattr(service.store, "get", broken)
    with listening(service) as url:
        assert httpx.get(f"{url}/v1/generations/a").status_code == 500
        assert 'route="/v1/generations/{job_id}",status="500"} 1.0' in httpx.get(f"{url}/metrics").text


def test_fields_of_a_form_are_read_as_json_is(http):
    deep = {**SMALL, "metadata": '{"a":' * 100_000}
    assert "metadata is not JSON" in refused(
        http.post("/v1/generations", data=deep, files={"image": ("a.png", png())}), 422, "invalid_request"
    )


def test_six_characters_that_look_like_nul_are_text_and_nul_is_none(http):
    written = {**SMALL, "prompt": PROMPT + r" A sign says \u0000."}
    assert http.post("/v1/generations", json=written).json()["request"]["prompt"] == written["prompt"]
    for text in ("\0", "\\\0"):
        refused(http.post("/v1/generations", json={**SMALL, "prompt": PROMPT + text}), 422, "invalid_request")


def test_a_resend_through_another_name_of_the_server_makes_no_second_job(http):
    body = {**SMALL, "webhook_url": "https://receiver.test/hook"}
    first, second = (
        http.post(
            "/v1/generations",
            json=body,
            headers={"Idempotency-Key": "k", "Host": f"{host}:{http.base_url.port}"},
        )
        for host in ("127.0.0.1", "localhost")
    )
    assert first.json()["id"] == second.json()["id"]
