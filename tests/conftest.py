"""Tests check every jaxtyping annotation at run time; production does not."""

import os
import signal

from jaxtyping import install_import_hook

# Two processes of tests at a time: threads of torch that wait by spinning would make each many times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

install_import_hook(["happyhorse.model", "happyhorse.training"], "beartype.beartype")

# A shell starts background jobs with Ctrl-C ignored, and children inherit that; ours are sent it and must hear it.
signal.signal(signal.SIGINT, signal.default_int_handler)
