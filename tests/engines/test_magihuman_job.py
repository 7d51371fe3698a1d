"""A durable job of the 15 B engine, on a random release: a kill redoes the pass that it fell into and none before it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from rig import open_service, submit, until

pytest.importorskip("diffusers")
pytest.importorskip("transformers")

from magihuman_worker import BEGUN

from happyhorse.engines.catalog import CATALOG
from happyhorse.jobs.job import Status
from happyhorse.media.read import probe

SCRIPT = Path(__file__).with_name("magihuman_worker.py")


def worker(service, folder, *stage):
    paths = os.pathsep.join([str(SCRIPT.parent), str(SCRIPT.parent.parent)])
    command = [sys.executable, str(SCRIPT), str(folder), service.database.plain_url, *stage]
    with (folder / "worker.log").open("ab") as log:
        return subprocess.Popen(command, stderr=log, env={**os.environ, "PYTHONPATH": paths})


def begun(folder):
    return (folder / BEGUN).read_text().split()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "again"),
    [("refine", ["refine", "render"]), ("decode", ["render"])],
)
def test_a_kill_redoes_the_pass_that_it_fell_into_and_none_before_it(tmp_path, stage, again):
    service = open_service(tmp_path)
    service.submitter.engines = lambda: CATALOG
    service.queue.open("magihuman")
    job = submit(service, engine="magihuman", draft=False)
    first = worker(service, tmp_path, stage)
    until(lambda: service.store.get(job.id, owner=None).stage == stage, timeout_s=120)
    first.kill()
    first.wait()
    (tmp_path / BEGUN).unlink()
    second = worker(service, tmp_path)
    until(lambda: service.store.get(job.id, owner=None).is_terminal, timeout_s=120)
    second.terminate()
    second.wait()
    found = service.store.get(job.id, owner=None)
    assert (found.status, found.attempt, found.error) == (Status.SUCCEEDED, 2, None)
    assert begun(tmp_path) == again
    info = probe(service.blobs.path(found.output["sha256"]))
    assert (info.width, info.height, info.num_frames) == (848, 480, 75)
    service.close()
