"""Values that no client sends by mistake: every answer is a problem of the caller's, none a failure of the server's."""

import json

import httpx
import pytest
from rig import SMALL, listening, submit

STRANGE = [
    "\0", "a\0b", "%00", "%ed%a0%80", "\ud800", "../../etc/passwd", "..%2f..%2fetc", "'; DROP TABLE jobs; --", "\u202e", "x" * 5000,
    "%", "{}", "\r\n", "9" * 400, "-1", "1e999", "null", "\U0001f40e",
]  # fmt: skip


@pytest.fixture
def http(service):
    with listening(service) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


def fine(answer):
    assert answer.status_code < 500, (answer.request.method, str(answer.request.url)[:200], answer.text[:300])


def written(text):
    return "".join(f"%{byte:02x}" for byte in text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("text", STRANGE)
def test_no_path_or_query_makes_the_server_fail(http, service, text):
    job = submit(service)
    for quoted in {written(text), "%25" if text == "%" else text if text.startswith("%") else written(text)}:
        for method, path in (
            ("GET", f"/v1/generations/{quoted}"), ("POST", f"/v1/generations/{quoted}/cancel"),
            ("POST", f"/v1/generations/{quoted}/retry"), ("DELETE", f"/v1/generations/{quoted}"),
            ("GET", f"/v1/generations/{quoted}/events"), ("GET", f"/v1/generations/{quoted}/content"),
            ("GET", f"/v1/generations/{job.id}/content?signature={quoted}&expires={quoted}"),
            ("GET", f"/v1/files/{quoted}"), ("DELETE", f"/v1/files/{quoted}"), ("DELETE", f"/v1/keys/{quoted}"),
            ("GET", f"/v1/generations?cursor={quoted}"), ("GET", f"/v1/generations?metadata.{quoted}={quoted}"),
            ("GET", f"/v1/generations?limit={quoted}"), ("GET", f"/v1/generations?mode={quoted}&status={quoted}"),
            ("GET", f"/v1/files?cursor={quoted}"), ("GET", f"/v1/usage?days={quoted}"), ("GET", f"/api/v1/tasks/{quoted}"),
            ("GET", f"/api/v1/tasks?model_name={quoted}"), ("GET", f"/api/v1/tasks?start_time={quoted}"),
            ("GET", f"/api/v1/uploads?action=getPolicy&model={quoted}"), ("POST", f"/api/v1/tasks/{quoted}/cancel"),
        ):  # fmt: skip
            fine(http.request(method, path))


@pytest.mark.parametrize("text", STRANGE)
def test_no_field_makes_the_server_fail(http, text):
    headers = {"content-type": "application/json"}
    for fields in (
        {"prompt": text}, {"engine": text}, {"metadata": {text: text}}, {"metadata": {"a": text}}, {"image": text},
        {"image": {"file_id": text}}, {"image": {"url": text}}, {text: text}, {"seed": text}, {"duration": text}, {"parent": text},
        {"references": [text]}, {"characters": {text: text}}, {"language": text}, {"negative_prompt": text}, {"video": {}},
        {"image": f"data:image/png;base64,{text}"}, {"image": f"http://{text}/"}, {"image": 1}, {"references": {}},
    ):  # fmt: skip
        content = json.dumps({**SMALL, **fields}).encode()
        for path in ("/v1/generations", "/v1/plans"):
            fine(http.post(path, content=content, headers=headers))
    fine(http.get("/v1/generations?limit=100"))
    fine(http.get("/v1/generations?metadata.a=b"))
    fine(
        http.post("/v1/keys", content=json.dumps({"name": text, "scopes": [text]}).encode(), headers=headers)
    )
    fine(http.post("/v1/keys", content=json.dumps({"name": text}).encode(), headers=headers))
    given = {
        "model": text,
        "input": {"prompt": text, "media": [{"type": text, "url": text}]},
        "parameters": {"seed": text},
    }
    for model in (text, "happyhorse-1.1"):
        content = json.dumps({**given, "model": model}).encode()
        create = "/api/v1/services/aigc/video-generation/video-synthesis"
        fine(http.post(create, content=content, headers={**headers, "X-DashScope-Async": "enable"}))


@pytest.mark.parametrize("value", ["0", "-1", "x", "99999999999", "2147483648", "1.5", "é"])
def test_no_header_makes_the_server_fail(http, service, value):
    job = submit(service)
    service.store.cancel(job.id, owner=None)
    raw = value.encode("latin-1")
    fine(http.get(f"/v1/generations/{job.id}/events", headers={"Last-Event-ID": raw}))
    fine(http.post("/v1/generations", json=SMALL, headers={"Idempotency-Key": raw}))
    fine(http.get("/v1/models", headers={"Authorization": b"Bearer " + raw}))
    fine(http.get("/v1/models", headers={"Host": raw}))
    fine(http.get("/v1/models", headers={"Origin": b"http://[" + raw}))
