"""Start the process that signs and reads manifests, for one call; it may crash or hang without harm to the caller."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec

from happyhorse.errors import EngineError

_WALL_S = 120


class Refused(Exception):
    """The C2PA library cannot do it with this file; the text is its own."""


def is_installed() -> bool:
    """Whether the C2PA library is there: it is no pure Python, and not every machine has a build."""
    return find_spec("c2pa") is not None


def call_helper(call: Mapping[str, object]) -> dict[str, object]:
    """Run one call. Raises: Refused when the library says no or the process dies of the file; EngineError when it hangs."""
    command = [sys.executable, "-P", "-m", "happyhorse.provenance.helper"]
    environment = {"PYTHONPATH": os.pathsep.join(place for place in sys.path if place)}
    try:
        done = subprocess.run(
            command,
            input=json.dumps(call).encode(),
            capture_output=True,
            env=environment,
            timeout=_WALL_S,
            check=False,
        )
    except subprocess.TimeoutExpired as err:
        raise EngineError(f"the manifest was not done in {_WALL_S} s") from err
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or [f"signal {-done.returncode}"]
        raise Refused(lines[-1][:200])
    answer: dict[str, object] = json.loads(done.stdout)
    if "refused" in answer:
        raise Refused(" ".join(str(answer["refused"]).split())[:200])
    return answer
