"""The command over several processes, as torchrun starts it."""

import subprocess
import sys

import pytest

import happyhorse

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.slow
def test_one_process_runs_the_command_and_the_others_end_with_it():
    done = run(*TORCHRUN, "-m", "happyhorse.cli.ranks", "--version")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [happyhorse.__version__]


@pytest.mark.slow
def test_a_command_that_fails_fails_the_run():
    done = run(*TORCHRUN, "-m", "happyhorse.cli.ranks", "generate", "A cat.", "--engine", "none")
    assert done.returncode != 0
    assert done.stderr.count("engine must be one of") == 1


@pytest.mark.slow
def test_without_torchrun_it_says_what_it_is_for():
    done = run(sys.executable, "-m", "happyhorse.cli.ranks", "--version")
    assert (done.returncode, done.stdout) == (2, "")
    assert "is for torchrun" in done.stderr
