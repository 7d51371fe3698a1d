import pytest

from happyhorse.cli.build import catalog
from happyhorse.engines.plan import plan
from happyhorse.errors import InvalidRequest
from happyhorse.request import parse_request
from happyhorse.settings import Settings


def price(environ, engine, resolution):
    request = parse_request(
        {"prompt": "A cat.", "duration": 10, "resolution": resolution, "engine": engine, "draft": False}
    )
    return plan(request, catalog(Settings.from_env(environ))[engine], media={}).price_usd


def test_a_sheet_sets_what_it_names_and_leaves_the_rest():
    sheets = {"HAPPYHORSE_PRICES": "nano: 720p=0.05, 480P = 0; testcard: 720P=1.5"}
    found = {
        (engine, resolution): price(sheets, engine, resolution)
        for engine in ("nano", "testcard")
        for resolution in ("480P", "720P", "1080P")
    }
    assert list(found.values()) == [0.0, 0.5, 3.12, 0.91, 15.0, 3.12]
    assert price({}, "nano", "720P") == 1.82


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("720P=0.1", "HAPPYHORSE_PRICES must be sheets by engine, such as nano: 720P=0.05; magihuman: 720P=0.2; got '720P=0.1'"),
        ("nano: 720P=cheap", "HAPPYHORSE_PRICES must be resolutions with USD per second, such as .*; got '720P=cheap'"),
        ("nono: 720P=1", "HAPPYHORSE_PRICES must name engines, .*nano.*; got 'nono'"),
        ("nano: 4K=1", "HAPPYHORSE_PRICES must name some of 480P, 720P, 1080P; got '4K'"),
    ],
)  # fmt: skip
def test_a_sheet_that_cannot_be_is_named(text, said):
    with pytest.raises(InvalidRequest, match=said):
        catalog(Settings.from_env({"HAPPYHORSE_PRICES": text}))
