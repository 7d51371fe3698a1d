"""The live page: every kind has its line, low losses lie low, samples come when it is time, the file is whole."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from happyhorse.training import page
from happyhorse.training.report import Report
from happyhorse.training.train import Trainer


def report(minutes, short, voice):
    return Report(
        round(100 * minutes),
        minutes,
        2,
        {"video": {"short": short}, "audio": {"short": short, "voice": voice}},
        0.5,
        {"short": 3},
    )


def points(svg, kind):
    line = re.search(rf'points="([^"]+)"><title>{kind}<', svg)
    return [tuple(map(float, pair.split(","))) for pair in line[1].split()]


def test_a_chart_has_a_line_for_each_kind_over_the_minutes():
    svg = page.chart([report(1.0, 0.9, 0.5), report(2.0, 0.6, 0.4), report(3.0, 0.3, 0.3)], "audio")
    short, voice = points(svg, "short"), points(svg, "voice")
    assert [x for x, _ in short] == [0.0, 210.0, 420.0]
    heights = [y for _, y in short]
    assert heights == sorted(heights)  # SVG's y points down: a falling loss goes down
    assert voice[-1] == short[-1]
    assert ">0.900<" in svg
    assert ">0.300<" in svg


def test_a_kind_that_comes_late_begins_where_it_comes():
    first = Report(1, 1.0, 0, {"video": {"picture": 0.8}}, 0.5, {})
    svg = page.chart([first, report(2.0, 0.6, 0.4), report(3.0, 0.3, 0.3)], "video")
    assert len(points(svg, "picture")) == 1
    assert points(svg, "short")[0][0] == pytest.approx(210)
    assert "<svg" in page.chart([first], "audio")


def test_samples_are_drawn_at_once_and_then_every_ten_minutes(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(page, "_samples", lambda _: [])
    monkeypatch.setattr(
        page, "draw_samples", lambda *_: drawn.append(1) or np.full((4, 6, 3), 40 * len(drawn), np.uint8)
    )
    live = page.LivePage(tmp_path / "live.html", minutes=60.0)
    for minutes in (46.0, 47.0, 55.9, 56.1, 60.0):
        live.add(report(minutes, 0.5, 0.4), object.__new__(Trainer))
    assert len(drawn) == 2
    text = (tmp_path / "live.html").read_text(encoding="utf-8")
    assert text.index("Minute 56:") < text.index("Minute 46:")
    assert "0 minutes left" in text
    assert [path.name for path in tmp_path.iterdir()] == ["live.html"]


def test_a_png_holds_the_picture():
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    back = np.asarray(Image.open(io.BytesIO(page.as_png(picture))).convert("RGB"))
    assert np.array_equal(back, picture)
