"""Scaling, cutting and marking pictures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from happyhorse.media.picture import cut, extend, fit, resize, watermark


def smooth(width, height):
    small = np.random.default_rng(0).integers(0, 255, (9, 16, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080), (112, 64)])
def test_resize_equals_pillows_lanczos_within_three_levels(size):
    picture = smooth(448, 256)
    expected = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)).astype(int)
    assert np.abs(resize(picture, size) - expected).max() <= 3


def test_resize_to_the_same_size_changes_nothing():
    picture = smooth(64, 48)
    assert resize(picture, (64, 48)) is picture


@settings(max_examples=40, deadline=None)
@given(st.integers(16, 300), st.integers(16, 300), st.integers(16, 200), st.integers(16, 200))
def test_fit_always_gives_the_size_and_never_pads(width, height, to_width, to_height):
    white = np.full((height, width, 3), 255, np.uint8)
    fitted = fit(white, (to_width, to_height))
    assert fitted.shape == (to_height, to_width, 3)
    assert fitted.min() >= 254


@settings(max_examples=40, deadline=None)
@given(st.integers(16, 300), st.integers(16, 300), st.integers(16, 200), st.integers(16, 200))
def test_what_was_extended_is_what_a_cut_gives_back(width, height, to_width, to_height):
    picture = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
    extended = extend(picture, (to_width, to_height))
    assert extended.shape[1] / extended.shape[0] == pytest.approx(to_width / to_height, rel=0.035)
    back = cut(extended, (width, height))
    assert np.abs(np.subtract(back.shape, picture.shape)).max() <= 0.02 * max(width, height) + 1


def test_ratios_that_are_nearly_alike_lose_no_edge():
    picture = np.zeros((128, 224, 3), np.uint8)
    picture[:, :2] = 255
    assert cut(picture, (1280, 720)) is picture
    assert fit(picture, (1280, 720))[:, :6].min() > 200


def test_fit_cuts_in_the_middle():
    picture = np.zeros((100, 300, 3), np.uint8)
    picture[:, 100:200] = 255
    assert fit(picture, (100, 100)).min() == 255


@pytest.mark.parametrize("shape", [(720, 1280), (976, 416), (48, 64), (8, 8)])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_the_mark_shows_bottom_right_on_any_ground_and_nowhere_else(shape, level):
    plain = np.full((*shape, 3), level, np.uint8)
    marked = watermark(plain)
    rows, columns = np.nonzero((marked != plain).any(axis=2))
    assert plain.min() == plain.max() == level
    assert len(rows)
    if min(shape) > 100:
        assert rows.min() > shape[0] * 0.9
        assert columns.min() > shape[1] * 0.5
        assert np.abs(marked.astype(int) - level).max() > 80
