import pytest

from happyhorse.bench.processes import Child, free_port, settings_of, until, wait_for
from happyhorse.bench.repeat import Held, RepeatReport, holds, repeat_run
from happyhorse.errors import EngineError

ALONE = "import time; kept = bytearray(50_000_000); print('ready', flush=True); time.sleep(20)"
WITH_ANOTHER = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(20)']); {ALONE}"


@pytest.mark.parametrize(("code", "processes"), [(ALONE, 1), (WITH_ANOTHER, 2)])
def test_what_a_process_and_its_children_hold_is_counted(tmp_path, code, processes):
    child = Child(["-c", code], settings_of(tmp_path, None), tmp_path / "log")
    try:
        until(lambda: "ready" in (tmp_path / "log").read_text(), timeout_s=60)
        found = holds(child)
    finally:
        child.kill()
    assert found.processes == processes
    assert found.descriptors >= 3 * processes
    assert 55 < found.memory_mb < 150


def test_a_server_that_ends_before_it_serves_is_not_waited_for(tmp_path):
    child = Child(["-c", "raise SystemExit('no such engine')"], settings_of(tmp_path, None), tmp_path / "log")
    with pytest.raises(EngineError, match="ended before it served: no such engine"):
        wait_for(free_port(), child)


def test_the_percentiles_are_of_the_jobs():
    held = {"api": Held(1.0, 1, 1)}
    report = RepeatReport(100, [float(number) for number in range(100)], held, held)
    assert (report.p50_s, report.p95_s) == (49.5, 94.0)


@pytest.mark.slow
def test_one_clip_is_made_again_and_again(tmp_path):
    report = repeat_run(tmp_path, engine="testcard", jobs=3)
    assert len(report.seconds) == 3
    assert 0 < report.p50_s <= report.p95_s
    assert report.late["worker"].memory_mb > 50
    assert report.late["api"].descriptors > 5
