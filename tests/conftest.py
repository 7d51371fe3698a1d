"""Tests check every jaxtyping annotation at run time; production does not."""

import os
import signal

import pytest
from jaxtyping import install_import_hook

# Two processes of tests at a time: threads of torch that wait by spinning would make each many times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

install_import_hook(["happyhorse.model", "happyhorse.training"], "beartype.beartype")

# A shell starts background jobs with Ctrl-C ignored, and children inherit that; ours are sent it and must hear it.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item):
    """Tests marked gpu say why they are skipped where there is none."""
    if item.get_closest_marker("gpu") is None:
        return
    import torch  # noqa: PLC0415  most tests are over before it is imported

    if not torch.cuda.is_available():
        pytest.skip(f"needs a CUDA device; torch {torch.__version__} finds none here")
