import time
from datetime import datetime

import httpx
import pytest
from rig import SMALL, listening, pipeline, plainly, until
from standardwebhooks import Webhook
from test_generations import refused

from happyhorse.jobs.keys import DEFAULT_SCOPES


@pytest.fixture
def http(service):
    service.outbound.allow_local = True
    with listening(service) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


def made(http, service, tmp_path, **fields):
    """A finished clip."""
    job = http.post("/v1/generations", json={**SMALL, **fields}).json()
    pipeline(service, tmp_path).run(job["id"], plainly)
    return http.get(f"/v1/generations/{job['id']}").json()


def deliveries(http, **query):
    return http.get("/v1/webhooks/deliveries", params=query).json()["data"]


def test_an_endpoint_is_made_with_a_secret_that_is_shown_once(http, receiver):
    body = {"url": receiver.url, "events": ["succeeded"]}
    answer = http.post("/v1/webhooks", json=body)
    assert answer.status_code == 201
    endpoint = answer.json()
    secret = endpoint.pop("secret")
    assert secret.startswith("whsec_")
    assert http.get("/v1/webhooks").json() == [endpoint]
    assert http.get(f"/v1/webhooks/{endpoint['id']}").json() == endpoint
    assert endpoint["events"] == ["succeeded"]
    assert http.delete(f"/v1/webhooks/{endpoint['id']}").status_code == 204
    refused(http.get(f"/v1/webhooks/{endpoint['id']}"), 404, "not_found")
    refused(http.delete(f"/v1/webhooks/{endpoint['id']}"), 404, "not_found")


def test_the_secret_of_an_endpoint_can_be_rotated(http, receiver):
    made = http.post("/v1/webhooks", json={"url": receiver.url, "events": ["canceled"]}).json()
    assert made["previous_secret_until"] is None
    answer = http.post(f"/v1/webhooks/{made['id']}/rotate")
    rotated = answer.json()
    assert answer.status_code == 200
    assert rotated["secret"] not in {made["secret"], None}
    until_s = datetime.fromisoformat(rotated["previous_secret_until"]).timestamp() - time.time()
    assert until_s == pytest.approx(24 * 3600, abs=60)
    job = http.post("/v1/generations", json=SMALL).json()
    http.post(f"/v1/generations/{job['id']}/cancel")
    until(lambda: receiver.came)
    _, headers, body = receiver.came[0]
    for secret in (made["secret"], rotated["secret"]):
        assert Webhook(secret).verify(body, headers)["data"]["id"] == job["id"]
    refused(http.post("/v1/webhooks/nothing/rotate"), 404, "not_found")


def test_a_finished_clip_is_told_signed_and_with_a_link_that_works(http, service, receiver, tmp_path):
    secret = http.post("/v1/webhooks", json={"url": receiver.url}).json()["secret"]
    clip = made(http, service, tmp_path)
    until(lambda: receiver.came)
    _, headers, body = receiver.came[0]
    told = Webhook(secret).verify(body, headers)
    assert (told["type"], told["data"]["id"]) == ("generation.succeeded", clip["id"])
    assert told["data"]["output"]["sha256"] == clip["output"]["sha256"]
    link = told["data"]["output"]["url"]
    assert len(httpx.get(link).content) == clip["output"]["size_bytes"]
    assert headers["Content-Type"] == "application/json"


def test_the_log_shows_every_try_and_a_delivery_can_be_replayed(http, service, receiver, tmp_path):
    receiver.script = [500]
    clip = made(http, service, tmp_path, webhook_url=receiver.url)
    assert clip["webhook_url"] == receiver.url
    (waiting,) = until(lambda: [found for found in deliveries(http) if found["tries"]])
    assert (waiting["state"], waiting["generation"], waiting["webhook"]) == ("pending", clip["id"], None)
    assert deliveries(http, state="dead") == []
    assert 'happyhorse_webhook_deliveries{state="pending"} 1.0' in http.get("/metrics").text
    here = f"/v1/webhooks/deliveries/{waiting['id']}"
    replayed = http.post(f"{here}/replay")
    assert (replayed.status_code, replayed.json()["id"]) == (202, waiting["id"])
    until(lambda: http.get(here).json()["state"] == "delivered")
    log = http.get(here).json()
    assert [one["status"] for one in log["log"]] == [500, 204]
    assert log["body"].encode() == receiver.came[1][2]
    assert deliveries(http, generation="another") == []
    refused(http.get("/v1/webhooks/deliveries/nothing"), 404, "not_found")
    refused(http.post("/v1/webhooks/deliveries/nothing/replay"), 404, "not_found")


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({"url": "http://169.254.169.254/"}, "url", "not public"),
        ({"url": "ftp://example.com/"}, "url", "not an http or https URL"),
        ({"url": "https://example.com/", "events": ["born"]}, "events.0", "running"),
        ({"url": "https://example.com/", "events": []}, "events", "at least 1"),
        ({}, "url", "required"),
    ],
)
def test_a_wrong_endpoint_is_refused_with_its_field(http, service, body, field, said):
    service.outbound.allow_local = False
    assert said in refused(http.post("/v1/webhooks", json=body), 422, "invalid_request", field=field)


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"webhook_url": "http://127.0.0.1/"}, "webhook_url", "not public"),
        ({"webhook_url": 7}, "webhook_url", "must be a URL; got '7'"),
        ({"priority": 101}, "priority", "from -100 to 100; got '101'"),
        ({"priority": True}, "priority", "whole number"),
        ({"priority": "high"}, "priority", "got 'high'"),
    ],
)
def test_a_wrong_option_of_the_service_is_refused_with_its_field(http, service, fields, field, said):
    service.outbound.allow_local = False
    answer = http.post("/v1/generations", json={**SMALL, **fields})
    assert said in refused(answer, 422, "invalid_request", field=field)
    assert http.get("/v1/generations").json()["data"] == []


def test_a_priority_is_kept(http):
    assert http.post("/v1/generations", json={**SMALL, "priority": 5}).json()["priority"] == 5
    form = {name: (None, str(value)) for name, value in {**SMALL, "priority": -5}.items()}
    assert http.post("/v1/generations", files=form).json()["priority"] == -5
    assert http.post("/v1/plans", json={**SMALL, "priority": 5}).status_code == 200


def test_webhooks_of_another_key_are_not_there(service, receiver):
    service.outbound.allow_local = True
    mine, other = (service.keys.create(name, scopes=DEFAULT_SCOPES)[1] for name in ("mine", "other"))
    with listening(service, single_user=False) as url, httpx.Client(base_url=url) as http:
        http.headers["Authorization"] = f"Bearer {mine}"
        endpoint = http.post("/v1/webhooks", json={"url": receiver.url}).json()
        job = http.post("/v1/generations", json=SMALL).json()
        http.post(f"/v1/generations/{job['id']}/cancel")
        (found,) = until(lambda: deliveries(http, state="delivered"))
        http.headers["Authorization"] = f"Bearer {other}"
        assert http.get("/v1/webhooks").json() == []
        assert deliveries(http) == []
        for place in (f"/v1/webhooks/{endpoint['id']}", f"/v1/webhooks/deliveries/{found['id']}"):
            refused(http.get(place), 404, "not_found")
        refused(http.post(f"/v1/webhooks/deliveries/{found['id']}/replay"), 404, "not_found")
        del http.headers["Authorization"]
        refused(http.get("/v1/webhooks"), 401, "unauthenticated")
