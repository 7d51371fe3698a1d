"""Pools of drawn samples: shapes stay apart, samples are used about as often as said, workers end with their trainer."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from happyhorse.training.draw import CHUNK, DrawnPool


def make_numbers(seeds):
    return [np.full(1 + seed % 2, seed) for seed in seeds]


def make_nothing(seeds):
    raise ValueError("no picture")


def test_batches_are_of_one_shape_and_cover_new_samples():
    rng = np.random.default_rng(0)
    with DrawnPool(make_numbers, key=len, capacity=50, passes=2.0) as pool:
        seen = set()
        for _ in range(60):
            time.sleep(0.01)  # a step of training
            batch = pool.batch(4, rng)
            assert len({len(sample) for sample in batch}) == 1
            assert len({int(sample[0]) for sample in batch}) == 4
            seen |= {int(sample[0]) for sample in batch}
    assert len(seen) > CHUNK
    assert pool.num_drawn <= pool.num_used / 2 + 2 * CHUNK


def test_a_worker_that_fails_is_said_and_not_waited_for():
    with (
        DrawnPool(make_nothing, key=len, capacity=5) as pool,
        pytest.raises(RuntimeError, match="drawing process ended"),
    ):
        pool.batch(1, np.random.default_rng(0))


TRAINER = """
import sys, time
sys.path.insert(0, sys.argv[1])
import numpy as np
from test_draw import make_numbers
from happyhorse.training.draw import DrawnPool

if __name__ == "__main__":
    pool = DrawnPool(make_numbers, key=len, capacity=5)
    pool.batch(1, np.random.default_rng(0))
    print(pool._workers[0].pid, flush=True)
    time.sleep(600)
"""


def test_no_worker_outlives_a_killed_trainer(tmp_path):
    script = tmp_path / "trainer.py"
    script.write_text(TRAINER, encoding="utf-8")
    command = [sys.executable, str(script), str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as trainer:
        worker = int(trainer.stdout.readline())
        os.kill(trainer.pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while Path(f"/proc/{worker}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(f"/proc/{worker}").exists()
