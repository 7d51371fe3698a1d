"""Two servers as processes: one with the engine `hosted` and a worker, the other a service on the test card that it forwards to."""

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
from live import Live, serving
from rig import PROMPT, Command, answers, free_port, open_service, png, until

from happyhorse.engines.catalog_hosted import FORWARDS
from happyhorse.media.read import probe
from happyhorse.media.write import encode
from happyhorse.provenance.inspect import inspect

pytestmark = pytest.mark.slow
SMALL = {"prompt": PROMPT, "duration": 3, "resolution": "480P", "seed": 7}
SECONDS = 4  # how long the other server takes
OVER = ("succeeded", "failed", "canceled")


@dataclass(frozen=True)
class Pair:
    dialect: str
    there: Live
    here: httpx.Client
    folder: Path

    def submit(self, **fields):
        answer = self.here.post("/v1/generations", json={**SMALL, **fields})
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    def job(self, job_id):
        return self.here.get(f"/v1/generations/{job_id}").json()

    def over(self, job_id, seen=None):
        """Wait for its end; what it showed on the way goes into `seen`."""

        def is_over():
            now = self.job(job_id)
            if seen is not None:
                seen.append(now["progress"])
            return now if now["status"] in OVER else None

        return until(is_over, timeout_s=120, every_s=0.1)

    def upload(self, path):
        answer = self.here.post("/v1/files", files={"file": (path.name, path.read_bytes())})
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def jobs_there(self):
        return self.there.http.get("/v1/generations?limit=100").json()["data"]


@pytest.fixture(scope="module", params=FORWARDS)
def pair(request, tmp_path_factory):
    theirs, ours = tmp_path_factory.mktemp("there"), tmp_path_factory.mktemp("here")
    port = free_port()
    with serving(theirs, "--testcard-seconds", SECONDS) as there, pytest.MonkeyPatch.context() as patch:
        settings = {"DIALECT": request.param, "URL": there.url, "KEY": there.key, "PRICES": "480P=0.5"}
        for name, value in settings.items():
            patch.setenv(f"HAPPYHORSE_HOSTED_{name}", value)
        server = Command("serve", "--engine", "hosted", "--port", port, "--data-dir", ours, log=ours / "log")
        url = f"http://127.0.0.1:{port}"
        try:
            until(lambda: answers(url), timeout_s=300)
            with httpx.Client(base_url=url, timeout=30) as here:
                yield Pair(request.param, there, here, ours)
        finally:
            server.stop()
    assert there.key not in (ours / "log").read_text()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for number in range(3):
        (folder / f"{number}.png").write_bytes(png(seed=number))
    frames = np.zeros((75, 360, 640, 3), np.uint8)
    sound = np.sin(np.arange(3 * 48_000) / 20, dtype=np.float32)[None]
    encode(folder / "source.mp4", frames, size=(640, 360), audio=sound, metadata={})
    return folder


MODES = {
    "t2v": ({}, (848, 480)),
    "i2v": ({"image": "0.png"}, (640, 640)),
    "r2v": ({"references": ["0.png", "1.png", "2.png"], "ratio": "9:16"}, (480, 848)),
    "edit": ({"video": "source.mp4", "resolution": "720P", "audio": "retain"}, (1280, 720)),
}


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_is_made_there_and_kept_here(pair, files, tmp_path, mode):
    fields, size = MODES[mode]
    sent = dict(fields)
    for name in ("image", "video"):
        if name in sent:
            sent[name] = pair.upload(files / sent[name])
    if "references" in sent:
        sent["references"] = [pair.upload(files / name) for name in sent["references"]]
    seen = []
    done = pair.over(pair.submit(**sent), seen)
    assert done["status"] == "succeeded", done["error"]
    place = tmp_path / "clip.mp4"
    place.write_bytes(pair.here.get(f"/v1/generations/{done['id']}/content").content)
    info = probe(place)
    assert (info.width, info.height, info.num_frames, info.has_audio) == (*size, 75, True)
    report = inspect(place)  # both servers signed it; the last word is ours
    assert (report.manifest, report.generation["engine"]) == ("intact", "hosted")
    made = pair.jobs_there()[0]
    assert (made["mode"], made["status"], made["output"]["seed"]) == (mode, "succeeded", 7)
    rate = {"480P": 0.5, "720P": 0.182}[fields.get("resolution", "480P")]
    assert done["cost_usd"] == pytest.approx(rate * (6 if mode == "edit" else 3), abs=0.02)
    percents = [now["percent"] for now in seen]
    assert percents == sorted(percents)
    assert len({percent for percent in percents if 0 < percent < 100}) > 2
    assert pair.there.key not in str(done) + pair.here.get(f"/v1/generations/{done['id']}/plan").text


def test_a_cancel_is_forwarded(pair):
    if pair.dialect == "dashscope":  # which cancels only what waits
        busy = pair.there.http.post("/v1/generations", json=SMALL).json()["id"]
        until(lambda: pair.there.generation(busy)["status"] == "running")
    before = len(pair.jobs_there())
    job = pair.submit(seed=8)
    until(lambda: len(pair.jobs_there()) > before)
    ordered = pair.jobs_there()[0]["id"]
    if pair.dialect == "replicate":
        until(lambda: pair.there.generation(ordered)["status"] == "running")
    pair.here.post(f"/v1/generations/{job}/cancel")
    assert pair.over(job)["status"] == "canceled"
    until(lambda: pair.there.generation(ordered)["status"] == "canceled")
    assert pair.job(job)["cost_usd"] == 0


def test_a_worker_killed_while_it_waits_orders_no_second_clip(pair):
    until(lambda: all(job["status"] in OVER for job in pair.jobs_there()))
    before = len(pair.jobs_there())
    job = pair.submit(seed=9)
    until(lambda: pair.job(job)["progress"]["stage"] == "base", every_s=0.02)
    service = open_service(pair.folder)
    with contextlib.closing(service):
        pid = next(row.pid for row in service.workers.list() if row.state == "live")
    os.kill(pid, signal.SIGKILL)
    done = pair.over(job)
    assert done["status"] == "succeeded", done["error"]
    assert len(pair.jobs_there()) == before + 1


def test_one_worker_waits_for_several_clips_at_once(pair):
    until(lambda: all(job["status"] in OVER for job in pair.jobs_there()))
    jobs = [pair.submit(seed=seed) for seed in (20, 21)]
    until(lambda: [pair.job(job)["status"] for job in jobs] == ["running", "running"])
    until(lambda: sum(job["status"] not in OVER for job in pair.jobs_there()) == 2)
    assert [pair.over(job)["output"]["seed"] for job in jobs] == [20, 21]


def test_what_fails_there_fails_here(pair):
    job = pair.submit(seed=10)
    until(lambda: pair.job(job)["progress"]["stage"] == "base", every_s=0.02)
    ordered = pair.jobs_there()[0]["id"]
    pair.there.http.post(f"/v1/generations/{ordered}/cancel")
    done = pair.over(job)
    assert (done["status"], done["error"]["code"]) == ("failed", "remote_error")
    assert "was canceled there" in done["error"]["message"]
