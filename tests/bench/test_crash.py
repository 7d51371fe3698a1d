from dataclasses import replace

import pytest
from rig import postgres_url

from happyhorse.bench.crash import CrashReport, crash_run

GOOD = CrashReport(
    jobs=6, kills=3, seconds=1.0, succeeded=6, charges=6, told=6, told_twice=1, ids_per_job=1, files_left=0
)


def test_what_was_lost_is_said_in_words():
    assert GOOD.failures == []
    assert replace(GOOD, succeeded=5, ids_per_job=2).failures == [
        "succeeded is 5, not 6",
        "ids_per_job is 2, not 1",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_killed_processes_lose_no_job_no_charge_no_webhook_and_no_file(tmp_path, database):
    url = postgres_url() if database == "postgres" else None
    report = crash_run(tmp_path, jobs=6, kills=4, database_url=url, seed=1)
    assert report.failures == []
