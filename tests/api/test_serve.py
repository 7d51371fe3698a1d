"""`happyhorse serve` as people run it: processes, signals, keys from the command line."""

import signal
import subprocess
import sys
import threading
import time

import httpx
import pytest
from rig import SMALL, Command, SlowHost, answers, free_port, is_alive, png, until

from happyhorse.db import Database, sqlite_url
from happyhorse.jobs.worker import WorkerStore


def serve(folder, port, *options, host="127.0.0.1"):
    started = Command(
        "serve",
        "--engine",
        "testcard",
        "--port",
        port,
        "--host",
        host,
        "--data-dir",
        folder,
        *options,
        log=folder / "log",
    )
    until(lambda: answers(f"http://127.0.0.1:{port}") or started.process.poll() is not None, timeout_s=300)
    return started


def run(*arguments):
    code = "from happyhorse.cli.app import main; main()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def workers(folder):
    database = Database(sqlite_url(folder))
    rows = WorkerStore(database).list()
    database.close()
    return rows


@pytest.mark.slow
def test_ctrl_c_stops_server_and_worker_and_a_killed_server_loses_no_job(tmp_path):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    first = serve(tmp_path, port, "--testcard-seconds", 30)
    made = httpx.post(f"{url}/v1/generations", json=SMALL).json()
    here = f"{url}/v1/generations/{made['id']}"
    until(lambda: httpx.get(here).json()["progress"]["percent"] > 0)
    (row,) = workers(tmp_path)
    first.kill()
    until(lambda: not is_alive(row.pid), timeout_s=10)  # a worker does not outlive its server
    second = serve(tmp_path, port)
    until(lambda: httpx.get(here).json()["status"] == "succeeded")
    assert httpx.get(f"{url}/v1/usage").json()["total_usd"] == made["price_usd"]
    (row,) = workers(tmp_path)
    assert second.stop() == 0
    until(lambda: not is_alive(row.pid), timeout_s=10)
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.slow
def test_a_killed_worker_is_started_again_beside_its_server(tmp_path):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    started = serve(tmp_path, port, "--testcard-seconds", 3)
    made = httpx.post(f"{url}/v1/generations", json=SMALL).json()
    here = f"{url}/v1/generations/{made['id']}"
    until(lambda: httpx.get(here).json()["progress"]["percent"] > 0)
    subprocess.run(["kill", "-9", str(workers(tmp_path)[0].pid)], check=True)
    until(lambda: httpx.get(here).json()["status"] == "succeeded")
    started.stop()


def test_a_public_address_needs_a_key_first(tmp_path):
    done = run(
        "serve", "--engine", "testcard", "--host", "0.0.0.0", "--port", free_port(), "--data-dir", tmp_path
    )
    assert done.returncode == 2
    assert "make one with 'happyhorse keys create NAME'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_key_made_on_the_command_line_works_at_once(tmp_path):
    port = free_port()
    started = serve(tmp_path, port, "--no-worker", "--without-keys", host="0.0.0.0")
    url = f"http://127.0.0.1:{port}/v1/models"
    assert httpx.get(url).status_code == 401
    limits = ("--requests-per-minute", 60, "--concurrent-jobs", 2, "--daily-spend-limit", 1.5)
    done = run("keys", "create", "ci", *limits, "--data-dir", tmp_path)
    secret = done.stdout.splitlines()[-1]
    assert secret.startswith("hh_")
    assert httpx.get(url, headers={"Authorization": f"Bearer {secret}"}).status_code == 200
    listed = run("keys", "list", "--data-dir", tmp_path).stdout
    assert secret not in listed
    assert "ci  (60 requests a minute, 2 jobs at once, 1.50 USD a day)" in listed
    lifted = ("--lift", "requests-per-minute", "--lift", "concurrent-jobs", "--daily-spend-limit", 0)
    changed = run("keys", "change", listed.split()[0], *lifted, "--data-dir", tmp_path)
    assert changed.stdout == f"{listed.split()[0]}: 0.00 USD a day\n"
    clip = httpx.post(
        url.replace("models", "generations"), json=SMALL, headers={"Authorization": f"Bearer {secret}"}
    )
    assert (clip.status_code, clip.json()["code"]) == (429, "limit_exceeded")
    run("keys", "revoke", listed.split()[0], "--data-dir", tmp_path)
    assert httpx.get(url, headers={"Authorization": f"Bearer {secret}"}).status_code == 401
    started.stop()


@pytest.mark.slow
def test_a_server_that_is_told_to_stop_ends_what_it_streams_in_order_and_soon(tmp_path):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    started = serve(tmp_path, port, "--no-worker")
    job_id = httpx.post(f"{url}/v1/generations", json=SMALL).json()["id"]
    ended, began = [], threading.Barrier(5)

    def watch(path, accept):
        with httpx.stream("GET", f"{url}{path}", headers={"Accept": accept}, timeout=30) as answer:
            lines = answer.iter_lines()
            first = next(lines)
            began.wait(20)
            ended.append((first, list(lines)))  # raises when the answer is cut off

    events = "text/event-stream"
    watched = (
        (f"/v1/generations/{job_id}/events", events),
        (f"/alibaba/happy-horse/requests/{job_id}/status/stream", events),
        (f"/tasks/{job_id}/stream", events),
        (f"/tasks/{job_id}/stream", "application/x-ndjson"),
    )
    threads = [threading.Thread(target=watch, args=each) for each in watched]
    for thread in threads:
        thread.start()
    began.wait(20)
    asked = time.monotonic()
    started.process.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join(20)
    assert time.monotonic() - asked < 2
    assert len(ended) == len(watched)
    assert started.process.wait(20) == 0
    said = (tmp_path / "log").read_text()
    assert "Traceback" not in said
    assert "ASGI" not in said


@pytest.mark.slow
def test_the_worker_beside_a_server_fetches_what_the_server_did_not_wait_for(tmp_path, monkeypatch):
    monkeypatch.setenv("HAPPYHORSE_ALLOW_LOCAL_URLS", "1")
    port, host = free_port(), SlowHost(png((600, 600)))
    url = f"http://127.0.0.1:{port}"
    started = serve(tmp_path, port)
    made = httpx.post(f"{url}/v1/generations", json={**SMALL, "image": host.url}, timeout=30).json()
    here = f"{url}/v1/generations/{made['id']}"
    assert made["status"] == "queued"
    until(lambda: httpx.get(here).json()["progress"]["stage"] == "prepare")
    host.open.set()
    done = until(lambda: (job := httpx.get(here).json())["status"] in ("succeeded", "failed") and job)
    assert (done["status"], done["output"]["width"] == done["output"]["height"]) == ("succeeded", True)
    started.stop()
    host.close()
