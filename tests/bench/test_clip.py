"""The clip bench: its parts are measured, add up, and belong to a clip that was made."""

import pytest

from happyhorse.bench.clip import bench_clip
from happyhorse.engines.plan import plan
from happyhorse.request import parse_request


@pytest.mark.slow
def test_stages_add_up_to_the_run():
    request = parse_request(
        {"prompt": "A cat", "duration": 3, "resolution": "480P", "draft": True, "seed": 1}
    )
    report = bench_clip(lambda engine: plan(request, engine.capabilities, media={}))
    seconds = report.seconds
    assert all(value > 0 for name, value in seconds.items() if name != "text and speech")
    stages = seconds["text and speech"] + seconds["all steps"] + seconds["draw and write"]
    assert stages == pytest.approx(seconds["second clip"], rel=0.25)
    assert seconds["all steps"] == pytest.approx(8 * seconds["a step"])
    assert report.cold_s >= seconds["import"] + seconds["load"] + seconds["first clip"]
    assert report.real_time_factor == pytest.approx(3 / report.warm_s)
    assert 200e6 < report.peak_bytes < 8e9
