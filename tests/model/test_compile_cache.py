"""Compiled code that is kept is whole, whenever the process that compiled it was killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from happyhorse.errors import EngineError
from happyhorse.model.compile_cache import WorkingCopy, working_copy

KERNEL = "ab/kernel.so"
# As g++, but the first kernel that it makes is cut short, as if it were still being written; then it waits to be killed.
SLOW_COMPILER = """#!/bin/sh
/usr/bin/env -i PATH="$REST_OF_PATH" g++ "$@" || exit
for out; do case "$out" in *.so) grep -q 'void  *kernel(' "${out%.so}.cpp" && [ -n "$STOPS_AT" ] && {
    truncate -s 4096 "$out"; echo "$out" > "$STOPS_AT"; sleep 600; } ;; esac; done
exit 0
"""
PROGRAM = """
import torch
from happyhorse.model.compiled import compiled
def double(x): return x * 2 + x.sin()
x = torch.linspace(-3, 3, 5000)
torch.testing.assert_close(compiled(double)(x), double(x))
print(torch._dynamo.utils.counters["inductor"]["fxgraph_cache_hit"])
"""


def start(kept: Path, compiler: Path, stops_at: str = "") -> subprocess.Popen[str]:
    path = os.environ["PATH"]
    environment = {
        **os.environ,
        "TORCHINDUCTOR_CACHE_DIR": str(kept),
        "PATH": f"{compiler}:{path}",
        "REST_OF_PATH": path,
        "STOPS_AT": stops_at,
    }
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM], env=environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_process_killed_while_it_compiles_leaves_nothing_that_the_next_would_read(tmp_path: Path) -> None:
    kept, compiler, stopped = tmp_path / "kept", tmp_path / "bin", tmp_path / "stopped"
    compiler.mkdir()
    (compiler / "g++").write_text(SLOW_COMPILER)
    (compiler / "g++").chmod(0o755)
    killed = start(kept, compiler, str(stopped))
    while not stopped.exists():
        assert killed.poll() is None, killed.communicate()[1]
        time.sleep(0.1)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    cut = Path(stopped.read_text().strip())
    assert cut.is_file()
    assert [path for path in kept.rglob(cut.name) if path != cut] == []
    for hits in ("0", "1"):
        after = start(kept, compiler)
        said, errors = after.communicate()
        assert (after.returncode, said.strip()) == (0, hits), errors
    assert not cut.exists()
    (whole,) = kept.rglob(cut.name)
    assert whole.parent.parent == kept
    assert list((kept / ".working").iterdir()) == [kept / ".working" / "lock"]


def write(folder: Path, text: str) -> None:
    place = folder / KERNEL
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)


def test_what_is_compiled_is_kept_when_it_is_said_to_be_whole(tmp_path: Path) -> None:
    first = WorkingCopy(tmp_path)
    write(first.folder, "whole")
    write(first.folder / "locks", "")
    assert not (tmp_path / KERNEL).exists()
    first.keep()
    assert (tmp_path / KERNEL).read_text() == "whole"
    assert not (tmp_path / "locks").exists()
    second = WorkingCopy(tmp_path)
    assert (second.folder / KERNEL).read_text() == "whole"
    write(second.folder, "changed in place")
    second.keep()
    assert (tmp_path / KERNEL).read_text() == "whole"


def test_a_folder_that_cannot_be_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "file" / "kept"))
    with pytest.raises(EngineError, match=r"^compiled layers cannot be kept: Not a directory: .*/file/kept$"):
        working_copy.__wrapped__()


def test_copies_of_the_living_stay_and_those_of_the_dead_go(tmp_path: Path) -> None:
    living, dead = WorkingCopy(tmp_path), WorkingCopy(tmp_path)
    dead._alive.close()  # as the system does it for a process that is gone
    WorkingCopy(tmp_path)
    assert living.folder.is_dir()
    assert not dead.folder.exists()
