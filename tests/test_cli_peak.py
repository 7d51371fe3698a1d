"""What `--plan` says of nano's memory is what the command then takes."""

import json
import subprocess
import sys

import pytest

PROMPT = 'A woman speaks to camera in a café. She says: "Welcome back."'
# A small process between: the peak of a child begins with that of the process that starts it.
WATCH = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Linux counts the peak of a child in KiB")
@pytest.mark.parametrize(("seconds", "resolution"), [("3", "480P"), ("5", "1080P")])
def test_a_clip_takes_the_memory_that_its_plan_says(tmp_path, seconds, resolution):
    command = [sys.executable, "-m", "happyhorse", "generate", PROMPT, "--duration", seconds, "--resolution", resolution]  # fmt: skip

    def said(*words):
        return subprocess.run(words, capture_output=True, check=True, text=True).stdout

    planned = json.loads(said(*command, "--plan", "--json"))["peak_memory_bytes"]
    watched = said(sys.executable, "-c", WATCH, *command, "-o", str(tmp_path / "clip.mp4"))
    assert planned == pytest.approx(1024 * int(watched.split()[-1]), rel=0.15)
