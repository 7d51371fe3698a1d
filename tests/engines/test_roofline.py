"""The arithmetic of every stage is that of the specification's table."""

from dataclasses import replace

import pytest

from happyhorse.engines.catalog import CATALOG
from happyhorse.engines.plan import plan
from happyhorse.engines.roofline import GPUS, weights_per_row, work_of
from happyhorse.model.config import PRESETS
from happyhorse.request import parse_request

TERA = 1e12


def stages(engine="magihuman", **fields):
    capabilities = CATALOG[engine]
    made = plan(parse_request({"prompt": "A cat.", "seed": 1, **fields}), capabilities, media={})
    return {stage.stage: stage for stage in work_of(made, capabilities)}


def test_a_row_meets_the_published_number_of_weights():
    assert weights_per_row(PRESETS["15b"]) == pytest.approx(10.91e9, rel=1e-3)


@pytest.mark.parametrize(
    ("resolution", "stage", "tera_flop", "decode"),
    [("480P", "base", 110, None), ("480P", "refine", 516, 262), ("1080P", "refine", 3869, 1191)],
)
def test_one_pass_and_decoding_are_as_published(resolution, stage, tera_flop, decode):
    found = stages(resolution=resolution)
    assert found[stage].flop / found[stage].passes / TERA == pytest.approx(tera_flop, rel=0.005)
    if decode:
        assert found["decode"].flop / TERA == pytest.approx(decode, rel=0.03)


def test_guidance_makes_two_passes_a_step_and_a_draft_stops_early():
    guided = stages("magihuman-base", draft=True)
    assert guided.keys() == {"base", "decode"}
    assert guided["base"].passes == 64
    assert guided["base"].flop / TERA == pytest.approx(7070, rel=0.005)
    assert guided["base"].seconds(GPUS[1]) == pytest.approx(8.9, rel=0.01)


def test_the_least_time_is_that_of_arithmetic_or_of_reading_weights():
    h100, h200 = GPUS
    base = stages(draft=True)["base"]
    assert base.linear_flop / base.passes / TERA == pytest.approx(95, rel=0.005)
    assert base.seconds(h200) == base.seconds(h100) == base.flop / h100.flop_per_s
    assert base.seconds(h200, fp8=True) == pytest.approx((15.5 + 95 / 2) * 8 / 790, rel=0.01)
    one_row = replace(base, flop=22e9, linear_flop=22e9)
    assert one_row.seconds(h100) == pytest.approx(8 * 30.64e9 / 3.35e12, rel=0.001)
    assert one_row.seconds(h200, fp8=True) == pytest.approx(8 * 15.32e9 / 4.8e12, rel=0.001)
