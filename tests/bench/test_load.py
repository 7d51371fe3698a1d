import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from happyhorse.bench.load import load_run
from happyhorse.bench.wire import Wire, created


@pytest.fixture
def port():
    class Echo(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(202 if self.headers["Authorization"] == "Bearer k" else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_one_connection_takes_many_calls_and_reads_whole_answers(port):
    with Wire(port, "k") as wire:
        for size in (0, 3, 200_000):
            assert wire.call("POST", "/", b"x" * size) == (202, b"x" * size)
        assert created(wire.call("POST", "/", b'{"id": "a"}')) == "a"
    with Wire(port, "wrong") as wire, pytest.raises(RuntimeError, match="answered 401"):
        created(wire.call("POST", "/", b"{}"))


@pytest.mark.slow
def test_a_short_run_measures_everything(tmp_path):
    report = load_run(tmp_path, seconds=2, rate=10, watchers=20)
    assert (report.submits, report.watchers_who_saw_all) == (20, 20)
    assert report.events_each > 4  # queued, running, progress, succeeded
    assert 0 < report.submit_p50_ms <= report.submit_p99_ms
    assert 0 < report.poll_share < 2
    assert 0 < report.start_p50_ms <= report.start_max_ms
