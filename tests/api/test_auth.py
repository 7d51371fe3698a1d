import asyncio
import socket
import time
from datetime import UTC, datetime

import httpx
import pytest
import sqlalchemy as sa
from rig import SMALL, listening, open_service, submit, working

from happyhorse.api.app import create_app
from happyhorse.api.links import Links
from happyhorse.api.server import BehindProxy
from happyhorse.client import Client
from happyhorse.db import keys
from happyhorse.errors import LimitExceeded


@pytest.fixture
def url(service):
    with listening(service, single_user=False) as url:
        yield url


def bearer(secret):
    return {"Authorization": f"Bearer {secret}"}


def test_without_a_key_nothing_is_answered_on_a_public_server(url):
    for method, path in (
        ("POST", "/v1/generations"), ("POST", "/v1/plans"), ("GET", "/v1/generations"), ("GET", "/v1/generations/x"),
        ("POST", "/v1/generations/x/cancel"), ("POST", "/v1/generations/x/retry"), ("DELETE", "/v1/generations/x"),
        ("GET", "/v1/generations/x/events"), ("GET", "/v1/generations/x/content"), ("GET", "/v1/generations/x/thumbnail"),
        ("GET", "/v1/generations/x/plan"), ("GET", "/v1/files"), ("DELETE", "/v1/files/x"), ("GET", "/v1/keys"),
        ("DELETE", "/v1/keys/x"), ("GET", "/v1/usage"), ("GET", "/v1/models"), ("GET", "/v1/files/x/content"),
    ):  # fmt: skip
        answer = httpx.request(method, f"{url}{path}")
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), path
        assert answer.headers["www-authenticate"] == "Bearer"


def test_who_has_no_key_is_not_told_what_is_wrong_with_a_request(service, url):
    _, secret = service.keys.create("ci", scopes=["admin"])
    wrong = [
        *(("POST", path, body) for path in ("/v1/keys", "/v1/webhooks", "/v1/prompts", "/v1/webhook_endpoints")
          for body in (b"{", b"[]", b'{"duration": -1}')),
        *(("POST", path, b"{") for path in ("/v1/generations", "/v1/plans", "/v1/files", "/v1/videos", "/apps/run")),
        ("PATCH", "/v1/keys/x", b'{"requests_per_minute": 0}'),
        ("GET", "/v1/generations?limit=no", None), ("GET", "/v1/files?limit=0", None), ("GET", "/v1/usage?days=no", None),
        ("GET", "/v1/webhooks/deliveries?limit=no", None), ("GET", "/v1/videos?limit=no", None),
        ("GET", "/v2/video/generations", None), ("GET", "/v1/generations/x/frames/0?format=gif", None),
    ]  # fmt: skip
    kind = {"Content-Type": "application/json"}
    with httpx.Client(base_url=url, headers=kind) as http:
        for method, path, body in wrong:
            assert http.request(method, path, content=body).status_code == 401, (method, path, body)
            known = http.request(method, path, content=body, headers=bearer(secret))
            assert known.status_code in (400, 404, 422), (method, path, body, known.text)


def test_a_key_works_at_once_and_stops_at_once(service, url):
    key, secret = service.keys.create("ci")
    assert httpx.get(f"{url}/v1/generations", headers=bearer(secret)).status_code == 200
    service.keys.revoke(key.id)
    assert httpx.get(f"{url}/v1/generations", headers=bearer(secret)).status_code == 401


def test_a_secret_is_nowhere_in_the_database(service, tmp_path):
    _, secret = service.keys.create("ci")
    with service.database.read() as connection:
        assert secret not in str(connection.execute(sa.select(keys)).all())
    service.close()
    for place in tmp_path.glob("happyhorse.sqlite*"):
        assert secret.encode() not in place.read_bytes()


@pytest.mark.parametrize("header", ["Bearer hh_wrong", "Bearer", "Basic abc", "hh_wrong", "Bearer \xff"])
def test_a_wrong_credential_is_refused_even_for_the_single_user(service, header):
    with listening(service) as url:
        answer = httpx.get(f"{url}/v1/generations", headers={"Authorization": header.encode("latin-1")})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("proxy", "headers", "base"),
    [
        ("127.0.0.1", {"X-Forwarded-Host": "clips.test", "X-Forwarded-Proto": "https"}, "https://clips.test"),
        ("127.0.0.1", {"X-Forwarded-Host": "made.up, clips.test:8443"}, "http://clips.test:8443"),
        ("127.0.0.1", {}, "http://inner:8000"),
        ("192.0.2.7", {"X-Forwarded-Host": "clips.test", "X-Forwarded-Proto": "https"}, "http://inner:8000"),
    ],
)
def test_links_have_the_name_that_a_trusted_proxy_was_asked_by(service, proxy, headers, base):
    async def account():
        app = BehindProxy(create_app(service, single_user=False), "127.0.0.1")
        transport = httpx.ASGITransport(app, client=(proxy, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://inner:8000") as http:
            return await http.get("/v1/models/alibaba/happyhorse-1.1", headers={**headers, **bearer(secret)})

    _, secret = service.keys.create("ci")
    assert asyncio.run(account()).json()["url"].startswith(f"{base}/v1/models/")


def test_who_has_no_key_cannot_make_the_server_read_a_file(url):
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), 10) as connection:
        head = "POST /v1/files HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 90000000\r\n"
        connection.sendall(f"{head}\r\n--b\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 401 ")  # though the file has not come


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"Origin": "http://127.0.0.1:3000"}, True),
        ({"Origin": "https://evil.test"}, False),
        ({"Origin": "null"}, False),
        ({"Host": "evil.test"}, False),  # a name that was made to point here
        ({"Host": "localhost:8000"}, True),
    ],
)
def test_pages_of_other_sites_cannot_use_a_server_without_keys(service, headers, allowed):
    with listening(service) as url:
        answer = httpx.post(f"{url}/v1/generations", json=SMALL, headers=headers)
    assert answer.status_code == (202 if allowed else 401)
    assert "access-control-allow-origin" not in answer.headers


def test_scopes_bound_what_a_key_may_do(service, url):
    _, reader = service.keys.create("reader", scopes=["read"])
    _, admin = service.keys.create("admin", scopes=["admin"])
    answer = httpx.post(f"{url}/v1/generations", json=SMALL, headers=bearer(reader))
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert httpx.get(f"{url}/v1/keys", headers=bearer(reader)).status_code == 403
    made = httpx.post(f"{url}/v1/keys", json={"name": "new"}, headers=bearer(admin)).json()
    assert httpx.get(f"{url}/v1/models", headers=bearer(made["secret"])).status_code == 200
    listed = httpx.get(f"{url}/v1/keys", headers=bearer(admin))
    assert made["secret"] not in listed.text
    assert "hash" not in listed.text


def test_a_key_sees_its_own_jobs_and_files_only(service, url):
    _, mine = service.keys.create("mine")
    _, other = service.keys.create("other")
    _, admin = service.keys.create("admin", scopes=["admin"])
    made = httpx.post(f"{url}/v1/generations", json=SMALL, headers=bearer(mine)).json()
    here = f"{url}/v1/generations/{made['id']}"
    assert httpx.get(here, headers=bearer(mine)).status_code == 200
    for method, path in (
        ("GET", ""),
        ("POST", "/cancel"),
        ("POST", "/retry"),
        ("DELETE", ""),
        ("GET", "/events"),
    ):
        assert httpx.request(method, here + path, headers=bearer(other)).status_code == 404
    assert httpx.get(f"{url}/v1/generations", headers=bearer(other)).json()["data"] == []
    assert httpx.get(here, headers=bearer(admin)).status_code == 200
    assert httpx.post(f"{here}/cancel", headers=bearer(admin)).status_code == 200
    again = httpx.post(f"{here}/retry", headers=bearer(admin)).json()
    assert httpx.get(f"{url}/v1/generations/{again['id']}", headers=bearer(mine)).status_code == 200


def test_a_rate_limit_counts_submits_and_never_polls(service, url):
    _, secret = service.keys.create("slow", requests_per_minute=2)
    codes = [httpx.post(f"{url}/v1/plans", json=SMALL, headers=bearer(secret)).status_code for _ in range(3)]
    assert codes == [200, 200, 429]
    assert {httpx.get(f"{url}/v1/generations", headers=bearer(secret)).status_code for _ in range(5)} == {200}


def test_a_rate_limit_is_one_for_all_processes_and_lets_in_evenly_when_it_is_used_up(service, tmp_path):
    (tmp_path / "other").mkdir()
    other = open_service(tmp_path / "other", service.database.url)
    key, secret = service.keys.create("slow", requests_per_minute=2)
    service.keys.count(key)
    other.keys.count(key)
    with pytest.raises(LimitExceeded, match=r"2 requests a minute; try again in (29|30) s"):
        service.keys.count(key)
    with service.database.write() as connection:
        connection.execute(sa.update(keys).values(full_at=keys.c.full_at - 30))  # as half a minute later
    other.keys.count(key)
    with listening(service, single_user=False) as url:
        answer = httpx.post(f"{url}/v1/plans", json=SMALL, headers=bearer(secret))
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["code"], answer.json()["retryable"]) == (
        429,
        "limit_exceeded",
        True,
    )
    assert 25 <= int(answer.headers["retry-after"]) <= 30
    other.close()


# Each dialect's way to submit, and where its answer says why it did not.
REFUSALS = [
    ("/v1/videos", {"prompt": "A cat."}, lambda body: body["error"]["code"], "rate_limit_exceeded"),
    ("/alibaba/happy-horse/text-to-video", {"prompt": "A cat."}, lambda body: body["detail"], "requests a minute"),
    ("/v1/models/alibaba/happyhorse-1.1/predictions", {"input": {"prompt": "A cat."}}, lambda body: body["detail"], "minute"),
    ("/api/v1/videos", {"model": "alibaba/happyhorse-1.1", "prompt": "A cat."}, lambda body: body["error"]["message"], "minute"),
    ("/api/v1/services/aigc/video-generation/video-synthesis", {}, lambda body: body["code"], "Throttling"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body", "said", "words"), REFUSALS)
def test_every_dialect_tells_a_caller_that_is_too_fast_in_its_own_form(service, url, path, body, said, words):
    key, secret = service.keys.create("slow", requests_per_minute=1)
    service.keys.count(key)
    headers = {**bearer(secret), "X-DashScope-Async": "enable"}
    answer = httpx.post(f"{url}{path}", json=body, headers=headers)
    assert answer.status_code == 429, answer.text
    assert words in str(said(answer.json()))
    assert 55 <= int(answer.headers["retry-after"]) <= 60


def test_a_spend_limit_stops_submits(service, url):
    _, secret = service.keys.create("poor", spend_limit_usd=0.3)
    assert httpx.post(f"{url}/v1/generations", json=SMALL, headers=bearer(secret)).status_code == 202
    answer = httpx.post(f"{url}/v1/generations", json=SMALL, headers=bearer(secret))
    assert (answer.status_code, answer.json()["code"]) == (429, "limit_exceeded")
    assert "0.300 USD leaves 0.027: 0.000 are spent, 0.273 on their way" in answer.json()["detail"]
    assert "retry-after" not in answer.headers
    assert not answer.json()["retryable"]


class Counted(httpx.HTTPTransport):
    sent = 0

    def handle_request(self, request):
        self.sent += 1
        return super().handle_request(request)


def test_the_sdk_waits_out_a_rate_limit_and_tells_a_spend_limit_at_once(service, url):
    _, poor = service.keys.create("poor", spend_limit_usd=0.1)
    counted = Counted()
    with Client(url, api_key=poor, transport=counted) as client:
        with pytest.raises(LimitExceeded, match=r"limit of 0.100 USD leaves 0.100"):
            client.submit(**SMALL)
        assert counted.sent == 1
    key, fast = service.keys.create("fast", requests_per_minute=60)
    with (
        service.database.write() as connection
    ):  # the bucket of a minute is used up; a place is free in a second
        connection.execute(sa.update(keys).where(keys.c.id == key.id).values(full_at=time.time() + 60))
    counted = Counted()
    with Client(url, api_key=fast, transport=counted) as client:
        assert client.submit(**SMALL).status == "queued"
    assert counted.sent == 2


def test_the_limits_of_a_key_are_shown(service, url):
    _, admin = service.keys.create("admin", scopes=["admin"])
    limits = {
        "requests_per_minute": 5,
        "spend_limit_usd": 9.5,
        "daily_spend_limit_usd": 1.0,
        "concurrent_jobs": 2,
    }
    made = httpx.post(f"{url}/v1/keys", json={"name": "ci", **limits}, headers=bearer(admin)).json()
    assert {name: made[name] for name in limits} == limits
    wrong = httpx.post(f"{url}/v1/keys", json={"name": "ci", "concurrent_jobs": 0}, headers=bearer(admin))
    assert (wrong.status_code, wrong.json()["field"]) == (422, "concurrent_jobs")


def test_the_limits_of_a_key_are_changed_from_the_next_request_on(service, url):
    _, admin = service.keys.create("admin", scopes=["admin"])
    key, secret = service.keys.create("ci", requests_per_minute=1, spend_limit_usd=9.5)
    here = f"{url}/v1/keys/{key.id}"

    def plan():
        return httpx.post(f"{url}/v1/plans", json=SMALL, headers=bearer(secret)).status_code

    def change(**limits):
        return httpx.patch(here, json=limits, headers=bearer(admin))

    assert [plan(), plan()] == [200, 429]
    assert change(requests_per_minute=3).status_code == 200
    assert [plan() for _ in range(4)] == [200, 200, 200, 429]
    changed = change(requests_per_minute=None, daily_spend_limit_usd=0).json()
    assert (changed["requests_per_minute"], changed["spend_limit_usd"]) == (None, 9.5)
    assert {plan() for _ in range(5)} == {200}
    assert httpx.post(f"{url}/v1/generations", json=SMALL, headers=bearer(secret)).status_code == 429
    assert change().json() == changed
    assert change(concurrent_jobs=0).json()["field"] == "concurrent_jobs"
    assert httpx.patch(here, json={}).status_code == 401
    assert httpx.patch(here, json={}, headers=bearer(secret)).status_code == 403
    assert httpx.patch(f"{url}/v1/keys/key-x", json={}, headers=bearer(admin)).status_code == 404


def test_a_result_link_needs_no_key_and_works_for_nothing_else(service, url, tmp_path):
    _, secret = service.keys.create("ci")
    made = httpx.post(f"{url}/v1/generations", json=SMALL, headers=bearer(secret)).json()
    other = submit(service)
    with working(service, tmp_path):
        with httpx.stream(
            "GET", f"{url}/v1/generations/{made['id']}/events", headers=bearer(secret)
        ) as stream:
            stream.read()
        link = httpx.get(f"{url}/v1/generations/{made['id']}", headers=bearer(secret)).json()["output"]["url"]
    assert httpx.get(link).status_code == 200
    assert httpx.head(link).status_code == 200
    assert httpx.get(link.replace(made["id"], other.id)).status_code == 403
    assert httpx.get(link.replace("/content", "/thumbnail")).status_code == 403
    assert httpx.get(link[:-1] + ("0" if link[-1] != "0" else "1")).status_code == 403
    expires = int(link.split("expires=")[1].split("&")[0])
    assert 24 * 3600 <= expires - time.time() <= 26 * 3600
    assert httpx.get(link.replace(str(expires), str(expires + 1))).status_code == 403


def test_an_expired_link_is_refused(service, url):
    path = f"/v1/generations/{submit(service).id}/content"
    past = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp())
    signature = Links(service.secret, None)._signature(path, past)
    answer = httpx.get(f"{url}{path}?expires={past}&signature={signature}")
    assert (answer.status_code, "expired" in answer.json()["detail"]) == (403, True)
