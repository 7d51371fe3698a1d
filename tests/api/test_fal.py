"""The fal dialect: its wire formats by plain HTTP, and its SDK, unmodified, against a server process over TLS."""

import datetime
import importlib
import ipaddress
import json
import sys

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from live import PRICE, front, serving  # noqa: F401
from rig import PROMPT, listening, pipeline, plainly, png, until, working

from happyhorse.api.server import read_tls
from happyhorse.errors import InvalidRequest

APP = "/alibaba/happy-horse"
T2V = f"{APP}/v1.1/text-to-video"
SMALL = {"prompt": PROMPT, "resolution": "480p", "duration": 3, "seed": 42}


@pytest.fixture
def http(service):
    with listening(service) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


def queued(http, endpoint=T2V, **given):
    answer = http.post(endpoint, json={**SMALL, **given})
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(answer, status, said):
    assert answer.status_code == status, answer.text
    assert answer.headers["x-fal-request-id"]
    assert said in str(answer.json()["detail"])


def test_a_request_goes_from_the_queue_to_its_result(http, service, tmp_path):
    made = queued(http)
    assert (made["status"], made["queue_position"]) == ("IN_QUEUE", 0)
    assert queued(http)["queue_position"] == 1
    waiting = http.get(made["status_url"], params={"logs": True})
    assert (waiting.status_code, waiting.json()["queue_position"]) == (202, 0)
    refused(http.get(made["response_url"]), 400, "Request is still in progress")
    with working(service, tmp_path):
        until(lambda: http.get(made["status_url"]).status_code == 200)
    done = http.get(made["status_url"], params={"logs": "true"})
    assert done.json()["status"] == "COMPLETED"
    assert done.json()["metrics"]["inference_time"] >= 0
    assert [line["message"] for line in done.json()["logs"]][:2] == ["queued", "running"]
    assert done.headers["x-fal-request-id"] == made["request_id"]
    result = http.get(made["response_url"]).json()
    clip = http.get(result["video"]["url"])
    assert len(clip.content) == result["video"]["file_size"]
    assert (result["video"]["content_type"], result["seed"]) == ("video/mp4", 42)


def test_a_running_request_is_told_with_the_key_for_its_logs(http, service):
    made = queued(http)
    service.store.begin(made["request_id"], "w")
    running = http.get(made["status_url"])
    assert (running.status_code, running.json()["status"], running.json()["logs"]) == (
        202,
        "IN_PROGRESS",
        None,
    )


def test_below_run_the_answer_is_the_result_itself(http, service, tmp_path):
    with working(service, tmp_path):
        result = http.post(f"/run{T2V}", json=SMALL).json()
    assert result["seed"] == 42
    assert http.get(result["video"]["url"]).status_code == 200


def test_the_status_is_streamed_until_it_is_completed(http, service, tmp_path):
    made = queued(http)
    with working(service, tmp_path), http.stream("GET", f"{made['status_url']}/stream?logs=1") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        found = [json.loads(line[5:]) for line in answer.iter_lines() if line.startswith("data:")]
    assert found[0]["status"] in ("IN_QUEUE", "IN_PROGRESS")
    assert [status["status"] for status in found].count("COMPLETED") == 1
    assert found[-1]["logs"][-1]["message"] == "succeeded"


@pytest.mark.parametrize(
    ("endpoint", "given", "field", "said"),
    [
        ("text-to-video", {"duration": 16}, "duration", "duration must be a whole number"),
        ("text-to-video", {"prompt": ""}, "prompt", "prompt is required"),
        ("text-to-video", {"prompt": "!!"}, "prompt", "prompt has no words"),
        ("text-to-video", {"aspect_ratio": "2:1"}, "aspect_ratio", "aspect_ratio must be one of"),
        ("text-to-video", {"image_url": "data:,"}, "image_url", "takes none"),
        ("image-to-video", {}, "image_url", "image_url is required"),
        ("image-to-video", {"image_url": "data:,"}, "image_url", "image_url"),
        ("image-to-video", {"image_url": "http://127.0.0.1/a.png"}, "image_url", "image_url: "),
        ("reference-to-video", {}, "image_urls", "image_urls is required"),
        ("v1.1/reference-to-video", {"image_urls": ["data:,"] * 10}, "image_urls", "takes 1 to 9; got 10"),
        ("video-edit", {}, "video_url", "video_url is required"),
        (
            "video-edit",
            {"video_url": "data:,", "reference_image_urls": ["data:,"] * 6},
            "reference_image_urls",
            "takes 0 to 5; got 6",
        ),
        (
            "video-edit",
            {"video_url": "data:,", "audio_setting": "loud"},
            "audio_setting",
            "audio_setting must be",
        ),
    ],
)
def test_a_bad_field_is_located_in_the_body(front, endpoint, given, field, said):  # noqa: F811
    answer = front.post(f"{APP}/{endpoint}", json={**SMALL, **given})
    assert answer.status_code == 422, answer.text
    (detail,) = answer.json()["detail"]
    assert (detail["loc"], detail["type"]) == (["body", field], "value_error")
    assert said in detail["msg"]


def test_what_is_not_there_and_who_is_not_known_are_refused(http):
    refused(http.post(f"{APP}/v2/text-to-video", json=SMALL), 404, "Path /v2/text-to-video not found")
    refused(http.get(f"{APP}/requests/none/status"), 404, "there is no generation")
    refused(http.get(f"{APP}/requests/none"), 404, "there is no generation")
    refused(http.post(T2V, json=SMALL, headers={"Authorization": "Key wrong"}), 401, "key")


def test_a_canceled_request_is_completed_with_an_error_and_cannot_be_canceled_when_it_is_over(http, service):
    made = queued(http)
    answer = http.put(made["cancel_url"])
    assert (answer.status_code, answer.json()) == (202, {"status": "CANCELLATION_REQUESTED"})
    status = http.get(made["status_url"])
    assert (status.status_code, status.json()["error"]) == (200, "Request was cancelled")
    refused(http.get(made["response_url"]), 400, "Request was cancelled")
    job = queued(http)
    begun = service.store.begin(job["request_id"], "w")
    service.store.succeed(begun.id, begun.attempt, {})
    for over in (made, job):
        answer = http.put(over["cancel_url"])
        assert (answer.status_code, answer.json()) == (400, {"status": "ALREADY_COMPLETED"})


def test_a_webhook_holds_the_result_or_the_error(http, service, tmp_path, receiver):
    service.outbound.allow_local = True
    endpoint = f"{T2V}?fal_webhook={receiver.url}"
    done, stopped = queued(http, endpoint), queued(http, endpoint)
    pipeline(service, tmp_path).run(done["request_id"], plainly)
    http.put(stopped["cancel_url"])
    until(lambda: len(receiver.came) == 2)
    told = {body["request_id"]: body for body in (json.loads(came[2]) for came in receiver.came)}
    good, bad = told[done["request_id"]], told[stopped["request_id"]]
    assert (good["status"], good["payload"]) == ("OK", http.get(done["response_url"]).json())
    assert (bad["status"], bad["error"]) == ("ERROR", "Request was cancelled")
    answer = http.post(f"{T2V}?fal_webhook=ftp://x.test", json=SMALL)
    assert answer.json()["detail"][0]["loc"] == ["body", "fal_webhook"]


def test_a_file_is_stored_in_two_steps_or_in_one(http, service):
    data = png()
    sent = {"file_name": "a b.png", "content_type": "image/png"}
    ticket = http.post("/storage/upload/initiate", params={"storage_type": "gcs"}, json=sent).json()
    put = http.put(ticket["upload_url"], content=data, headers={"Content-Type": "image/png"})
    assert put.status_code == 200
    assert http.get(ticket["file_url"]).content == data
    _, key = service.keys.create("fal")
    token = http.post("/storage/auth/token", headers={"Authorization": f"Key {key}"}, json={}).json()
    assert datetime.datetime.fromisoformat(token["expires_at"]) > datetime.datetime.now(datetime.UTC)
    stored = http.post(
        f"{token['base_url']}/files/upload",
        content=data,
        headers={
            "Authorization": f"{token['token_type']} {token['token']}",
            "Content-Type": "image/png",
            "X-Fal-File-Name": "b.png",
        },
    )
    assert http.get(stored.json()["access_url"]).content == data
    made = queued(http, f"{APP}/image-to-video", image_url=ticket["file_url"])
    assert service.store.get(made["request_id"], owner=None).mode == "i2v"


# -- the SDK, over TLS -----------------------------------------------------------------------------------------------------


def certificate(folder):
    """A certificate for localhost that signs itself, and its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    hosts = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    places = folder / "cert.pem", folder / "key.pem"
    places[0].write_bytes(signed.public_bytes(pem))
    places[1].write_bytes(private)
    return places


def test_https_needs_a_certificate_and_the_key_that_fits_it(tmp_path):
    chain, key = certificate(tmp_path)
    (tmp_path / "other").mkdir()
    _, other = certificate(tmp_path / "other")
    assert read_tls(None, None) is None
    assert read_tls(chain, key).key == key
    with pytest.raises(InvalidRequest, match="--tls-cert and --tls-key go together"):
        read_tls(chain, None)
    for cert, private in ((chain, other), (chain, tmp_path / "none"), (key, chain)):
        with pytest.raises(InvalidRequest, match="are not a certificate and its key"):
            read_tls(cert, private)


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    pytest.importorskip("fal_client")
    folder = tmp_path_factory.mktemp("fal")
    with serving(folder, certificate=certificate(folder)) as server:
        yield server


@pytest.fixture(scope="module")
def fal(live):
    """The SDK, imported with the hosts that it reads from the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(live.folder / "cert.pem"))
        patch.setenv("FAL_QUEUE_RUN_HOST", live.host)
        patch.setenv("FAL_RUN_HOST", f"{live.host}/run")
        for name in [name for name in sys.modules if name.split(".")[0] == "fal_client"]:
            patch.delitem(sys.modules, name)
        yield importlib.import_module("fal_client")


@pytest.fixture
def client(fal, live):
    return fal.SyncClient(key=live.key)


def own(number):
    """An endpoint as clients name it."""
    return f"alibaba/happy-horse/{number}"


@pytest.mark.slow
def test_the_unmodified_sdk_makes_clips_from_text_an_image_and_references(live, fal, client):
    seen = []
    result = client.subscribe(own("v1.1/text-to-video"), SMALL, with_logs=True, on_queue_update=seen.append)
    live.download(result["video"]["url"])
    assert result["seed"] == 42
    assert isinstance(seen[0], fal.Queued | fal.InProgress)
    assert isinstance(seen[-1], fal.Completed)

    image = fal.encode_file(live.picture())
    handle = client.submit(own("image-to-video"), {**SMALL, "image_url": image})
    assert handle.get()["video"]["content_type"] == "video/mp4"
    assert live.generation(handle.request_id)["mode"] == "i2v"

    told = list(client.stream(own("v1.1/text-to-video"), SMALL))
    assert told[-2]["status"] == "COMPLETED"
    live.download(told[-1]["video"]["url"])

    images = [fal.encode_file(live.picture(number)) for number in range(3)]
    result = client.run(own("v1.1/reference-to-video"), {**SMALL, "image_urls": images})
    live.download(result["video"]["url"])


@pytest.mark.slow
def test_the_unmodified_sdk_edits_with_each_audio_setting_and_is_billed_in_and_out(live, fal, client):
    made = client.subscribe(own("v1.1/text-to-video"), SMALL)
    clip = fal.encode_file(live.download(made["video"]["url"]))
    sounds = {}
    for audio, video in (("auto", clip), ("origin", made["video"]["url"]), ("remove", clip)):
        given = {
            "prompt": "Make the mat blue.",
            "video_url": video,
            "resolution": "720p",
            "audio_setting": audio,
        }
        handle = client.submit(own("video-edit"), given)
        handle.get()
        shown = live.generation(handle.request_id)
        assert shown["cost_usd"] == pytest.approx(6 * PRICE["720P"])
        sounds[audio] = shown["output"]["sound"]
    assert sounds == {"auto": "retain", "origin": "retain", "remove": "remove"}


@pytest.mark.slow
def test_the_unmodified_sdk_raises_for_a_bad_field_and_a_wrong_key_and_cancels(live, fal, client):
    with pytest.raises(fal.client.FalClientHTTPError) as bad:
        client.submit(own("text-to-video"), {**SMALL, "aspect_ratio": "2:1"})
    assert bad.value.status_code == 422
    assert bad.value.message[0]["loc"] == ["body", "aspect_ratio"]
    with pytest.raises(fal.client.FalClientHTTPError) as wrong:
        fal.SyncClient(key="wrong").submit(own("text-to-video"), SMALL)
    assert wrong.value.status_code == 401

    handle = client.submit(own("text-to-video"), {**SMALL, "duration": 15, "resolution": "1080p"})
    handle.cancel()
    *_, last = handle.iter_events()
    assert last.error == "Request was cancelled"
    assert until(lambda: live.generation(handle.request_id)["status"] == "canceled")
    with pytest.raises(fal.client.FalClientHTTPError, match="cancelled"):
        handle.get()


@pytest.mark.slow
def test_the_sdk_uploads_to_this_server_once_its_storage_is_pointed_here(live, fal, client, monkeypatch):
    monkeypatch.setattr(fal.client, "REST_URL", live.url)
    monkeypatch.setattr(fal.client, "CDN_URL", live.url)
    for repository in ("fal_v3", "fal"):
        link = client.upload_file(live.picture(), repository=repository, fallback_repository=repository)
        assert link.startswith(live.url)
        handle = client.submit(own("v1.1/image-to-video"), {**SMALL, "image_url": link})
        assert handle.get()["seed"] == 42
