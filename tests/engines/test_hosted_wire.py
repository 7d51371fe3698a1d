"""What a server may answer that ours does not: moderation, faults on the way, nonsense. Each is one of our errors, in one sentence."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rig import PROMPT, png

from happyhorse.engines import hosted_wire
from happyhorse.engines.catalog_hosted import hosted
from happyhorse.engines.hosted import HostedEngine
from happyhorse.engines.plan import plan
from happyhorse.errors import RemoteError, RemoteRefused, RemoteUnauthorized, RemoteUnreachable
from happyhorse.media.read import probe
from happyhorse.request import parse_request

KEY = "sk-0123456789"
TASK = {"output": {"task_id": "t1", "task_status": "PENDING"}}
PREDICTION = {"id": "p1", "status": "starting"}
ORDERED = {"dashscope": TASK, "replicate": PREDICTION}
LOST = object()


class Scripted:
    """A server that says what the test wants it to say, in order; the last answer is said again. Keeps what came."""

    def __init__(self):
        self.script, self.came = [], []
        here = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                length = int(self.headers.get("Content-Length") or 0)
                here.came.append((self.command, self.path, dict(self.headers), self.rfile.read(length)))
                answer = here.script.pop(0) if len(here.script) > 1 else here.script[0]
                if answer is LOST:
                    self.connection.close()
                    return
                status, body = answer if isinstance(answer, tuple) else (200, answer)
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header(
                    "Content-Type", "text/html" if isinstance(body, bytes) else "application/json"
                )
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_POST(self):
                self.do_GET()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def server():
    made = Scripted()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    monkeypatch.setattr(hosted_wire, "_FIRST_PAUSE_S", 0.01)


def run(server, folder, *script, dialect="dashscope", image=None):
    """Order and render a clip by a script."""
    server.script = list(script)
    engine = HostedEngine(hosted(dialect, server.url), KEY, patience_s=0.3)
    request = parse_request({"prompt": PROMPT, "duration": 3, "engine": "hosted", "image": image})
    decided = plan(request, engine.capabilities, media={image: probe(Path(image))} if image else {})
    take = engine.denoise(decided, on_progress=lambda _: None)
    return engine.render(decided, take, folder / "clip.mp4", on_progress=lambda _: None)


def failing(kind, server, folder, *script, **options):
    with pytest.raises(kind) as caught:
        run(server, folder, *script, **options)
    assert type(caught.value) is kind
    assert KEY not in caught.value.message
    assert "\n" not in caught.value.message
    assert list(folder.glob("*clip*")) == []
    return caught.value.message


def task(status, **output):
    return {"output": {"task_id": "t1", "task_status": status, **output}}


@pytest.mark.parametrize(
    "script",
    [
        [(400, {"code": "DataInspectionFailed", "message": "Input text may contain inappropriate content."})],
        [TASK, task("RUNNING"), task("FAILED", code="DataInspectionFailed.Output", message="Output may\ncontain it.")],
    ],
    ids=["order", "task"],
)  # fmt: skip
def test_what_moderation_says_is_a_refusal(server, tmp_path, script):
    said = failing(RemoteRefused, server, tmp_path, *script)
    assert said.startswith(f"{server.url} refused the request: ")
    assert "(DataInspectionFailed" in said


def test_what_replicates_moderation_says_is_a_refusal(server, tmp_path):
    error = "The input or output was flagged as sensitive. Please try again. (E005)"
    script = [PREDICTION, {**PREDICTION, "status": "failed", "error": error}]
    assert "flagged as sensitive" in failing(RemoteRefused, server, tmp_path, *script, dialect="replicate")


def test_a_key_that_is_quoted_back_is_not_shown(server, tmp_path):
    answer = {"code": "InvalidApiKey", "message": f"no such key: {KEY}"}
    assert "no such key: ***" in failing(RemoteUnauthorized, server, tmp_path, (401, answer))


@pytest.mark.parametrize("dialect", ORDERED)
def test_an_order_that_was_surely_not_taken_is_sent_again(server, tmp_path, dialect):
    script = [(503, b"busy"), (429, {"message": "slow down"}), ORDERED[dialect], (404, b"gone")]
    failing(RemoteRefused, server, tmp_path, *script, dialect=dialect)
    assert [method for method, *_ in server.came] == ["POST", "POST", "POST", "GET"]


@pytest.mark.parametrize("dialect", ORDERED)
@pytest.mark.parametrize("answer", [LOST, (502, b"bad gateway")], ids=["lost", "gateway"])
def test_an_order_that_may_have_been_taken_is_sent_once(server, tmp_path, dialect, answer):
    kind = RemoteUnreachable if answer is LOST else RemoteError
    failing(kind, server, tmp_path, answer, ORDERED[dialect], dialect=dialect)
    assert len(server.came) == 1


def test_a_poll_is_tried_again_until_patience_ends(server, tmp_path):
    script = [TASK, (502, b""), LOST, task("FAILED", code="InternalError", message="no luck")]
    said = failing(RemoteError, server, tmp_path, *script)
    assert said == f"task t1 at {server.url} failed: no luck (InternalError)"
    said = failing(RemoteUnreachable, server, tmp_path, TASK, (503, b""))
    assert said == f"{server.url} does not serve now (it answered 503); tried for 0.3 s"


@pytest.mark.parametrize(
    ("dialect", "script", "said"),
    [
        ("dashscope", [b"<html>"], "answered 200 with text/html, which is not its API"),
        ("dashscope", [{}], "took the order and answered no task_id"),
        ("dashscope", [TASK, task("UNKNOWN")], "is not known there any more"),
        ("dashscope", [TASK, task("CANCELED")], "was canceled there"),
        ("dashscope", [TASK, task("ASLEEP")], "has a status that is not known here, 'ASLEEP'"),
        ("dashscope", [TASK, task("SUCCEEDED")], "finished the clip and named no link to it"),
        ("dashscope", [TASK, task("SUCCEEDED", video_url="file:///etc/passwd")], "named no link"),
        ("dashscope", [TASK, task("SUCCEEDED", video_url="http://[::1")], "named a link that leads nowhere"),
        ("replicate", [{"status": "starting"}], "took the order and answered no id"),
        ("replicate", [PREDICTION, {"status": "canceled"}], "was canceled there"),
        ("replicate", [PREDICTION, {"status": "failed"}], "failed: it does not say why"),
        ("replicate", [PREDICTION, {"status": "succeeded", "output": []}], "named no link to it"),
    ],
)
def test_an_answer_that_makes_no_sense_is_an_error(server, tmp_path, dialect, script, said):
    assert said in failing(RemoteError, server, tmp_path, *script, dialect=dialect)


def test_a_link_that_holds_no_clip_is_an_error(server, tmp_path):
    done = task("SUCCEEDED", video_url=f"{server.url}/clip.mp4?Signature=x")
    said = failing(RemoteError, server, tmp_path, TASK, done, b"<html>")
    assert "sent something that is not a whole clip" in said
    said = failing(RemoteError, server, tmp_path, TASK, done, (403, b"expired"))
    assert "its link answered 403" in said
    headers = [headers for _, path, headers, _ in server.came if path.startswith("/clip.mp4")]
    assert len(headers) == 2
    assert all("Authorization" not in each for each in headers)


def test_an_upload_goes_without_the_key_and_its_refusal_is_told(server, tmp_path):
    (tmp_path / "in.png").write_bytes(png())
    names = ("policy", "signature", "oss_access_key_id", "x_oss_object_acl", "x_oss_forbid_overwrite")
    policy = {**dict.fromkeys(names, "p"), "upload_host": f"{server.url}/bucket", "upload_dir": "d"}
    script = [{"data": policy}, (403, b"<Error/>")]
    said = failing(RemoteError, server, tmp_path, *script, image=str(tmp_path / "in.png"))
    assert said == f"{server.url} named a place for image.png that did not take it (it answered 403)"
    method, path, headers, body = server.came[-1]
    assert (method, path) == ("POST", "/bucket")
    assert "Authorization" not in headers
    assert str(tmp_path).encode() not in body
    said = failing(RemoteError, server, tmp_path, {"data": {}}, image=str(tmp_path / "in.png"))
    assert "an upload policy without its fields" in said
    said = failing(
        RemoteError, server, tmp_path, b"<html>", image=str(tmp_path / "in.png"), dialect="replicate"
    )
    assert "which is not its API" in said
